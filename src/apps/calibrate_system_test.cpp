// weft bench engine --calibrate as a person runs it: its file is hardware for estimate and
// simulate.
#include <nlohmann/json.hpp>

#include "apps/command_testing.h"
#include "hardware/catalog.h"

namespace weft {
namespace {

class Calibrate : public CommandTest {
 protected:
  void make_model() const {
    ASSERT_EQ(run("model init --like qwen3 --hidden 128 --out " + path("m")).exit_code, 0);
  }
  [[nodiscard]] std::string here() const { return path("here.toml"); }
};

TEST_F(Calibrate, WritesHardwareThatForeseesTheEngine) {
  make_model();
  const Ended ended =
      run("bench engine --seconds 0.2 --calibrate " + here() + " --model " + path("m"));
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_NE(ended.out.find("decode, 16 together"), std::string::npos) << ended.out;
  const auto catalog = Catalog::open("catalog");
  const auto system = catalog->system(here());
  ASSERT_TRUE(system.ok()) << system.error().message;
  EXPECT_EQ(system->chip.kernels.gemm.of(GemmKind::kInt8).chip, here());
  EXPECT_EQ(system->chip.kernels.attention.decode(DecodeKernel::kGqa, Format::kBf16).chip, here());
  ASSERT_TRUE(system->engine);
  EXPECT_EQ(system->engine->name, "weft");

  write("s.toml", "model = \"" + path("m") + "\"\nhardware = \"" + here() + R"("
[workload]
arrivals = { concurrency = 2 }
input_tokens = { dist = "fixed", value = 32 }
output_tokens = { dist = "fixed", value = 8 }
requests = 6
[precision]
weights = "int8"
activations = "int8"
[[unified]]
devices = 1
)");
  const Ended played = run("simulate " + path("s.toml") + " --json -");
  ASSERT_EQ(played.exit_code, 0) << played.err;
  const auto json = nlohmann::json::parse(played.out);
  EXPECT_EQ(json["requests"]["completed"], 6);
  // Two layers of 128: microseconds to milliseconds a token, on any machine.
  EXPECT_GT(json["tpot_ms"]["mean"], 1e-3);
  EXPECT_LT(json["tpot_ms"]["mean"], 1e3);
}

TEST_F(Calibrate, RefusesWhatItCannotDoBeforeItMeasures) {
  make_model();
  expect_refused(run("bench engine --calibrate " + path("x.json")), {"--calibrate", ".toml"});
  expect_refused(run("bench engine --calibrate " + here() + " --weights f32 --model " + path("m")),
                 {"--calibrate", "f32", "int8"});
  expect_refused(run("bench engine"), {"--model", "missing"});
  EXPECT_FALSE(fs::exists(here()));
}

}  // namespace
}  // namespace weft
