// What each die holds, against the deployments that CM and DeepSeek describe.
#include "cost/sharding.h"

#include <gtest/gtest.h>

#include "cost/fixtures.h"

namespace weft {
namespace {

using namespace fixtures;  // NOLINT(google-build-using-namespace)

TEST(Sharding, CloudMatrixDecodeHoldsOneExpertPerDie) {
  const ModelShape model = deepseek_r1();
  const Sharding s(model, cloudmatrix384().chip, cloudmatrix_decode());
  EXPECT_EQ(s.shared_only_dies, 32);  // CM section 4.1: 32 shared, 256 routed, 32 redundant
  EXPECT_EQ(s.expert_slots, 1);
  EXPECT_TRUE(s.exchanges);
  EXPECT_EQ(s.copies_per_token(model), 9);
  EXPECT_EQ(s.groups, 1);
  EXPECT_EQ(s.group_ranks, 320);
}

TEST(Sharding, CloudMatrixPrefillHoldsNineRoutedExperts) {
  const ModelShape model = deepseek_r1();
  const Sharding s(model, cloudmatrix384().chip, cloudmatrix_prefill());
  EXPECT_EQ(s.shared_only_dies, 0);  // CM section 4.1: 1 shared, 8 routed, 1 redundant
  EXPECT_EQ(s.expert_slots, 9);
  EXPECT_EQ(s.copies_per_token(model), 8);
  EXPECT_DOUBLE_EQ(s.sequence_share, 1.0 / 32);
  EXPECT_EQ(s.group_ranks, 1);
}

TEST(Sharding, TensorParallelExpertsNeedNoExchange) {
  const ModelShape model = deepseek_r1();
  const InstanceLayout tp8 = layout(Role::kUnified, 8, {.dp = 1, .tp = 8}, Format::kFp8);
  const Sharding split(model, h200(8).chip, tp8);
  EXPECT_EQ(split.expert_split, 8);
  EXPECT_EQ(split.expert_slots, 256);
  EXPECT_FALSE(split.exchanges);
  InstanceLayout ep8 = tp8;
  ep8.parallel.ep = 8;
  const Sharding spread(model, h200(8).chip, ep8);
  EXPECT_EQ(spread.expert_split, 1);
  EXPECT_EQ(spread.expert_slots, 32);
  EXPECT_FALSE(spread.exchanges);  // every die of the tp group has all tokens
}

TEST(Sharding, SmallerGroupsThanTheStage) {
  const ModelShape model = deepseek_r1();
  const InstanceLayout l =
      layout(Role::kDecode, 32, {.dp = 16, .tp = 2, .sp = 1, .ep = 8}, Format::kFp8);
  const Sharding s(model, h800(32).chip, l);
  EXPECT_EQ(s.group_ranks, 4);
  EXPECT_EQ(s.groups, 4);
  EXPECT_EQ(s.expert_slots, 32);
}

TEST(Sharding, AttentionWeightsAddUpToTheModel) {
  for (const ModelShape& model : {deepseek_r1(), deepseek_v32(), deepseek_v4_pro(), llama_8b()}) {
    const InstanceLayout alone = layout(Role::kUnified, 1, {}, Format::kBf16);
    for (const AttentionGroup& group : model.attention_groups) {
      const AttentionWeights w = attention_weights(model, group, alone);
      EXPECT_DOUBLE_EQ(w.whole + w.split, model.attention_parameters(group)) << model.name;
    }
  }
}

// CM section 4.3.2: q_a, kv_a and o lie whole on every die of a sequence-parallel group.
TEST(Sharding, SequenceParallelismKeepsDownAndOutputWhole) {
  const ModelShape model = deepseek_r1();
  const AttentionWeights w =
      attention_weights(model, model.attention_groups[0], cloudmatrix_prefill());
  const double down = 7168.0 * (1536 + 512 + 64);
  const double out = 128.0 * 128 * 7168;
  EXPECT_DOUBLE_EQ(w.whole, down + out);
  EXPECT_DOUBLE_EQ(w.split, (1536.0 * 128 * 192 + 512.0 * 128 * 256) / 32);
}

TEST(Sharding, FourBitWeightsAreTheExperts) {
  InstanceLayout l = layout(Role::kUnified, 8, {.dp = 1, .tp = 8}, Format::kBf16);
  l.precision.weights = Format::kFp4;
  const Sharding oss(gpt_oss_120b(), h100(8).chip, l);
  EXPECT_EQ(oss.expert_format, Format::kFp4);
  EXPECT_EQ(oss.layer_format, Format::kBf16);
  const Sharding v4(deepseek_v4_pro(), h100(8).chip, l);
  EXPECT_EQ(v4.layer_format, Format::kFp8);
  const Sharding ascend(deepseek_v4_pro(), cloudmatrix384().chip, l);
  EXPECT_EQ(ascend.layer_format, Format::kBf16);  // no FP8 on the 910C
  const Sharding dense(llama_8b(), h100(8).chip, l);
  EXPECT_EQ(dense.layer_format, Format::kFp4);
}

TEST(Sharding, MessagesAreCloudMatrixSized) {
  const ModelShape model = deepseek_r1();
  EXPECT_EQ(dispatch_bytes(model, Format::kInt8), 7680);  // CM section 4.2.1: 7.5 KB
  EXPECT_EQ(combine_bytes(model), 14336);                 // 14 KB
  EXPECT_EQ(dispatch_bytes(model, Format::kBf16), 14336);
}

}  // namespace
}  // namespace weft
