// Attention: operations and bytes at known shapes, limits of windows and selections.
#include "cost/attention_cost.h"

#include <gtest/gtest.h>

#include "cost/fixtures.h"

namespace weft {
namespace {

using namespace fixtures;  // NOLINT(google-build-using-namespace)

RankLoad decode_load(int sequences, int64_t context) {
  RankLoad load;
  load.decode_sequences = load.sampled = sequences;
  load.decode_tokens = sequences;
  load.decode_context = sequences * context;
  return load;
}

RankLoad prompt_load(int sequences, int64_t tokens) {
  RankLoad load;
  load.prefill_sequences = load.sampled = sequences;
  load.prefill_tokens = sequences * tokens;
  const double n = static_cast<double>(tokens);
  load.prefill_products = sequences * n * (n + 1) / 2;
  return load;
}

// Rates of one operation and one byte per second: seconds are counts.
Rates unit_rates() {
  Rates rates;
  rates.products.fill(1);
  rates.attention = 1;
  rates.memory = 1;
  return rates;
}

AttentionCost counts(const ModelShape& model, const InstanceLayout& layout) {
  return AttentionCost(model, layout, unit_rates(), 1, true);
}

TEST(AttentionCost, DecodeOfLatentRowsIsAbsorbed) {
  const InstanceLayout one = layout(Role::kDecode, 1, {}, Format::kBf16);
  const auto work = counts(deepseek_r1(), one).decode(decode_load(2, 1000));
  EXPECT_DOUBLE_EQ(work.compute, 2000.0 * 61 * 2 * 128 * (576 + 512));
  EXPECT_DOUBLE_EQ(work.memory, 2000.0 * 61 * 1152);
}

TEST(AttentionCost, DraftTokensShareTheRows) {
  InstanceLayout l = layout(Role::kDecode, 1, {}, Format::kBf16);
  const auto without = counts(deepseek_r1(), l).decode(decode_load(1, 1000));
  l.draft_tokens = 1;
  const auto with = counts(deepseek_r1(), l).decode(decode_load(1, 1000));
  EXPECT_DOUBLE_EQ(with.compute, 2 * without.compute);
  EXPECT_DOUBLE_EQ(with.memory, without.memory);
}

TEST(AttentionCost, PrefillOfLatentRowsIsNot) {
  const InstanceLayout one = layout(Role::kPrefill, 1, {}, Format::kBf16);
  const auto work = counts(deepseek_r1(), one).prefill(prompt_load(1, 4096));
  EXPECT_DOUBLE_EQ(work.compute, 4096.0 * 4097 / 2 * 61 * 2 * 128 * (192 + 128));
}

TEST(AttentionCost, EarlierChunksAreProjectedUpAgain) {
  const InstanceLayout one = layout(Role::kPrefill, 1, {}, Format::kBf16);
  const AttentionCost cost(deepseek_r1(), one, unit_rates(), 1, false);
  RankLoad load = prompt_load(1, 1024);
  const double first = cost.prefill(load).compute;
  load.prefill_context = 1000;
  EXPECT_DOUBLE_EQ(cost.prefill(load).compute - first, 1000 * 61 * 2.0 * 512 * 128 * 256);
}

TEST(AttentionCost, HeadsSplitOverTensorParallelism) {
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

TEST(AttentionCost, WindowsLimitHalfTheLayers) {
  const InstanceLayout one = layout(Role::kDecode, 1, {}, Format::kBf16);
  const double row = 2 * 8 * 64 * 2.0;
  const auto near = counts(gpt_oss_120b(), one).decode(decode_load(4, 100));
  EXPECT_DOUBLE_EQ(near.memory, 4 * 100 * row * 36);
  const auto far = counts(gpt_oss_120b(), one).decode(decode_load(4, 10000));
  EXPECT_DOUBLE_EQ(far.memory, 4 * row * 18 * (128 + 10000));
}

TEST(AttentionCost, SelectionLimitsKeysButNotTheIndexer) {
  const InstanceLayout one = layout(Role::kDecode, 1, {}, Format::kBf16);
  const AttentionCost cost = counts(deepseek_v32(), one);
  const RankLoad load = decode_load(1, 100000);
  EXPECT_DOUBLE_EQ(cost.decode(load).memory, 2048.0 * 61 * 1152);
  EXPECT_DOUBLE_EQ(cost.decode_index(load).memory, 100000.0 * 61 * 256);
  EXPECT_DOUBLE_EQ(cost.decode_index(load).compute, 100000.0 * 61 * 2 * 64 * 128);
}

TEST(AttentionCost, ShortSparsePrefillIsDense) {
  const InstanceLayout one = layout(Role::kPrefill, 1, {}, Format::kBf16);
  const RankLoad load = prompt_load(1, 2048);
  EXPECT_DOUBLE_EQ(counts(deepseek_v32(), one).prefill(load).compute,
                   counts(deepseek_r1(), one).prefill(load).compute);
  const RankLoad long_load = prompt_load(1, 65536);
  EXPECT_LT(counts(deepseek_v32(), one).prefill(long_load).compute,
            counts(deepseek_r1(), one).prefill(long_load).compute / 3);
}

// V4: 30 layers select 1,024 entries of 4 tokens, 31 read all entries of 128, and all a window.
TEST(AttentionCost, CompressedEntriesAndWindow) {
  const InstanceLayout one = layout(Role::kDecode, 1, {}, Format::kBf16);
  const double context = 1 << 20;
  const auto work = counts(deepseek_v4_pro(), one).decode(decode_load(1, 1 << 20));
  EXPECT_DOUBLE_EQ(work.memory, 1024 * (61.0 * 128 + 30 * 1024 + 31 * context / 128));
}

TEST(AttentionCost, SumIsItsParts) {
  for (const ModelShape& model : {deepseek_v32(), deepseek_v4_pro(), gpt_oss_120b()}) {
    const InstanceLayout one = layout(Role::kUnified, 1, {}, Format::kBf16);
    const AttentionCost cost(model, one, reached_rates(h100(8).chip, {}), 1, false);
    RankLoad load = decode_load(7, 5000);
    const RankLoad prompt = prompt_load(2, 3000);
    load.prefill_tokens = prompt.prefill_tokens;
    load.prefill_products = prompt.prefill_products;
    load.prefill_sequences = 2;
    const auto prefill = cost.prefill(load);
    const auto index = cost.decode_index(load);
    const double decode = cost.decode_seconds(load) - std::max(index.compute, index.memory);
    EXPECT_NEAR(cost.seconds(load),
                decode + std::max(prefill.compute, prefill.memory) + cost.index_seconds(load),
                1e-12);
  }
}

}  // namespace
}  // namespace weft
