// Memory plans of published deployments, and the sentence when a model does not fit.
#include "cost/memory.h"

#include <gtest/gtest.h>

#include "cost/fixtures.h"

namespace weft {
namespace {

using namespace fixtures;  // NOLINT(google-build-using-namespace)

constexpr double kGiB = 1024.0 * 1024 * 1024;

TEST(Memory, CloudMatrixDecodeHoldsItsBatch) {
  const auto plan = plan_memory(deepseek_r1(), cloudmatrix384(), cloudmatrix_decode(),
                                {Tokens(128), 0, 160 * 96});
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_GE(plan->blocks_per_rank * 128, 48 * 4352);
  EXPECT_NEAR(plan->kv_bytes_per_token, 70272 * 62.0 / 61, 1);  // with the MTP layer's
  EXPECT_LT(plan->weights, 20e9);
}

TEST(Memory, CloudMatrixPrefillHoldsItsStep) {
  const auto plan = plan_memory(deepseek_r1(), cloudmatrix384(), cloudmatrix_prefill(),
                                {Tokens(128), 262144, 64});
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_GE(plan->blocks_per_rank * 128, 262144);
  EXPECT_EQ(plan->kv_bytes_per_token, 70272);  // the latent lies on every die of the tp group
}

// CM equations 1 and 2 with 96 tokens per die: about 225 + 420 MB (in units of 1,024).
TEST(Memory, ExchangeBuffersAreCloudMatrixSized) {
  const double bytes = exchange_bytes(deepseek_r1(), cloudmatrix384(), cloudmatrix_decode(), 96);
  EXPECT_DOUBLE_EQ(bytes, 320.0 * 96 * (7680 + 14336));
  EXPECT_NEAR(bytes / (1024 * 1024), 645, 5);
  const double long_step =
      exchange_bytes(deepseek_r1(), cloudmatrix384(), cloudmatrix_prefill(), 8192);
  EXPECT_EQ(long_step, exchange_bytes(deepseek_r1(), cloudmatrix384(), cloudmatrix_prefill(), 256));
}

TEST(Memory, R1NeedsEightH200AndMoreThanEightH100) {
  const InstanceLayout tp8 = layout(Role::kUnified, 8, {.dp = 1, .tp = 8}, Format::kFp8);
  const MemoryLimits limits{Tokens(128), 16384, 256};
  const auto fits = plan_memory(deepseek_r1(), h200(8), tp8, limits);
  ASSERT_TRUE(fits.ok()) << fits.error().message;
  EXPECT_GT(fits->blocks_per_rank * 128, 300000);
  const auto small = plan_memory(deepseek_r1(), h100(8), tp8, limits);
  ASSERT_FALSE(small.ok());
  EXPECT_EQ(small.error().code, ErrorCode::kBadInput);
  EXPECT_EQ(small.error().message,
            "deepseek-r1 does not fit: 79.3 GiB per die of weights, 3.9 of buffers and a first KV "
            "block, and H100 offers 73.6, 9.6 GiB too few; tp = 16 on 16 devices, or int4 weights "
            "would fit");
}

TEST(Memory, Llama70bNeedsTwoH100) {
  InstanceLayout l = layout(Role::kUnified, 1, {}, Format::kBf16);
  const MemoryLimits limits{Tokens(16), 8192, 256};
  const auto one = plan_memory(llama_70b(), h100(8), l, limits);
  ASSERT_FALSE(one.ok());
  EXPECT_NE(one.error().message.find("or fp8 weights would fit"), std::string::npos)
      << one.error().message;
  l.packages = l.parallel.tp = 4;
  const auto four = plan_memory(llama_70b(), h100(8), l, limits);
  ASSERT_TRUE(four.ok());
  EXPECT_EQ(four->kv_bytes_per_token, 327680.0 / 4);
}

TEST(Memory, AShareCoversWhatTheEngineSays) {
  const InstanceLayout one = layout(Role::kUnified, 1, {}, Format::kBf16);
  MemoryLimits limits{Tokens(16), 8192, 256, 0.8};
  const auto kv = [&](MemoryShare covers) {
    limits.memory_covers = covers;
    return *plan_memory(llama_8b(), h100(8), one, limits);
  };
  const MemoryPlan all = kv(MemoryShare::kAll);
  const double memory = h100(8).chip.memory_bytes;
  EXPECT_NEAR(all.kv, 0.8 * memory - all.weights - all.buffers, 1);
  EXPECT_NEAR(kv(MemoryShare::kFree).kv, 0.8 * (memory - all.weights - all.buffers), 1);
  const double workspace = workspace_bytes(llama_8b(), h100(8), one, limits);
  const MemoryPlan apart = kv(MemoryShare::kWeightsAndKv);
  EXPECT_NEAR(apart.kv, 0.8 * memory - all.weights - (all.buffers - workspace), 1);
  limits.memory_share = 1;
  EXPECT_NEAR(kv(MemoryShare::kWeightsAndKv).kv, memory - all.weights - all.buffers, 1)
      << "never more than there is";
}

TEST(Memory, AReserveLeavesTheSameOnEveryChip) {
  EngineScheduling engine;
  engine.memory_share = 0.5;
  engine.memory_reserve = 14e9;
  engine.memory_reserve_rank = 1e9;
  MemoryLimits limits{Tokens(16), 8192, 256};
  const double memory = h100(8).chip.memory_bytes;
  const auto left_out = [&](double given, int dp) {
    set_memory_share(limits, engine, given, dp, h100(8).chip);
    return (1 - limits.memory_share) * memory;
  };
  EXPECT_NEAR(left_out(0, 1), 14e9, 1);
  EXPECT_NEAR(left_out(0, 8), 22e9, 1);
  EXPECT_NEAR(left_out(0, 72), 14e9, 1) << "a node's ranks";
  EXPECT_NEAR(left_out(0.9, 1), 0.1 * memory, 1) << "what is given counts";
  engine.memory_reserve = 0;
  EXPECT_NEAR(left_out(0, 1), 0.5 * memory, 1);
}

// vLLM at gpu_memory_utilization 0.9 keeps 0.9 x 95.6 GiB less 15.0 of weights and 1 to 1.5 of
// activations, graphs and context: 69.5 to 70.1 GiB.
TEST(Memory, Llama8bOnOneCardKeepsWhatVllmKeeps) {
  const InstanceLayout one = layout(Role::kUnified, 1, {}, Format::kBf16);
  const auto plan = plan_memory(llama_8b(), rtx_pro_6000(2), one, {Tokens(16), 2048, 128, 0.9});
  ASSERT_TRUE(plan.ok());
  EXPECT_NEAR(plan->kv / kGiB, 70, 1.5);
  EXPECT_NEAR(static_cast<double>(plan->blocks_per_rank) * 16, 572000, 12000);
}

TEST(Memory, KvHeadsBeyondTpAreHeldTwice) {
  const InstanceLayout tp16 = layout(Role::kUnified, 16, {.dp = 1, .tp = 16}, Format::kBf16);
  const auto plan = plan_memory(llama_70b(), h100(16), tp16, {Tokens(16), 8192, 256});
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->kv_bytes_per_token, 327680.0 / 8);
}

TEST(Memory, PipelineStagesShareLayers) {
  const InstanceLayout two =
      layout(Role::kUnified, 2, {.dp = 1, .tp = 1, .sp = 1, .ep = 1, .pp = 2}, Format::kBf16);
  const auto plan = plan_memory(llama_70b(), h100(8), two, {Tokens(16), 2048, 16});
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_EQ(plan->kv_bytes_per_token, 327680.0 / 2);
  EXPECT_NEAR(plan->weights, 70.55e9, 0.02 * 70.55e9);
}

TEST(Memory, WindowsAreHeldPerSequence) {
  InstanceLayout l = layout(Role::kUnified, 1, {}, Format::kBf16);
  l.precision.weights = Format::kFp4;
  const ModelShape model = gpt_oss_120b();
  const auto plan = plan_memory(model, h100(8), l, {Tokens(16), 2048, 64});
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_EQ(plan->kv_bytes_per_token, 36864);
  EXPECT_EQ(plan->kv_bytes_per_sequence, 128.0 * 18 * 2048);
  EXPECT_NEAR(plan->weights, 65e9, 3e9);  // the published checkpoint is 65 GB
}

TEST(Memory, WiderAttentionAndTheSamplersLogitsAreCounted) {
  InstanceLayout l = layout(Role::kUnified, 2, {.dp = 1, .tp = 2}, Format::kFp8);
  MemoryLimits limits{Tokens(16), 8192, 1000};
  const auto narrow = plan_memory(llama_70b(), h100(8), l, limits);
  limits.logit_bytes += 10;
  const auto sampled = plan_memory(llama_70b(), h100(8), l, limits);
  l.precision.attention = Format::kBf16;
  const auto wide = plan_memory(llama_70b(), h100(8), l, limits);
  ASSERT_TRUE(narrow.ok() && sampled.ok() && wide.ok());
  EXPECT_NEAR(sampled->buffers - narrow->buffers, 1000.0 * 10 * llama_70b().vocab, 1);
  double attention = 0;
  for (const AttentionGroup& group : llama_70b().attention_groups) {
    attention += group.layers * llama_70b().attention_parameters(group) / 2;
  }
  EXPECT_NEAR(wide->weights - sampled->weights, attention, 1e-3 * attention);
}

// More of anything that takes memory never leaves more blocks.
TEST(Memory, BlocksFallAsLimitsRise) {
  MemoryLimits limits{Tokens(128), 0, 160 * 8};
  int64_t last = INT64_MAX;
  for (int64_t per_npu = 8; per_npu <= 256; per_npu += 8) {
    limits.max_sequences = 160 * per_npu;
    const auto plan = plan_memory(deepseek_r1(), cloudmatrix384(), cloudmatrix_decode(), limits);
    ASSERT_TRUE(plan.ok());
    EXPECT_LE(plan->blocks_per_rank, last);
    last = plan->blocks_per_rank;
  }
}

}  // namespace
}  // namespace weft
