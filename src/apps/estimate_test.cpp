// weft estimate as a person or a script runs it: a row per term, JSON by contract, exit codes, one
// line for each mistake, and cases that run beside a broken one.
#include "apps/command_testing.h"

#include <nlohmann/json.hpp>

namespace weft {
namespace {

constexpr char kDecode[] =
    "[[case]]\nid = \"good\"\nhardware = \"h100-8\"\nmodel = \"llama-3.1-8b\"\nengine = \"vllm\"\n"
    "phase = \"decode\"\ndevices = 1\nbatch_per_device = 32\ninput_tokens = 1000\n"
    "precision = { weights = \"bf16\", activations = \"bf16\", kv = \"bf16\" }\n";
constexpr char kPublished[] = "[case.published]\ntpot_ms = 10\n";
// The same under another name, on a chip that nobody makes.
std::string broken() {
  std::string text = kDecode;
  text.replace(text.find("good"), 4, "broken");
  return text.replace(text.find("h100-8"), 6, "h999-8");
}

class EstimateCommand : public CommandTest {
 protected:
  EstimateCommand() { write("c.toml", std::string(kDecode) + kPublished); }

  [[nodiscard]] Ended estimate(const std::string& options = "") const {
    return run("estimate --case " + path("c.toml") + " " + options);
  }
};

TEST_F(EstimateCommand, PrintsARowPerTermAndNothingElse) {
  const Ended ended = estimate();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(ended.err, "");
  for (const char* words : {"good", "term", "bound by", "attention", "dense ffn", "memory", "step",
                            "least possible", "tpot_ms", "published 10"}) {
    EXPECT_NE(ended.out.find(words), std::string::npos) << words << "\n" << ended.out;
  }
}

// The keys of the contract, which scripts depend on.
TEST_F(EstimateCommand, JsonOnStandardOutputIsPure) {
  const Ended ended = estimate("--json -");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(ended.err, "");
  const auto json = nlohmann::json::parse(ended.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << ended.out;
  EXPECT_EQ(json["id"], "good");
  EXPECT_GT(json["step_ms"], 0);
  EXPECT_GE(json["step_ms"], json["bound_ms"]);
  ASSERT_TRUE(json["terms"].is_array());
  double sum = 0;
  for (const auto& term : json["terms"]) {
    EXPECT_TRUE(term["name"].is_string());
    EXPECT_TRUE(term["count"].is_number());
    sum += term["ms"].get<double>();
    const std::string bound = term["bound"];
    EXPECT_TRUE(bound == "compute" || bound == "memory" || bound == "network" || bound == "latency")
        << bound;
  }
  EXPECT_NEAR(sum, json["step_ms"].get<double>(), 1e-3 * sum);
  EXPECT_GT(json["metrics"]["tpot_ms"], 0);
  EXPECT_TRUE(json["outside"].is_array());
  ASSERT_EQ(json["cases"].size(), 1u);
  EXPECT_EQ(json["cases"][0]["terms"], json["terms"]);
}

TEST_F(EstimateCommand, EveryCaseOfAFileIsEstimated) {
  std::string second = kDecode;
  second.replace(second.find("good"), 4, "next");
  write("c.toml", std::string(kDecode) + second);
  const auto json = nlohmann::json::parse(estimate("--json -").out, nullptr, false);
  ASSERT_EQ(json["cases"].size(), 2u);
  EXPECT_EQ(json["cases"][1]["id"], "next");
  EXPECT_EQ(json["cases"][1]["step_ms"], json["cases"][0]["step_ms"]);
}

TEST_F(EstimateCommand, OtherCasesRunBesideAnUnusableOne) {
  for (const std::string& text : {broken() + kDecode, std::string(kDecode) + broken()}) {
    write("c.toml", text);
    const Ended ended = estimate("--json " + path("r.json"));
    expect_one_line(ended, {"c.toml:", "case \"broken\"", "h999"});
    EXPECT_NE(ended.out.find("good"), std::string::npos);
    const auto json = nlohmann::json::parse(read(path("r.json")), nullptr, false);
    ASSERT_EQ(json["cases"].size(), 1u);
    EXPECT_EQ(json["cases"][0]["id"], "good");
  }
}

TEST_F(EstimateCommand, EveryUnusableCaseIsALineOfItsOwn) {
  std::string unknown_key = kDecode;
  unknown_key.replace(unknown_key.find("good"), 4, "typo") += "colour = 3\n";
  write("c.toml", broken() + unknown_key + kDecode);
  const Ended ended = estimate("--json -");
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 2) << ended.err;
  EXPECT_NE(ended.err.find("case \"broken\""), std::string::npos);
  EXPECT_NE(ended.err.find("case \"typo\": colour: unknown key"), std::string::npos) << ended.err;
  const auto json = nlohmann::json::parse(ended.out, nullptr, false);
  EXPECT_EQ(json["id"], "good");
}

TEST_F(EstimateCommand, WithoutAUsableCaseNothingIsWritten) {
  write("c.toml", broken());
  expect_refused(estimate("--json " + path("r.json")), {"case \"broken\""});
  EXPECT_EQ(files(), 1u);
}

TEST_F(EstimateCommand, ARunUnderLoadIsNoSteadyStep) {
  write("c.toml",
        "[[case]]\nid = \"run\"\nhardware = \"h100-8\"\nmodel = \"llama-3.1-8b\"\n"
        "engine = \"vllm\"\nphase = \"serve\"\ndevices = 1\nconcurrency = 2\nrequests = 2\n"
        "input_tokens = 10\noutput_tokens = 10\n"
        "precision = { weights = \"bf16\", activations = \"bf16\", kv = \"bf16\" }\n");
  expect_refused(estimate(), {"case \"run\"", "phase", "serve", "validate"});
}

TEST_F(EstimateCommand, AnOperatorHasMetricsAndNoTerms) {
  write("c.toml",
        "[[case]]\nid = \"op\"\nhardware = \"cloudmatrix384\"\nphase = \"gemm\"\nm = 128\n"
        "n = 4096\nk = 4096\nformat = \"int8\"\n");
  const Ended ended = estimate();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_NE(ended.out.find("us"), std::string::npos);
  EXPECT_EQ(ended.out.find("nan"), std::string::npos) << ended.out;
  EXPECT_EQ(ended.out.find("least possible"), std::string::npos) << ended.out;
}

TEST_F(EstimateCommand, MistakesAreOneLine) {
  expect_refused(run("estimate"), {"--case", "--help"});
  expect_refused(run("estimate --case /no/such.toml"), {"/no/such.toml: cannot be opened"});
  expect_refused(estimate("--json /no/such/folder/x"), {"/no/such/folder/x: cannot be written"});
  write("c.toml", "[[case\n");
  expect_refused(estimate(), {"c.toml:1: not TOML"});
  write("c.toml", "family = \"f\"\n");
  expect_refused(estimate(), {"c.toml", "[[case]]"});
}

TEST_F(EstimateCommand, HelpHasAnExampleThatRuns) {
  const Ended help = run("estimate --help");
  EXPECT_EQ(help.exit_code, 0);
  const std::string example = "estimate --case scenarios/decode-case.toml";
  EXPECT_NE(help.out.find("weft " + example), std::string::npos);
  const Ended ended = run(example);
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_NE(ended.out.find("published 49.4"), std::string::npos) << ended.out;
}

}  // namespace
}  // namespace weft
