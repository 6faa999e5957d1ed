// Attention: operations and bytes at known shapes, limits of windows and selections.
#include "cost/attention_bound.h"

#include <gtest/gtest.h>

#include "cost/fixtures.h"
#include "cost/load_fixtures.h"

namespace weft {
namespace {

using namespace fixtures;  // NOLINT(google-build-using-namespace)

// One operation and one byte per second: seconds are counts.
AttentionBound counts(const ModelShape& model, const InstanceLayout& layout) {
  return AttentionBound(model, layout, {1, 1, 1});
}

TEST(AttentionBound, DecodeOfLatentRowsIsAbsorbed) {
  const InstanceLayout one = layout(Role::kDecode, 1, {}, Format::kBf16);
  const auto work = counts(deepseek_r1(), one).decode(decode_load(2, 1000));
  EXPECT_DOUBLE_EQ(work.compute, 2000.0 * 61 * 2 * 128 * (576 + 512));
  EXPECT_DOUBLE_EQ(work.memory, 2000.0 * 61 * 1152);
}

TEST(AttentionBound, DraftTokensShareTheRows) {
  InstanceLayout l = layout(Role::kDecode, 1, {}, Format::kBf16);
  const auto without = counts(deepseek_r1(), l).decode(decode_load(1, 1000));
  l.draft_tokens = 1;
  const auto with = counts(deepseek_r1(), l).decode(decode_load(1, 1000));
  EXPECT_DOUBLE_EQ(with.compute, 2 * without.compute);
  EXPECT_DOUBLE_EQ(with.memory, without.memory);
}

TEST(AttentionBound, PrefillOfLatentRowsIsNot) {
  const InstanceLayout one = layout(Role::kPrefill, 1, {}, Format::kBf16);
  const auto work = counts(deepseek_r1(), one).prefill(prompt_load(1, 4096));
  EXPECT_DOUBLE_EQ(work.compute, 4096.0 * 4097 / 2 * 61 * 2 * 128 * (192 + 128));
}

TEST(AttentionBound, HeadsSplitOverTensorParallelism) {
  const InstanceLayout one = layout(Role::kDecode, 1, {}, Format::kBf16);
  InstanceLayout sixteen = one;
  sixteen.parallel.tp = 16;
  const RankLoad load = decode_load(3, 500);
  const auto whole = counts(llama_70b(), one).decode(load);
  const auto split = counts(llama_70b(), sixteen).decode(load);
  EXPECT_DOUBLE_EQ(split.compute, whole.compute / 16);
  EXPECT_DOUBLE_EQ(split.memory, whole.memory / 8);  // eight KV heads, held twice
  const auto latent = counts(deepseek_r1(), sixteen).decode(load);
  EXPECT_DOUBLE_EQ(latent.memory, counts(deepseek_r1(), one).decode(load).memory);
}

TEST(AttentionBound, WindowsLimitHalfTheLayers) {
  const InstanceLayout one = layout(Role::kDecode, 1, {}, Format::kBf16);
  const double row = 2 * 8 * 64 * 2.0;
  const auto near = counts(gpt_oss_120b(), one).decode(decode_load(4, 100));
  EXPECT_DOUBLE_EQ(near.memory, 4 * 100 * row * 36);
  const auto far = counts(gpt_oss_120b(), one).decode(decode_load(4, 10000));
  EXPECT_DOUBLE_EQ(far.memory, 4 * row * 18 * (128 + 10000));
}

TEST(AttentionBound, SelectionLimitsKeysButNotTheIndexer) {
  const InstanceLayout one = layout(Role::kDecode, 1, {}, Format::kBf16);
  const AttentionBound cost = counts(deepseek_v32(), one);
  const RankLoad load = decode_load(1, 100000);
  EXPECT_DOUBLE_EQ(cost.decode(load).memory, 2048.0 * 61 * 1152);
  EXPECT_DOUBLE_EQ(cost.decode_index(load).memory, 100000.0 * 61 * 256);
  EXPECT_DOUBLE_EQ(cost.decode_index(load).compute, 100000.0 * 61 * 2 * 64 * 128);
}

TEST(AttentionBound, ShortSparsePrefillIsDense) {
  const InstanceLayout one = layout(Role::kPrefill, 1, {}, Format::kBf16);
  const RankLoad load = prompt_load(1, 2048);
  EXPECT_DOUBLE_EQ(counts(deepseek_v32(), one).prefill(load).compute,
                   counts(deepseek_r1(), one).prefill(load).compute);
  const RankLoad long_load = prompt_load(1, 65536);
  EXPECT_LT(counts(deepseek_v32(), one).prefill(long_load).compute,
            counts(deepseek_r1(), one).prefill(long_load).compute / 3);
}

// V4: 30 layers select 1,024 entries of 4 tokens, 31 read all entries of 128, and all a window.
TEST(AttentionBound, CompressedEntriesAndWindow) {
  const InstanceLayout one = layout(Role::kDecode, 1, {}, Format::kBf16);
  const double context = 1 << 20;
  const auto work = counts(deepseek_v4_pro(), one).decode(decode_load(1, 1 << 20));
  EXPECT_DOUBLE_EQ(work.memory, 1024 * (61.0 * 128 + 30 * 1024 + 31 * context / 128));
}

}  // namespace
}  // namespace weft
