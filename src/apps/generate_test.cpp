// weft generate and weft bench engine as a person runs them, on checkpoints made on the spot.
#include <nlohmann/json.hpp>

#include "apps/command_testing.h"

namespace weft {
namespace {

class Generate : public CommandTest {
 protected:
  [[nodiscard]] std::string make(const std::string& like, const std::string& more = "") const {
    const Ended made = run("model init --like " + like + " " + more + " --out " + path(like));
    EXPECT_EQ(made.exit_code, 0) << made.err;
    return path(like);
  }
};

TEST_F(Generate, SaysTheSameEachTimeAndHoweverItIsComputed) {
  const std::string model = make("deepseek-v3");
  const std::string ask =
      "generate --model " + model + " --prompt 'Hello there' --max-tokens 24 --ignore-end --no-pin";
  const Ended first = run(ask + " --weights f32 --kv f32");
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_GT(first.out.size(), 1u);
  EXPECT_NE(first.err.find("24 out"), std::string::npos) << first.err;
  const Ended again = run(ask + " --weights f32 --kv f32 --draft-tokens 0 --threads 1");
  EXPECT_EQ(again.out, first.out) << "without draft tokens, on one thread";
}

TEST_F(Generate, APromptShorterThanItsDraftsIsServed) {
  const Ended ended = run("generate --model " + make("deepseek-v3") +
                          " --raw --prompt a --max-tokens 8 --ignore-end --draft-tokens 3");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_NE(ended.err.find("1 tokens in, 8 out"), std::string::npos) << ended.err;
}

TEST_F(Generate, SamplesBySeed) {
  const std::string ask = "generate --model " + make("qwen3") +
                          " --raw --prompt Hello --max-tokens 32 --ignore-end --temperature 1";
  const Ended one = run(ask + " --seed 1");
  EXPECT_EQ(one.exit_code, 0) << one.err;
  EXPECT_EQ(run(ask + " --seed 1").out, one.out);
  EXPECT_NE(run(ask + " --seed 2").out, one.out);
}

TEST_F(Generate, RefusesInOneLine) {
  const std::string model = make("llama");
  const std::string ask = "generate --prompt a --model ";
  expect_refused(run(ask + path("nowhere")), {"nowhere", "not a folder"});
  expect_refused(run(ask + model + " --weights int9"), {"--weights", "int9", "bf16"});
  expect_refused(run(ask + model + " --kv int4"), {"--kv", "int4", "int8"});
  expect_refused(run(ask + model + " --max-tokens 99999"), {"--max-tokens", "context"});
  expect_refused(run(ask + model + " --draft-tokens 1"), {"--draft-tokens", "no MTP module"});
  expect_refused(run(ask + model + " --temperature -1"), {"temperature", "-1"});
  fs::remove(fs::path(model) / "tokenizer.json");
  expect_refused(run(ask + model), {"tokenizer.json", "missing"});
  fs::resize_file(fs::path(model) / "model.safetensors", 100000);
  expect_refused(run(ask + model), {"model.safetensors"});
}

TEST_F(Generate, BenchMeasuresEveryBatchBesideALimit) {
  const Ended ended = run("bench engine --model " + make("qwen3-moe") +
                          " --prompt 64 --steps 4 --repeats 1 --batch 1 3 --json -");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  const auto json = nlohmann::json::parse(ended.out);
  ASSERT_EQ(json["results"].size(), 3u);
  for (const auto& result : json["results"]) {
    EXPECT_GT(result["tokens_per_s"], 0) << result;
    EXPECT_GT(result["share_of_limit"], 0) << result;
  }
}

}  // namespace
}  // namespace weft
