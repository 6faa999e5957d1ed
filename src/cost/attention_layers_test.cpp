// Attention of all layers: what grows with the context and what windows, selections and
// compression hold still; layers that add up.
#include "cost/attention_layers.h"

#include <gtest/gtest.h>

#include "cost/fixtures.h"
#include "cost/load_fixtures.h"

namespace weft {
namespace {

using namespace fixtures;  // NOLINT(google-build-using-namespace)

AttentionLayers layers(const ModelShape& model, int tp = 1, Format kv = Format::kBf16) {
  InstanceLayout instance = layout(Role::kUnified, tp, {.tp = tp}, Format::kBf16);
  instance.precision.kv = kv;
  return AttentionLayers(model, h200(8), instance);
}

ModelShape with_group(ModelShape model, AttentionGroup group) {
  group.layers = model.layers;
  model.attention_groups = {group};
  return model;
}

double decode_seconds(const ModelShape& model, int64_t context, Format kv = Format::kBf16) {
  return layers(model, 1, kv).parts(decode_load(16, context), 1).decode;
}

TEST(AttentionLayers, AnEmptyLoadTakesNoTime) {
  for (const ModelShape& model :
       {llama_8b(), gpt_oss_120b(), deepseek_r1(), deepseek_v32(), deepseek_v4_pro()}) {
    EXPECT_EQ(layers(model).seconds(RankLoad{}, 1), 0) << model.name;
    EXPECT_EQ(layers(model).parts(prompt_load(1, 1000), 1).decode, 0) << model.name;
    EXPECT_EQ(layers(model).parts(decode_load(1, 1000), 1).prefill, 0) << model.name;
  }
}

TEST(AttentionLayers, GroupsAddUp) {
  ModelShape halves = llama_8b();
  halves.attention_groups = {{.layers = 10}, {.layers = 22}};
  for (const RankLoad& load : {decode_load(8, 4000), prompt_load(2, 4000)}) {
    EXPECT_NEAR(layers(halves).seconds(load, 1), layers(llama_8b()).seconds(load, 1), 1e-12);
  }
}

TEST(AttentionLayers, WithoutAWindowDecodesGrowWithTheirContext) {
  EXPECT_GT(decode_seconds(llama_8b(), 64000), 4 * decode_seconds(llama_8b(), 8000));
  EXPECT_GT(decode_seconds(deepseek_r1(), 64000), 4 * decode_seconds(deepseek_r1(), 8000));
}

TEST(AttentionLayers, AWindowHoldsStillWhatLiesBehindIt) {
  const ModelShape window = with_group(gpt_oss_120b(), {.window = 128});
  const auto eight_bits = [&](int64_t context) {
    return decode_seconds(window, context, Format::kFp8);
  };
  EXPECT_EQ(eight_bits(1000), eight_bits(100000));
  EXPECT_LT(eight_bits(64), eight_bits(1000));
  EXPECT_LT(decode_seconds(window, 64), decode_seconds(window, 1000));
  const double half = decode_seconds(gpt_oss_120b(), 100000);
  const double dense = decode_seconds(with_group(gpt_oss_120b(), {}), 100000);
  EXPECT_NEAR(half, (dense + decode_seconds(window, 100000)) / 2, 1e-9);
}

// TensorRT-LLM's Hopper kernel for BF16 KV begins and merges parts for keys outside the window too.
TEST(AttentionLayers, BehindAWindowHopperPaysForEmptyParts) {
  const ModelShape window = with_group(gpt_oss_120b(), {.window = 128});
  const double near = decode_seconds(window, 1000);
  const double far = decode_seconds(window, 100000);
  EXPECT_GT(far, near);
  EXPECT_LT(far, 2 * near);
  EXPECT_LT(far, decode_seconds(with_group(gpt_oss_120b(), {}), 100000) / 4);
  const AttentionLayers open(window, h200(8), layout(Role::kUnified, 1, {.tp = 1}, Format::kBf16),
                             true);
  EXPECT_EQ(open.parts(decode_load(16, 1000), 1).decode,
            open.parts(decode_load(16, 100000), 1).decode);
}

AttentionLayers one_layer(ModelShape model, bool open, int draft_tokens = 0) {
  model.attention_groups = {{.layers = 1}};
  InstanceLayout one = layout(Role::kUnified, 1, {.tp = 1}, Format::kBf16);
  one.draft_tokens = draft_tokens;
  return AttentionLayers(model, h100(8), one, open);
}

// 8 KV heads of one sequence on 132 cores: by head below 5 blocks of 128 keys.
TEST(AttentionLayers, TensorRtLlmDecodesFewBlocksByHead) {
  const auto seconds = [](const AttentionLayers& layers, int64_t keys) {
    return layers.parts(decode_load(1, keys), 1).decode;
  };
  const AttentionLayers own = one_layer(llama_8b(), false);
  const AttentionLayers open = one_layer(llama_8b(), true);
  EXPECT_NE(seconds(own, 512), seconds(open, 512));
  EXPECT_EQ(seconds(own, 640), seconds(open, 640));
  const AttentionLayers own_drafts = one_layer(llama_8b(), false, 1);
  const AttentionLayers open_drafts = one_layer(llama_8b(), true, 1);
  EXPECT_EQ(seconds(own_drafts, 512), seconds(open_drafts, 512));
}

TEST(AttentionLayers, MoreThan32HeadsOnAKvHeadAreDecodedByHead) {
  ModelShape model = llama_8b();
  model.kv_heads = 1;
  model.heads = 32;
  const RankLoad load = decode_load(64, 8192);
  const double usual = one_layer(model, false).parts(load, 1).decode;
  EXPECT_EQ(usual, one_layer(model, true).parts(load, 1).decode);
  model.heads = 33;
  EXPECT_GT(one_layer(model, false).parts(load, 1).decode, 5 * usual);
  EXPECT_LT(one_layer(model, true).parts(load, 1).decode, 1.5 * usual);
}

TEST(AttentionLayers, ASelectionHoldsAttentionStillAndNotItsIndex) {
  const AttentionLayers sparse = layers(deepseek_v32());
  const auto near = sparse.parts(decode_load(16, 8000), 1);
  const auto far = sparse.parts(decode_load(16, 64000), 1);
  EXPECT_EQ(near.decode, far.decode);
  EXPECT_GT(far.index, 2 * near.index);
  EXPECT_LT(far.total(), layers(deepseek_r1()).parts(decode_load(16, 64000), 1).total());
}

TEST(AttentionLayers, ShortPromptsAreReadWholeWhereThatIsCheaper) {
  const double sparse = layers(deepseek_v32()).parts(prompt_load(1, 512), 1).prefill;
  const double dense = layers(deepseek_r1()).parts(prompt_load(1, 512), 1).prefill;
  EXPECT_LE(sparse, dense);
  const double long_sparse = layers(deepseek_v32()).parts(prompt_load(1, 65536), 1).prefill;
  EXPECT_LT(long_sparse, layers(deepseek_r1()).parts(prompt_load(1, 65536), 1).prefill);
}

TEST(AttentionLayers, CompressionReadsOneEntryForManyTokens) {
  const auto compressed = [](int tokens_per_entry) {
    return decode_seconds(
        with_group(deepseek_v4_pro(), {.window = 128, .compression = tokens_per_entry}), 64000);
  };
  EXPECT_LT(compressed(128), compressed(4));
  EXPECT_LT(compressed(4), compressed(1));
  EXPECT_LT(compressed(0), compressed(128)) << "a window alone";
}

TEST(AttentionLayers, SelectedEntriesOfACompressedContextHoldStill) {
  const AttentionGroup group = {.window = 128, .compression = 4, .top_k = 1024};
  const ModelShape model = with_group(deepseek_v4_pro(), group);
  EXPECT_EQ(decode_seconds(model, 8192), decode_seconds(model, 65536));
  EXPECT_LT(decode_seconds(model, 1024), decode_seconds(model, 8192));
}

TEST(AttentionLayers, HeadsAreSharedOutOverTensorParallelism) {
  for (const ModelShape& model : {llama_70b(), deepseek_r1(), deepseek_v32(), gpt_oss_120b()}) {
    for (const RankLoad& load : {decode_load(64, 16000), prompt_load(1, 16000)}) {
      EXPECT_LT(layers(model, 8).seconds(load, 1), layers(model).seconds(load, 1)) << model.name;
    }
  }
}

TEST(AttentionLayers, AShareOfTheLoadIsThatMuchWork) {
  const AttentionLayers all = layers(llama_8b());
  EXPECT_DOUBLE_EQ(all.seconds(decode_load(64, 4000), 0.5), all.seconds(decode_load(32, 4000), 1));
}

TEST(AttentionLayers, SaysWhenALoadLiesOutsideWhatWasMeasured) {
  const AttentionLayers all = layers(llama_8b());
  EXPECT_TRUE(all.covers(decode_load(16, 4096)));
  EXPECT_FALSE(all.covers(decode_load(16, 100'000'000)));
  EXPECT_FALSE(all.covers(prompt_load(1, 100'000'000)));
  EXPECT_TRUE(all.covers(RankLoad{}));
}

}  // namespace
}  // namespace weft
