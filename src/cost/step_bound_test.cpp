// The bound of a step: operations and bytes counted by hand at shapes where one of them rules.
#include "cost/step_bound.h"

#include <gtest/gtest.h>

#include "cost/fixtures.h"
#include "cost/load_fixtures.h"

namespace weft {
namespace {

using namespace fixtures;  // NOLINT(google-build-using-namespace)

double bound(const ModelShape& model, const System& system, const InstanceLayout& l,
             const std::vector<RankLoad>& loads) {
  return to_seconds(StepBound(model, system, l).time(loads));
}

double layer_parameters(const ModelShape& m) {
  return m.active_parameters() - 2 * m.embedding_parameters();
}

const InstanceLayout kOne = layout(Role::kUnified, 1, {}, Format::kBf16);

TEST(StepBound, OneDecodeReadsEveryWeightOnce) {
  const ModelShape m = llama_8b();
  const double weights = 2 * (layer_parameters(m) + m.embedding_parameters());
  const double time = bound(m, h200(1), kOne, {decode_load(1, 0)});
  EXPECT_NEAR(time, weights / 4.8e12, 0.001 * time);
}

TEST(StepBound, DecodesReadTheirContextOnce) {
  const ModelShape m = llama_8b();
  const double without = bound(m, h200(1), kOne, {decode_load(4, 0)});
  const double with = bound(m, h200(1), kOne, {decode_load(4, 50000)});
  const double bytes = 4 * 50000 * m.kv_bytes_per_token(Format::kBf16);
  EXPECT_NEAR(with - without, bytes / 4.8e12, 0.001 * with);
}

TEST(StepBound, ALongPromptTakesItsOperations) {
  RankLoad load;
  load.prefill_tokens = load.prefill_longest = 16384;
  load.prefill_sequences = 1;
  const ModelShape m = llama_8b();
  const double time = bound(m, h200(1), kOne, {load});
  EXPECT_NEAR(time, 2 * layer_parameters(m) * 16384 / 989e12, 0.001 * time);
}

// A token reads its eight experts of 256 in every layer; very many read all of them.
TEST(StepBound, FewTokensTouchFewExperts) {
  const ModelShape m = deepseek_r1();
  InstanceLayout l = kOne;
  l.precision = {Format::kFp8, Format::kFp8, Format::kBf16};
  const double experts = 58 * m.expert_parameters() / 4.8e12;  // seconds, one of each layer
  const double one = bound(m, h200(1), l, {decode_load(1, 0)});
  const double two = bound(m, h200(1), l, {decode_load(2, 0)});
  EXPECT_GT(one, 8 * experts);
  const ExpertPopularity liked(8.0 / 256);
  EXPECT_NEAR(two - one, (256 * liked.touched(2) - 8) * experts, 0.001 * one);
  EXPECT_LT(two - one, (8 - 8.0 * 8 / 256) * experts) << "fewer than when all are liked alike";
  const double many = bound(m, h200(1), l, {decode_load(256, 0)});
  EXPECT_NEAR(many - one, (256 * liked.touched(256) - 8) * experts, 0.001 * many);
}

TEST(StepBound, TheBusiestRankRules) {
  InstanceLayout l = layout(Role::kUnified, 2, {.dp = 2}, Format::kBf16);
  const double busy = bound(llama_8b(), h200(2), l, {decode_load(8, 4000), decode_load(1, 10)});
  EXPECT_DOUBLE_EQ(busy, bound(llama_8b(), h200(2), l, {decode_load(8, 4000), RankLoad{}}));
  EXPECT_GT(busy, bound(llama_8b(), h200(2), l, {decode_load(4, 4000), decode_load(4, 4000)}));
}

TEST(StepBound, TensorParallelismSharesTheWeights) {
  const InstanceLayout eight = layout(Role::kUnified, 8, {.tp = 8}, Format::kBf16);
  const double one = bound(llama_70b(), h200(8), kOne, {decode_load(1, 0)});
  EXPECT_NEAR(bound(llama_70b(), h200(8), eight, {decode_load(1, 0)}), one / 8, 0.001 * one);
}

TEST(StepBound, NothingTakesNoTime) {
  EXPECT_EQ(bound(llama_8b(), h200(1), kOne, {RankLoad{}}), 0);
}

}  // namespace
}  // namespace weft
