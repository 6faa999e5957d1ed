// Greedy tokens are those of transformers, whatever the scheduler does with a sequence: chunks of
// any size, strangers in the batch, blocks found in the cache, preemption, draft tokens.
#include "engine/instance_testing.h"
#include "engine/reference_testing.h"

namespace weft {
namespace {

EngineInstanceConfig exact(int threads) {
  EngineInstanceConfig config;
  config.threads = threads;
  config.kv = KvFormat::kF32;
  config.blocks = 256;
  config.max_tokens = 512;
  config.max_sequences = 16;
  return config;
}

// Tokens of every prompt, each run alone or all together, again with what the first run left in
// the cache.
struct Plan {
  int64_t chunk = 512;
  int64_t blocks = 256;
  int threads = 1;
  int draft_tokens = 0;
  bool together = false;
};

class GreedyTokens : public testing::TestWithParam<std::string> {
 protected:
  GreedyTokens()
      : reference_(read_reference(GetParam())),
        folder_("weft_greedy_" + GetParam()),
        workers_(1, false) {}

  void expect_greedy(const CpuModel& model, const Plan& plan) {
    EngineInstanceConfig config = exact(plan.threads);
    config.draft_tokens = plan.draft_tokens;
    InstanceRunner runner(model, config, plan.chunk, plan.blocks);
    uint64_t id = 1;
    for (int round = 0; round < 2; ++round) {
      const uint64_t first = id;
      for (const ReferencePrompt& prompt : reference_.prompts) {
        runner.add(id++, prompt.tokens, static_cast<int64_t>(prompt.greedy.size()));
        while (!plan.together && runner.step()) {
        }
      }
      while (runner.step()) {
      }
      for (size_t p = 0; p < reference_.prompts.size(); ++p) {
        EXPECT_EQ(runner.output(first + p), reference_.prompts[p].greedy)
            << "prompt " << p << ", round " << round << ", chunks of " << plan.chunk;
      }
    }
    EXPECT_GT(runner.cached(), 0) << "the second round finds blocks";
    preemptions_ += runner.preemptions();
    accepted_ += runner.accepted();
  }

  Reference reference_;
  TemporaryFolder folder_;
  Workers workers_;
  int64_t preemptions_ = 0;
  int64_t accepted_ = 0;
};

TEST_P(GreedyTokens, AreThoseOfTransformersHoweverTheyAreScheduled) {
  const bool has_mtp = !reference_.mtp.empty();
  const CpuModel model =
      load_reference(reference_, folder_, {.weights = WeightFormat::kF32, .loads_mtp = has_mtp},
                     best_isa(), workers_);
  expect_greedy(model, {});
  expect_greedy(model, {.chunk = 7});
  expect_greedy(model, {.chunk = 33, .threads = 2, .together = true});
  expect_greedy(model, {.chunk = 64, .blocks = 10, .together = true});
  EXPECT_GT(preemptions_, 0) << "10 blocks are too few for all";
  if (!has_mtp) return;
  expect_greedy(model, {.draft_tokens = 1});
  expect_greedy(model, {.chunk = 20, .threads = 2, .draft_tokens = 2, .together = true});
}

INSTANTIATE_TEST_SUITE_P(All, GreedyTokens, testing::ValuesIn(reference_names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace weft
