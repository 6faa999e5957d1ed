// The products of a model: their parameters add up to what the model's shape counts, whatever the
// attention, and to what each die holds under every split.
#include "cost/layer_gemms.h"

#include <gtest/gtest.h>

#include "cost/fixtures.h"

namespace weft {
namespace {

using namespace fixtures;  // NOLINT(google-build-using-namespace)
using Rows = LayerGemm::Rows;

ModelShape without_q_lora() {
  ModelShape m = deepseek_r1();
  m.name = "without q_lora";
  m.q_lora = 0;
  return m;
}

std::vector<ModelShape> models() {
  return {llama_8b(),       llama_70b(),    gpt_oss_120b(),   deepseek_r1(),
          without_q_lora(), deepseek_v32(), deepseek_v4_pro()};
}

// What a layer holds once: keys' and values' products stand twice, for prompts and absorbed.
double parameters(const std::vector<LayerGemm>& gemms) {
  double sum = 0;
  for (const LayerGemm& gemm : gemms) {
    if (gemm.rows != Rows::kDecodeTokens) sum += gemm.count * gemm.parameters();
  }
  return sum;
}

InstanceLayout spread(int tp, int sp) {
  return layout(Role::kUnified, tp, {.tp = tp, .sp = sp, .ep = 1}, Format::kBf16);
}

struct Products {
  std::vector<LayerGemm> attention, dense, moe;
  LayerGemm head, draft;
};

Products products(const ModelShape& model, const InstanceLayout& l) {
  const Sharding sharding(model, h200(1024).chip, l);
  return {attention_gemms(model, l, sharding), dense_ffn_gemms(model, l, sharding),
          moe_gemms(model, l, sharding), head_gemm(model, l, sharding),
          draft_gemm(model, l, sharding)};
}

// Rows of hidden: products that lump several matrices round their width.
double rounding(const ModelShape& model) { return 1.0 * model.hidden * model.layers; }

TEST(LayerGemms, OnOneDieTheyAreTheModelsParameters) {
  for (const ModelShape& model : models()) {
    const Products all = products(model, spread(1, 1));
    double routed = 0;
    if (model.is_moe())
      routed = 1.0 * model.moe_layers() * model.experts * model.expert_parameters();
    const double sum = parameters(all.attention) + parameters(all.dense) + parameters(all.moe) +
                       routed + all.head.parameters() + model.embedding_parameters();
    EXPECT_NEAR(sum, model.total_parameters(), rounding(model)) << model.name;
  }
}

TEST(LayerGemms, OfAttentionAreTheShapesCountGroupByGroup) {
  for (const ModelShape& model : models()) {
    for (const AttentionGroup& group : model.attention_groups) {
      ModelShape one = model;
      one.attention_groups = {group};
      const double sum = parameters(products(one, spread(1, 1)).attention);
      EXPECT_NEAR(sum, group.layers * model.attention_parameters(group), rounding(model))
          << model.name;
    }
  }
}

TEST(LayerGemms, OfAttentionAreWhatADieHoldsUnderEverySplit) {
  for (const ModelShape& model : models()) {
    for (const int tp : {1, 2, 8, 16}) {
      for (const int sp : {1, tp}) {
        const InstanceLayout l = spread(tp, sp);
        double held = 0;
        for (const AttentionGroup& group : model.attention_groups) {
          const AttentionWeights weights = attention_weights(model, group, l);
          held += group.layers * (weights.whole + weights.split);
        }
        EXPECT_NEAR(parameters(products(model, l).attention), held, 2 * rounding(model))
            << model.name << " tp " << tp << " sp " << sp;
      }
    }
  }
}

TEST(LayerGemms, TensorParallelismSplitsHeadsAndRepeatsKeysOfTooFew) {
  const double whole = parameters(products(llama_70b(), spread(1, 1)).attention);
  EXPECT_DOUBLE_EQ(8 * parameters(products(llama_70b(), spread(8, 1)).attention), whole);
  const double keys = 80 * 2.0 * 8192 * 8 * 128;  // eight KV heads on sixteen dies
  EXPECT_DOUBLE_EQ(16 * parameters(products(llama_70b(), spread(16, 1)).attention), whole + keys);
}

TEST(LayerGemms, AbsorbedProductsHoldTheParametersOfTheOnesForPrompts) {
  for (const ModelShape& model : {deepseek_r1(), without_q_lora(), deepseek_v32()}) {
    for (const int tp : {1, 8}) {
      double prompts = 0;
      double absorbed = 0;
      for (const LayerGemm& gemm : products(model, spread(tp, 1)).attention) {
        if (gemm.rows == Rows::kPrefillTokens) prompts += gemm.count * gemm.parameters();
        if (gemm.rows == Rows::kDecodeTokens) absorbed += gemm.count * gemm.parameters();
      }
      EXPECT_DOUBLE_EQ(absorbed, prompts) << model.name;
      EXPECT_DOUBLE_EQ(prompts, 61.0 * 512 * 128 * 256 / tp) << model.name;
    }
  }
}

TEST(LayerGemms, SequenceParallelismKeepsMatricesWholeAndSharesTokens) {
  const Products all = products(deepseek_r1(), spread(16, 16));
  double spread_work = 0;
  for (const LayerGemm& gemm : all.attention) {
    EXPECT_TRUE(gemm.rows_share == 1 || gemm.rows_share == 1.0 / 16) << gemm.n << " " << gemm.k;
    if (gemm.rows_share < 1) spread_work += gemm.parameters();
  }
  EXPECT_DOUBLE_EQ(spread_work, 7168.0 * (1536 + 576) + 7168.0 * 128 * 128) << "down, and out";
  for (const LayerGemm& gemm : all.moe) EXPECT_EQ(gemm.rows_share, 1.0 / 16) << gemm.term;
}

TEST(LayerGemms, FeedForwardSplitsByWidth) {
  const ModelShape r1 = deepseek_r1();
  for (const int tp : {1, 8}) {
    const Products all = products(r1, spread(tp, 1));
    EXPECT_DOUBLE_EQ(tp * parameters(all.dense), 3 * r1.dense_ffn_parameters());
    double shared = 0;
    double router = 0;
    for (const LayerGemm& gemm : all.moe) {
      (gemm.term == "router" ? router : shared) += gemm.count * gemm.parameters();
    }
    EXPECT_DOUBLE_EQ(tp * shared, 58 * r1.expert_parameters());
    EXPECT_DOUBLE_EQ(router, 58 * r1.router_parameters_per_layer()) << "whole on every die";
    EXPECT_DOUBLE_EQ(tp * all.head.parameters(), r1.embedding_parameters());
  }
  EXPECT_DOUBLE_EQ(products(r1, spread(1, 1)).draft.parameters(), 2.0 * 7168 * 7168);
}

TEST(LayerGemms, SharedExpertsOnDiesOfTheirOwnAreNotEveryDies) {
  InstanceLayout l = cloudmatrix_decode();
  const Sharding sharding(deepseek_r1(), cloudmatrix384().chip, l);
  ASSERT_EQ(sharding.shared_only_dies, 32);
  for (const LayerGemm& gemm : moe_gemms(deepseek_r1(), l, sharding)) {
    EXPECT_EQ(gemm.term, "router");
  }
}

TEST(LayerGemms, RoutersAndAbsorbedProductsStayInSixteenBits) {
  InstanceLayout l = spread(1, 1);
  l.precision = {Format::kFp8, Format::kFp8, Format::kBf16};
  const Products all = products(deepseek_r1(), l);
  for (const LayerGemm& gemm : all.attention) {
    const bool absorbed = gemm.rows == Rows::kDecodeTokens;
    EXPECT_EQ(gemm.weights, absorbed ? Format::kBf16 : Format::kFp8);
  }
  for (const LayerGemm& gemm : all.moe) {
    EXPECT_EQ(gemm.activations, gemm.term == "router" ? Format::kBf16 : Format::kFp8);
  }
  EXPECT_EQ(all.head.weights, Format::kBf16);
}

TEST(LayerGemms, AttentionMayBeKeptWiderThanTheLayersBeside) {
  InstanceLayout l = spread(1, 1);
  l.precision = {Format::kFp8, Format::kFp8, Format::kBf16, Format::kBf16};
  const Products all = products(llama_70b(), l);
  for (const LayerGemm& gemm : all.attention) EXPECT_EQ(gemm.weights, Format::kBf16);
  for (const LayerGemm& gemm : all.dense) EXPECT_EQ(gemm.weights, Format::kFp8);
}

}  // namespace
}  // namespace weft
