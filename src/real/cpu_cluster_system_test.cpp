// Real tokens through router, scheduler and device on the wall clock are those of transformers.
#include "real/cpu_cluster.h"

#include <map>

#include "engine/reference_testing.h"
#include "real/wall_clock.h"

namespace weft {
namespace {

SamplingParams greedy() {
  SamplingParams params;
  params.temperature = 0;
  return params;
}

TokenSequence sequence_of(const ReferencePrompt& prompt) {
  TokenSequence sequence;
  sequence.tokens = prompt.tokens;
  sequence.max_output = static_cast<int64_t>(prompt.greedy.size());
  sequence.sampling = greedy();
  return sequence;
}

class Listener {
 public:
  Listener(Loop& loop, size_t requests) : loop_(loop), left_(requests) {}

  void hear(const TokenNews& news) {
    auto& heard = heard_[news.tag];
    const auto added = news.sequence.output().last(static_cast<size_t>(news.tokens));
    heard.insert(heard.end(), added.begin(), added.end());
    if (news.record == nullptr) return;
    ends_[news.tag] = news.record->end;
    if (--left_ == 0) loop_.stop();
  }

  Loop& loop_;
  size_t left_;
  std::map<uint64_t, std::vector<int32_t>> heard_;
  std::map<uint64_t, RequestEnd> ends_;
};

CpuClusterConfig small() {
  CpuClusterConfig config;
  config.instance.kv = KvFormat::kF32;
  config.instance.blocks = 64;
  config.instance.max_tokens = 48;
  config.instance.max_sequences = 4;
  return config;
}

class CpuClusters : public testing::TestWithParam<std::string> {};

TEST_P(CpuClusters, ServeTheTokensOfTransformers) {
  const Reference reference = read_reference(GetParam());
  const TemporaryFolder folder("weft_cluster_" + GetParam());
  Workers workers(1, false);
  const bool has_mtp = !reference.mtp.empty();
  const CpuModel model =
      load_reference(reference, folder, {.weights = WeightFormat::kF32, .loads_mtp = has_mtp},
                     best_isa(), workers);
  CpuClusterConfig config = small();
  config.instances = 2;
  config.instance.draft_tokens = has_mtp ? 1 : 0;
  WallClock clock;
  Loop loop(clock);
  constexpr size_t kRequests = 12;
  Listener listener(loop, kRequests);
  CpuCluster cluster(loop, model, config,
                     Callback<const TokenNews&>::to<&Listener::hear>(&listener));
  const auto& prompts = reference.prompts;
  for (size_t i = 0; i < kRequests; ++i) {
    cluster.submit(sequence_of(prompts[i % prompts.size()]), i);
  }
  loop.run(true);
  for (size_t i = 0; i < kRequests; ++i) {
    EXPECT_EQ(listener.ends_[i], RequestEnd::kCompleted);
    EXPECT_EQ(listener.heard_[i], prompts[i % prompts.size()].greedy) << "request " << i;
  }
  cluster.cluster().check_integrity(Integrity::kDeep);
}

INSTANTIATE_TEST_SUITE_P(Some, CpuClusters, testing::Values("qwen3_f32", "deepseek_v3_bf16"),
                         [](const auto& test) { return test.param; });

TEST(CpuCluster, RejectsWhatFindsNoRoomToWait) {
  const Reference reference = read_reference("qwen3_f32");
  const TemporaryFolder folder("weft_cluster_full");
  Workers workers(1, false);
  const CpuModel model =
      load_reference(reference, folder, {.weights = WeightFormat::kF32}, best_isa(), workers);
  CpuClusterConfig config = small();
  config.instance.max_sequences = 1;
  config.max_waiting = 1;
  WallClock clock;
  Loop loop(clock);
  Listener listener(loop, 4);
  CpuCluster cluster(loop, model, config,
                     Callback<const TokenNews&>::to<&Listener::hear>(&listener));
  for (uint64_t i = 0; i < 4; ++i) cluster.submit(sequence_of(reference.prompts[0]), i);
  EXPECT_EQ(listener.ends_[3], RequestEnd::kRejected);
  loop.run(true);
  for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(listener.heard_[i], reference.prompts[0].greedy);
}

// A device that dies loses what it computed, not what was said.
TEST(CpuCluster, GoesOnAfterAnInstanceDied) {
  const Reference reference = read_reference("qwen3_f32");
  const TemporaryFolder folder("weft_cluster_crash");
  Workers workers(1, false);
  const CpuModel model =
      load_reference(reference, folder, {.weights = WeightFormat::kF32}, best_isa(), workers);
  WallClock clock;
  Loop loop(clock);
  Listener listener(loop, 1);
  CpuCluster cluster(loop, model, small(),
                     Callback<const TokenNews&>::to<&Listener::hear>(&listener));
  cluster.submit(sequence_of(reference.prompts[1]), 0);
  while (listener.heard_[0].size() < 10) loop.run_one_turn(true);
  cluster.cluster().stop_instance(0);
  cluster.cluster().start_instance(0);
  loop.run(true);
  EXPECT_EQ(listener.ends_[0], RequestEnd::kCompleted);
  EXPECT_EQ(listener.heard_[0], reference.prompts[1].greedy);
}

}  // namespace
}  // namespace weft
