// ArchitectureConfig: what published config.json files say, in old and new spelling, and one line
// for everything that this house does not compute.
#include "model/architecture_config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/random_checkpoint.h"

namespace weft {
namespace {

using Settings = std::vector<ConfigSetting>;

Result<ArchitectureConfig> read(Architecture architecture, const Settings& settings = {}) {
  const auto json = preset_config(architecture, "tiny", settings);
  if (!json) return json.error();
  const auto shape = shape_from_config_json(*json, "config.json");
  if (!shape) return shape.error();
  return architecture_from_config_json(*json, "config.json", *shape);
}

ArchitectureConfig config_of(Architecture architecture, const Settings& settings = {}) {
  auto config = read(architecture, settings);
  EXPECT_TRUE(config.ok()) << (config.ok() ? "" : config.error().message);
  return config.ok() ? *config : ArchitectureConfig{};
}

void expect_refused(Architecture architecture, const Settings& settings,
                    const std::vector<std::string>& words) {
  const auto config = read(architecture, settings);
  ASSERT_FALSE(config.ok()) << words.front();
  EXPECT_EQ(config.error().message.find('\n'), std::string::npos);
  for (const std::string& word : words) {
    EXPECT_NE(config.error().message.find(word), std::string::npos) << config.error().message;
  }
}

using enum Architecture;
constexpr Architecture kAll[] = {kLlama, kQwen2, kQwen3, kQwen3Moe, kDeepseekV2, kDeepseekV3};

TEST(ArchitectureConfig, EachArchitectureHasItsParts) {
  for (const Architecture architecture : kAll) {
    const ArchitectureConfig config = config_of(architecture);
    EXPECT_EQ(config.architecture, architecture);
    EXPECT_EQ(config.qkv_bias, architecture == kQwen2);
    EXPECT_FALSE(config.o_bias);
    EXPECT_EQ(config.qk_norm, architecture == kQwen3 || architecture == kQwen3Moe);
    EXPECT_EQ(config.rope.is_interleaved, config.is_mla());
    EXPECT_EQ(config.tied_embeddings, architecture <= kQwen3);
    EXPECT_EQ(config.bos_token, 508);
    EXPECT_EQ(config.eos_tokens, (std::vector<int64_t>{509, 511}));
    EXPECT_FALSE(config.fp8.has_value());
  }
  EXPECT_EQ(config_of(kLlama).rms_norm_eps, 1e-5);
}

TEST(ArchitectureConfig, AttentionBiasMeansWhatTheArchitectureMeans) {
  const Settings bias = {{"attention_bias", "true"}};
  EXPECT_TRUE(config_of(kLlama, bias).o_bias);
  EXPECT_TRUE(config_of(kQwen3, bias).o_bias);
  EXPECT_TRUE(config_of(kDeepseekV3, bias).o_bias);
  EXPECT_FALSE(config_of(kQwen2, bias).o_bias);
  EXPECT_TRUE(config_of(kLlama, {{"mlp_bias", "true"}}).mlp_bias);
  expect_refused(kQwen3, {{"mlp_bias", "true"}}, {"mlp_bias", "found true"});
  expect_refused(kQwen2, {{"attention_bias", "false"}}, {"attention_bias", "found false"});
}

TEST(ArchitectureConfig, UnknownArchitecturesAreNamedAndTheKnownListed) {
  expect_refused(kLlama, {{"architectures", R"(["GemmaForCausalLM"])"}},
                 {"architectures", "GemmaForCausalLM", "LlamaForCausalLM"});
  // Its shape is known, but it does not run.
  const auto json = preset_config(kLlama, "tiny", {{"architectures", R"(["MistralForCausalLM"])"}});
  const auto shape = shape_from_config_json(*json, "config.json");
  ASSERT_TRUE(shape.ok());
  const auto config = architecture_from_config_json(*json, "config.json", *shape);
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.error().message,
            "config.json: architectures: found \"MistralForCausalLM\", expected one that runs: "
            "LlamaForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM, Qwen3MoeForCausalLM, "
            "DeepseekV2ForCausalLM or DeepseekV3ForCausalLM");
}

TEST(ArchitectureConfig, Llama3Rope) {
  const RopeConfig rope = config_of(kLlama).rope;
  EXPECT_EQ(rope.scaling, RopeScaling::kLlama3);
  EXPECT_EQ(rope.theta, 500000);
  EXPECT_EQ(rope.factor, 8);
  EXPECT_EQ(rope.low_freq_factor, 1);
  EXPECT_EQ(rope.high_freq_factor, 4);
  EXPECT_EQ(rope.original_context, 256);
  EXPECT_EQ(rope.magnitude, 1);
}

// DeepSeek-V2's published 0.707 twice, V3's 1.0 twice, Qwen's table without either.
TEST(ArchitectureConfig, YarnMagnitudes) {
  const auto yarn = [](const std::string& more) {
    return Settings{
        {"rope_scaling",
         R"({"type": "yarn", "factor": 40, "original_max_position_embeddings": 256)" + more + "}"}};
  };
  const double plain = 0.1 * std::log(40.0) + 1;
  const double part = 0.1 * 0.707 * std::log(40.0) + 1;
  const auto v2 =
      config_of(kDeepseekV2, yarn(R"(, "mscale": 0.707, "mscale_all_dim": 0.707)")).rope;
  EXPECT_EQ(v2.scaling, RopeScaling::kYarn);
  EXPECT_EQ(v2.magnitude, 1);
  EXPECT_DOUBLE_EQ(v2.softmax_magnitude, part);
  const auto uneven =
      config_of(kDeepseekV2, yarn(R"(, "mscale": 1.0, "mscale_all_dim": 0.707)")).rope;
  EXPECT_DOUBLE_EQ(uneven.magnitude, plain / part);
  const auto qwen = config_of(kQwen3, yarn("")).rope;
  EXPECT_DOUBLE_EQ(qwen.magnitude, plain);
  EXPECT_EQ(qwen.softmax_magnitude, 1);
  EXPECT_EQ(qwen.beta_fast, 32);
  EXPECT_TRUE(qwen.truncates);
  const auto given =
      config_of(kQwen3, yarn(R"(, "attention_factor": 1.5, "truncate": false, "beta_fast": 16)"));
  EXPECT_EQ(given.rope.magnitude, 1.5);
  EXPECT_FALSE(given.rope.truncates);
  EXPECT_EQ(given.rope.beta_fast, 16);
}

TEST(ArchitectureConfig, NewSpellingOfRope) {
  const Settings settings = {
      {"rope_theta", "null"},
      {"rope_scaling", "null"},
      {"rope_parameters", R"({"rope_theta": 5e5, "rope_type": "linear", "factor": 2})"}};
  const RopeConfig rope = config_of(kQwen3, settings).rope;
  EXPECT_EQ(rope.theta, 5e5);
  EXPECT_EQ(rope.scaling, RopeScaling::kLinear);
  EXPECT_EQ(rope.factor, 2);
  EXPECT_EQ(config_of(kQwen3, {{"rope_scaling", R"({"rope_type": "default"})"}}).rope.scaling,
            RopeScaling::kNone);
}

TEST(ArchitectureConfig, RopeThatIsNotUnderstoodIsRefused) {
  const auto scaling = [](const std::string& json) { return Settings{{"rope_scaling", json}}; };
  expect_refused(kQwen3, scaling(R"({"type": "dynamic", "factor": 2})"),
                 {"rope_scaling.type", "dynamic", "linear, llama3 or yarn"});
  expect_refused(kQwen3, scaling(R"({"rope_type": "llama3", "factor": 2})"),
                 {"rope_scaling.low_freq_factor", "missing"});
  expect_refused(kQwen3, scaling(R"({"rope_type": "linear"})"), {"rope_scaling.factor", "missing"});
  expect_refused(kQwen3, scaling(R"({"rope_type": "linear", "factor": "2"})"),
                 {"rope_scaling.factor", "found \"2\"", "a number"});
  expect_refused(kQwen3, scaling(R"("yarn")"), {"rope_scaling", "expected a table"});
  expect_refused(kQwen3, {{"partial_rotary_factor", "0.5"}}, {"partial_rotary_factor"});
  expect_refused(kQwen3, {{"rope_theta", "0"}}, {"rope_theta", "found 0"});
  expect_refused(kQwen3, {{"head_dim", "33"}}, {"head_dim", "even"});
}

TEST(ArchitectureConfig, Routers) {
  EXPECT_TRUE(config_of(kQwen3Moe).router.normalizes);
  EXPECT_EQ(config_of(kQwen3Moe).router.scoring, RouterScoring::kSoftmax);
  const ExpertRouterConfig v2 = config_of(kDeepseekV2).router;
  EXPECT_EQ(v2.method, RouterMethod::kGroupLimited);
  EXPECT_FALSE(v2.normalizes);
  EXPECT_EQ(v2.scale, 2);
  EXPECT_EQ(config_of(kDeepseekV2, {{"topk_method", R"("greedy")"}}).router.method,
            RouterMethod::kGreedy);
  const ExpertRouterConfig v3 = config_of(kDeepseekV3).router;
  EXPECT_EQ(v3.method, RouterMethod::kGroupLimitedBiased);
  EXPECT_EQ(v3.scoring, RouterScoring::kSigmoid);
  EXPECT_TRUE(v3.normalizes);
  EXPECT_EQ(v3.scale, 2.5);
}

TEST(ArchitectureConfig, RoutersThatAreNotUnderstoodAreRefused) {
  expect_refused(kDeepseekV2, {{"topk_method", R"("noaux_tc")"}}, {"topk_method", "noaux_tc"});
  expect_refused(kDeepseekV2, {{"scoring_func", R"("sigmoid")"}}, {"scoring_func", "softmax"});
  expect_refused(kDeepseekV2, {{"norm_topk_prob", "true"}}, {"norm_topk_prob"});
  expect_refused(kDeepseekV3, {{"topk_method", R"("greedy")"}}, {"topk_method", "noaux_tc"});
  expect_refused(kDeepseekV3, {{"scoring_func", R"("softmax")"}}, {"scoring_func", "sigmoid"});
  expect_refused(kDeepseekV3, {{"n_group", "3"}}, {"n_group", "16 experts"});
  expect_refused(kDeepseekV3, {{"n_group", "16"}}, {"n_group", "2 or more"});
  expect_refused(kDeepseekV3, {{"topk_group", "1"}, {"num_experts_per_tok", "5"}},
                 {"topk_group", "num_experts_per_tok 5"});
}

TEST(ArchitectureConfig, LayersWithExperts) {
  EXPECT_EQ(config_of(kDeepseekV3).moe_layers, (std::vector<bool>{false, true, true}));
  EXPECT_EQ(config_of(kLlama).moe_layers, (std::vector<bool>{false, false}));
  const Settings sparse = {
      {"num_hidden_layers", "6"}, {"decoder_sparse_step", "2"}, {"mlp_only_layers", "[3]"}};
  EXPECT_EQ(config_of(kQwen3Moe, sparse).moe_layers,
            (std::vector<bool>{false, true, false, false, false, true}));
}

TEST(ArchitectureConfig, WhatWouldChangeTheResultIsRefused) {
  expect_refused(kLlama, {{"hidden_act", R"("gelu")"}}, {"hidden_act", "gelu", "silu"});
  expect_refused(kQwen2, {{"use_sliding_window", "true"}, {"max_window_layers", "1"}},
                 {"use_sliding_window", "whole context"});
  expect_refused(kLlama, {{"rms_norm_eps", R"("small")"}}, {"rms_norm_eps"});
  expect_refused(kLlama, {{"eos_token_id", "[1, 512]"}}, {"eos_token_id", "512"});
  expect_refused(kLlama, {{"bos_token_id", "512"}}, {"bos_token_id", "512"});
  expect_refused(kQwen3, {{"use_qk_norm", "false"}}, {"use_qk_norm"});
  expect_refused(kLlama, {{"num_attention_heads", "16384"}, {"head_dim", "65536"}},
                 {"num_attention_heads", "at most"});
  expect_refused(kQwen3Moe, {{"num_hidden_layers", "4000"}, {"num_experts", "60000"}},
                 {"num_hidden_layers", "experts in all"});
}

TEST(ArchitectureConfig, Fp8BlocksAndOtherQuantisations) {
  const auto quantised = [](const std::string& json) {
    return Settings{{"quantization_config", json}};
  };
  EXPECT_EQ(config_of(kDeepseekV3, quantised(R"({"quant_method": "fp8", "fmt": "e4m3",
                                                 "weight_block_size": [128, 64]})"))
                .fp8,
            (ScaleBlocks{128, 64}));
  expect_refused(kQwen3, quantised(R"({"quant_method": "awq", "bits": 4})"),
                 {"quantization_config.quant_method", "awq", "fp8"});
  expect_refused(kQwen3, quantised(R"({"quant_method": "fp8"})"),
                 {"weight_block_size", "[128, 128]"});
  expect_refused(kQwen3, quantised(R"({"quant_method": "fp8", "weight_block_size": [128]})"),
                 {"weight_block_size", "[128]"});
  expect_refused(kQwen3, quantised(R"({"quant_method": "fp8", "fmt": "e5m2",
                                       "weight_block_size": [128, 128]})"),
                 {"fmt", "e5m2"});
}

TEST(ArchitectureConfig, AttentionScales) {
  const auto json = preset_config(kDeepseekV3, "tiny", {});
  const auto shape = shape_from_config_json(*json, "config.json");
  const auto config = architecture_from_config_json(*json, "config.json", *shape);
  const double magnitude = 0.1 * std::log(4.0) + 1;
  EXPECT_DOUBLE_EQ(attention_scale(*shape, *config), magnitude * magnitude / std::sqrt(16 + 8));
  ModelShape gqa;
  gqa.head_dim = 64;
  EXPECT_DOUBLE_EQ(attention_scale(gqa, {}), 0.125);
}

}  // namespace
}  // namespace weft
