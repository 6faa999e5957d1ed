// The modelled device: the cost model's time, a slowdown, and draft tokens accepted by chance that
// hangs on nothing but seed, request and position.
#include "sim/model_device.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/world_testing.h"

namespace weft {
namespace {

constexpr char kScenario[] =
    "hardware = \"h100-8\"\n[workload]\narrivals = { process = \"poisson\", rate = 1 }\n"
    "input_tokens = { dist = \"fixed\", value = 9 }\noutput_tokens = { dist = \"fixed\", value = 9 "
    "}\n"
    "requests = 1\n[[unified]]\ndevices = 1\ndraft_tokens = 3\n";

class ModelDeviceTest : public testing::Test {
 public:
  void done(uint64_t, const StepOutput& output) {
    took_ = output.took;
    for (const SequenceOutput& sequence : output.outputs) tokens_.push_back(sequence.tokens);
  }

 protected:
  ModelDeviceTest() : loop_(clock_) {
    auto deployment = deploy_text("model = \"" + tiny_dense_model() + "\"\n" + kScenario);
    CHECK(deployment.ok(), "the scenario is right");
    const DeployedGroup& group = deployment->groups.front();
    model_ = std::make_unique<StepModel>(deployment->model, deployment->systems[group.system],
                                         group.config.layout);
  }

  static SequenceWork decoding(uint64_t request, int64_t generated, int32_t tokens) {
    SequenceWork work;
    work.request = RequestId(request);
    work.context = Tokens(100);
    work.tokens = tokens;
    work.decode = work.samples = true;
    work.generated = generated;
    return work;
  }

  // What one step brings, and how long it takes.
  std::vector<int32_t> step(ModelDevice& device, const std::vector<SequenceWork>& work) {
    RankLoad load;
    load.decode_sequences = static_cast<int32_t>(work.size());
    load.decode_context = 100 * static_cast<int64_t>(work.size());
    for (const SequenceWork& w : work) load.decode_tokens += w.tokens;
    load_ = load;
    Batch batch{1, work, {&load, 1}, load.decode_tokens};
    tokens_.clear();
    const Instant start = loop_.now();
    device.submit(
        batch, StepDone(lifetime_,
                        Callback<uint64_t, const StepOutput&>::to<&ModelDeviceTest::done>(this)));
    EXPECT_TRUE(tokens_.empty()) << "done inside submit";
    loop_.run();
    EXPECT_EQ(loop_.now() - start, took_);
    return tokens_;
  }

  VirtualClock clock_;
  Loop loop_;
  Lifetime lifetime_;
  std::unique_ptr<StepModel> model_;
  RankLoad load_;
  std::vector<int32_t> tokens_;
  Duration took_;
};

TEST_F(ModelDeviceTest, StepsTakeTheModelsTimeAndASlowDieStretchesThem) {
  ModelDevice device(loop_, *model_, {});
  step(device, {decoding(1, 5, 1), decoding(2, 5, 1)});
  EXPECT_EQ(took_, model_->time({&load_, 1}));
  EXPECT_GT(took_, Duration{});
  device.set_slowdown(2.5);
  const Duration healthy = took_;
  step(device, {decoding(1, 6, 1), decoding(2, 6, 1)});
  EXPECT_NEAR(to_seconds(took_), 2.5 * to_seconds(healthy), 2e-9);
  device.set_slowdown(1);
  step(device, {decoding(1, 7, 1), decoding(2, 7, 1)});
  EXPECT_EQ(took_, healthy);
}

TEST_F(ModelDeviceTest, ChunksThatDoNotSampleBringNothing) {
  ModelDevice device(loop_, *model_, {});
  SequenceWork chunk = decoding(1, 0, 50);
  chunk.decode = chunk.samples = false;
  SequenceWork last = chunk;
  last.request = RequestId(2);
  last.samples = true;
  EXPECT_EQ(step(device, {chunk, last}), (std::vector<int32_t>{0, 1}));
}

// Each draft token counts only when those before it were accepted: 1 + a + a² + a³ per step.
TEST_F(ModelDeviceTest, DraftTokensAreAcceptedAtTheGivenRate) {
  for (const double acceptance : {0.0, 0.3, 0.7, 1.0}) {
    ModelDevice device(loop_, *model_, {.seed = 4, .acceptance = acceptance});
    double sum = 0;
    std::vector<SequenceWork> work;
    for (uint64_t request = 0; request < 40'000; ++request) work.push_back(decoding(request, 7, 4));
    for (const int32_t tokens : step(device, work)) sum += tokens;
    const double a = acceptance;
    EXPECT_NEAR(sum / 40'000, 1 + a + a * a + a * a * a, 0.02) << acceptance;
  }
}

TEST_F(ModelDeviceTest, AcceptanceDoesNotHangOnTheBatch) {
  ModelDevice device(loop_, *model_, {.seed = 4, .acceptance = 0.5});
  std::vector<SequenceWork> work;
  for (uint64_t request = 0; request < 500; ++request) work.push_back(decoding(request, 3, 3));
  const auto together = step(device, work);
  std::reverse(work.begin(), work.end());
  auto reversed = step(device, work);
  std::reverse(reversed.begin(), reversed.end());
  EXPECT_EQ(together, reversed);
  for (const size_t alone : {0, 7, 499}) {
    EXPECT_EQ(step(device, {decoding(alone, 3, 3)}).front(), together[alone]);
  }
  ModelDevice other(loop_, *model_, {.seed = 5, .acceptance = 0.5});
  std::reverse(work.begin(), work.end());
  EXPECT_NE(step(other, work), together);
}

TEST_F(ModelDeviceTest, AStepDiesWithItsDevice) {
  auto device = std::make_unique<ModelDevice>(loop_, *model_, ModelDeviceConfig{});
  const SequenceWork work = decoding(1, 1, 1);
  const RankLoad load{.decode_sequences = 1, .decode_tokens = 1, .decode_context = 100};
  device->submit(
      {1, {&work, 1}, {&load, 1}, 1},
      StepDone(lifetime_, Callback<uint64_t, const StepOutput&>::to<&ModelDeviceTest::done>(this)));
  device.reset();
  loop_.run();
  EXPECT_TRUE(tokens_.empty());
}

}  // namespace
}  // namespace weft
