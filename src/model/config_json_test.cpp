// config.json files as Hugging Face has them, and wrong ones: each a shape, or one clear line.
#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "model/shape.h"

namespace weft {
namespace {

// The document with these fields after its own; of two alike the last one counts.
std::string with(std::string document, const std::string& fields) {
  return document.substr(0, document.rfind('}')) + ", " + fields + "}";
}

std::string replaced(std::string document, const std::string& from, const std::string& to) {
  return document.replace(document.find(from), from.size(), to);
}

const std::string kLlama = R"({"architectures": ["LlamaForCausalLM"], "attention_bias": false,
  "bos_token_id": 128000, "eos_token_id": [128001, 128008], "hidden_act": "silu",
  "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336,
  "max_position_embeddings": 131072, "mlp_bias": false, "model_type": "llama",
  "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
  "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 8.0, "rope_type": "llama3"},
  "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
  "transformers_version": "4.43.0", "use_cache": true, "vocab_size": 128256})";

const std::string kDeepSeek = R"({"architectures": ["DeepseekV3ForCausalLM"],
  "attention_bias": false, "first_k_dense_replace": 3, "hidden_size": 7168,
  "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 163840,
  "model_type": "deepseek_v3", "moe_intermediate_size": 2048, "moe_layer_freq": 1, "n_group": 8,
  "n_routed_experts": 256, "n_shared_experts": 1, "num_attention_heads": 128,
  "num_experts_per_tok": 8, "num_hidden_layers": 61, "num_key_value_heads": 128,
  "num_nextn_predict_layers": 1, "q_lora_rank": 1536, "qk_nope_head_dim": 128,
  "qk_rope_head_dim": 64, "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3",
  "quant_method": "fp8", "weight_block_size": [128, 128]}, "tie_word_embeddings": false,
  "topk_group": 4, "torch_dtype": "bfloat16", "v_head_dim": 128, "vocab_size": 129280})";

const std::string kQwen3Moe = R"({"architectures": ["Qwen3MoeForCausalLM"],
  "attention_bias": false, "decoder_sparse_step": 1, "head_dim": 128, "hidden_size": 2048,
  "intermediate_size": 6144, "max_position_embeddings": 40960, "max_window_layers": 48,
  "mlp_only_layers": [], "model_type": "qwen3_moe", "moe_intermediate_size": 768,
  "num_attention_heads": 32, "num_experts": 128, "num_experts_per_tok": 8,
  "num_hidden_layers": 48, "num_key_value_heads": 4, "rope_scaling": null, "sliding_window": null,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_sliding_window": false,
  "vocab_size": 151936})";

ModelShape read(const std::string& json) {
  auto shape = shape_from_config_json(json, "config.json");
  EXPECT_TRUE(shape.ok()) << (shape.ok() ? "" : shape.error().message);
  return shape.ok() ? shape.value() : ModelShape{};
}

std::string error_of(const std::string& json) {
  auto shape = shape_from_config_json(json, "config.json");
  EXPECT_FALSE(shape.ok());
  if (shape.ok()) return "";
  EXPECT_EQ(shape.error().code, ErrorCode::kBadInput);
  EXPECT_EQ(shape.error().message.find('\n'), std::string::npos);
  return shape.error().message;
}

TEST(ConfigJson, Llama) {
  const ModelShape m = read(kLlama);
  EXPECT_EQ(m.architecture, "LlamaForCausalLM");
  EXPECT_EQ(m.head_dim, 128);
  EXPECT_EQ(m.dense_layers, 32);
  EXPECT_FALSE(m.is_moe());
  EXPECT_FALSE(m.qkv_bias);
  EXPECT_EQ(m.native_weights, Format::kBf16);
  EXPECT_NEAR(m.total_parameters(), 8.03e9, 1e6);
  EXPECT_EQ(m.kv_bytes_per_token(Format::kBf16), 131072);
}

TEST(ConfigJson, NullMeansAbsent) {
  const std::string full =
      replaced(kLlama, R"("num_key_value_heads": 8)", R"("num_key_value_heads": null)");
  EXPECT_EQ(read(full).kv_heads, 32);
  EXPECT_EQ(read(full).kv_bytes_per_token(Format::kBf16), 4 * 131072);
}

TEST(ConfigJson, DeepSeekV3) {
  const ModelShape m = read(kDeepSeek);
  EXPECT_EQ(m.attention, AttentionKind::kMla);
  EXPECT_EQ(m.moe_layers(), 58);
  EXPECT_EQ(m.expert_groups, 8);
  EXPECT_EQ(m.expert_groups_per_token, 4);
  EXPECT_EQ(m.mtp_layers, 1);
  EXPECT_EQ(m.native_weights, Format::kFp8);
  EXPECT_EQ(m.native_experts, Format::kFp8);
  EXPECT_NEAR(m.total_parameters(), 671.0e9, 0.1e9);
}

TEST(ConfigJson, DeepSeekV32SelectsInEveryLayer) {
  const ModelShape m =
      read(with(kDeepSeek, R"("architectures": ["DeepseekV32ForCausalLM"], "index_head_dim": 128,
                              "index_n_heads": 64, "index_topk": 2048)"));
  ASSERT_EQ(m.attention_groups.size(), 1u);
  EXPECT_EQ(m.attention_groups[0].top_k, 2048);
  EXPECT_TRUE(m.attention_groups[0].runs_indexer);
  EXPECT_NEAR(m.total_parameters(), 671.9e9, 0.1e9);
  EXPECT_EQ(m.kv_bytes_per_token(Format::kBf16), 85888);
}

TEST(ConfigJson, SharedIndexersMakeTwoGroups) {
  std::string types = R"("indexer_types": [)";
  for (int i = 0; i < 61; ++i) types += i % 4 == 0 ? "\"full\"," : "\"shared\",";
  types.back() = ']';
  const ModelShape m = read(with(kDeepSeek, R"("architectures": ["GlmMoeDsaForCausalLM"],
      "index_head_dim": 128, "index_n_heads": 32, "index_topk": 2048, )" +
                                                types));
  ASSERT_EQ(m.attention_groups.size(), 2u);
  EXPECT_EQ(m.attention_groups[0].layers, 16);
  EXPECT_EQ(m.attention_groups[1].layers, 45);
  EXPECT_FALSE(m.attention_groups[1].runs_indexer);
  EXPECT_EQ(m.attention_groups[1].top_k, 2048);
}

TEST(ConfigJson, DeepSeekV2LiteProjectsQueriesDirectly) {
  const ModelShape m = read(R"({"architectures": ["DeepseekV2ForCausalLM"], "hidden_size": 2048,
      "first_k_dense_replace": 1, "intermediate_size": 10944, "kv_lora_rank": 512,
      "max_position_embeddings": 163840, "moe_intermediate_size": 1408, "n_group": 1,
      "n_routed_experts": 64, "n_shared_experts": 2, "num_attention_heads": 16,
      "num_experts_per_tok": 6, "num_hidden_layers": 27, "q_lora_rank": null,
      "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "topk_group": 1, "v_head_dim": 128,
      "vocab_size": 102400, "torch_dtype": "bfloat16"})");
  EXPECT_EQ(m.q_lora, 0);
  EXPECT_EQ(m.shared_experts, 2);
  EXPECT_NEAR(m.total_parameters(), 15.7e9, 0.1e9);
  EXPECT_NEAR(m.active_parameters(), 2.66e9, 0.1e9);
}

TEST(ConfigJson, KimiKeepsItsLanguagePartInside) {
  const std::string inner = with(kDeepSeek, R"("architectures": ["DeepseekV3ForCausalLM"],
      "num_attention_heads": 64, "n_routed_experts": 384, "first_k_dense_replace": 1,
      "n_group": 1, "topk_group": 1, "vocab_size": 163840, "quantization_config": {
      "config_groups": {"group_0": {"input_activations": null, "targets": ["Linear"], "weights":
      {"group_size": 32, "num_bits": 4, "symmetric": true, "type": "int"}}},
      "format": "pack-quantized", "quant_method": "compressed-tensors",
      "ignore": ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*"]})");
  const ModelShape m = read(R"({"architectures": ["KimiK25ForConditionalGeneration"],
      "dtype": "bfloat16", "tie_word_embeddings": false, "vision_config": {"patch_size": 14},
      "text_config": )" + inner +
                            "}");
  EXPECT_NEAR(m.total_parameters(), 1026e9, 1e9);
  EXPECT_EQ(m.native_experts, Format::kInt4);
  EXPECT_EQ(m.native_weights, Format::kBf16);
}

TEST(ConfigJson, QwenFamily) {
  const ModelShape moe = read(kQwen3Moe);
  EXPECT_EQ(moe.dense_layers, 0);
  EXPECT_TRUE(moe.qk_norm);
  EXPECT_NEAR(moe.total_parameters(), 30.5e9, 0.1e9);
  const std::string unbiased = replaced(kLlama, R"("attention_bias": false,)", "");
  const ModelShape dense = read(with(unbiased, R"("architectures": ["Qwen2ForCausalLM"],
      "sliding_window": 131072, "max_window_layers": 28, "use_sliding_window": false)"));
  EXPECT_TRUE(dense.qkv_bias);
  EXPECT_EQ(dense.attention_groups.size(), 1u);
  const ModelShape windowed = read(with(kLlama, R"("architectures": ["Qwen2ForCausalLM"],
      "sliding_window": 4096, "max_window_layers": 28, "use_sliding_window": true)"));
  ASSERT_EQ(windowed.attention_groups.size(), 2u);
  EXPECT_EQ(windowed.attention_groups[0].layers, 28);
  EXPECT_EQ(windowed.attention_groups[1].window, 4096);
}

TEST(ConfigJson, QwenMoeMayKeepDenseLayers) {
  const ModelShape m = read(with(kQwen3Moe, R"("decoder_sparse_step": 2,
      "mlp_only_layers": [1, 3, 4])"));
  EXPECT_EQ(m.dense_layers, 24 + 2);
  EXPECT_EQ(m.dense_ffn, 6144);
}

TEST(ConfigJson, MistralAndMixtral) {
  const ModelShape old = read(with(kLlama, R"("architectures": ["MistralForCausalLM"],
      "sliding_window": 4096)"));
  EXPECT_EQ(old.attention_groups[0].window, 4096);
  EXPECT_EQ(old.kv_bytes_per_token(Format::kBf16), 0);
  const ModelShape mixtral = read(with(kLlama, R"("architectures": ["MixtralForCausalLM"],
      "num_local_experts": 8, "num_experts_per_tok": 2, "sliding_window": null,
      "vocab_size": 32000)"));
  EXPECT_NEAR(mixtral.total_parameters(), 46.7e9, 0.1e9);
  EXPECT_NEAR(mixtral.active_parameters(), 12.9e9, 0.1e9);
}

TEST(ConfigJson, GptOssAlternatesWindows) {
  std::string types = R"("layer_types": [)";
  for (int i = 0; i < 36; ++i) {
    types += i % 2 == 0 ? "\"sliding_attention\"," : "\"full_attention\",";
  }
  types.back() = ']';
  const ModelShape m = read(R"({"architectures": ["GptOssForCausalLM"], "attention_bias": true,
      "experts_per_token": 4, "head_dim": 64, "hidden_size": 2880, "intermediate_size": 2880,
      "max_position_embeddings": 131072, "num_attention_heads": 64, "num_experts_per_tok": 4,
      "num_hidden_layers": 36, "num_key_value_heads": 8, "num_local_experts": 128,
      "sliding_window": 128, "vocab_size": 201088, "tie_word_embeddings": false,
      "quantization_config": {"quant_method": "mxfp4", "modules_to_not_convert":
      ["model.layers.*.self_attn", "model.layers.*.mlp.router", "lm_head"]}, )" +
                            types + "}");
  EXPECT_NEAR(m.total_parameters(), 116.8e9, 0.1e9);
  EXPECT_EQ(m.kv_bytes_per_token(Format::kBf16), 36864);
  EXPECT_EQ(m.kv_bytes_per_sequence(Format::kBf16), 128 * 36864);
  EXPECT_EQ(m.native_weights, Format::kBf16);
  EXPECT_EQ(m.native_experts, Format::kFp4);
}

TEST(ConfigJson, DeepSeekV4ReadsItsLayerRatios) {
  std::string ratios = R"("compress_ratios": [0, 0)";
  for (int i = 2; i < 44; ++i) ratios += i % 2 == 0 ? ", 4" : ", 128";
  const ModelShape m = read(R"({"architectures": ["DeepseekV4ForCausalLM"], "expert_dtype": "fp4",
      "hc_mult": 4, "head_dim": 512, "hidden_size": 4096, "index_head_dim": 128,
      "index_n_heads": 64, "index_topk": 512, "max_position_embeddings": 1048576,
      "moe_intermediate_size": 2048, "n_routed_experts": 256, "n_shared_experts": 1,
      "num_attention_heads": 64, "num_experts_per_tok": 6, "num_hidden_layers": 43,
      "num_key_value_heads": 1, "num_nextn_predict_layers": 1, "o_groups": 8,
      "o_lora_rank": 1024, "q_lora_rank": 1024, "qk_rope_head_dim": 64, "sliding_window": 128,
      "quantization_config": {"quant_method": "fp8", "scale_fmt": "ue8m0"},
      "torch_dtype": "bfloat16", "vocab_size": 129280, )" +
                            ratios + "]}");
  ASSERT_EQ(m.attention_groups.size(), 3u);
  EXPECT_EQ(m.attention_groups[0].compression, 0);
  EXPECT_EQ(m.attention_groups[1].layers, 21);
  EXPECT_EQ(m.attention_groups[2].layers, 20);
  EXPECT_EQ(m.residual_streams, 4);
  EXPECT_EQ(m.native_weights, Format::kFp8);
  EXPECT_EQ(m.native_experts, Format::kFp4);
  EXPECT_NEAR(m.total_parameters(), 284.3e9, 0.1e9);
  EXPECT_EQ(m.kv_bytes_per_token(Format::kBf16), 6880);
}

TEST(ConfigJson, MiniMaxAndGlm) {
  const ModelShape minimax = read(R"({"architectures": ["MiniMaxM2ForCausalLM"],
      "num_hidden_layers": 62, "hidden_size": 3072, "num_attention_heads": 48,
      "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 1536, "vocab_size": 200064,
      "num_experts_per_tok": 8, "num_local_experts": 256, "max_position_embeddings": 196608,
      "use_qk_norm": true, "use_mtp": true, "num_mtp_modules": 3})");
  EXPECT_EQ(minimax.mtp_layers, 3);
  EXPECT_TRUE(minimax.qk_norm);
  EXPECT_NEAR(minimax.total_parameters(), 228.7e9, 0.1e9);
  const ModelShape glm = read(R"({"architectures": ["Glm4MoeForCausalLM"], "hidden_size": 5120,
      "num_hidden_layers": 92, "num_attention_heads": 96, "num_key_value_heads": 8,
      "head_dim": 128, "use_qk_norm": true, "attention_bias": true, "n_routed_experts": 160,
      "num_experts_per_tok": 8, "moe_intermediate_size": 1536, "n_shared_experts": 1,
      "intermediate_size": 12288, "first_k_dense_replace": 3, "num_nextn_predict_layers": 1,
      "max_position_embeddings": 131072, "vocab_size": 151552, "dtype": "bfloat16"})");
  EXPECT_TRUE(glm.qkv_bias);
  EXPECT_NEAR(glm.total_parameters(), 352.8e9, 0.1e9);
}

TEST(ConfigJson, Quantization) {
  const auto format_with = [](const std::string& config) {
    return read(with(kLlama, R"("quantization_config": )" + config)).native_weights;
  };
  EXPECT_EQ(format_with(R"({"quant_method": "gptq", "bits": 4, "group_size": 128})"),
            Format::kInt4);
  EXPECT_EQ(format_with(R"({"quant_method": "awq", "bits": 4})"), Format::kInt4);
  EXPECT_EQ(format_with(R"({"quant_method": "gptq", "bits": 8})"), Format::kInt8);
  EXPECT_EQ(format_with(R"({"quant_method": "bitsandbytes", "load_in_8bit": true})"),
            Format::kInt8);
  EXPECT_EQ(format_with(R"({"quant_method": "modelopt", "quant_algo": "NVFP4"})"), Format::kFp4);
  EXPECT_EQ(format_with(R"({"quant_algo": "FP8"})"), Format::kFp8);
  EXPECT_EQ(format_with(R"({"quant_method": "compressed-tensors", "config_groups": {"group_0":
      {"weights": {"num_bits": 8, "type": "float"}}}})"),
            Format::kFp8);
  EXPECT_NE(error_of(with(kLlama, R"("quantization_config": {"quant_method": "magic"})"))
                .find("quantization_config.quant_method: found \"magic\", expected fp8"),
            std::string::npos);
}

TEST(ConfigJson, UnknownArchitecturesAreNamedAndTheKnownListed) {
  const std::string error = error_of(with(kLlama, R"("architectures": ["MambaForCausalLM"])"));
  EXPECT_NE(error.find("config.json: architectures: found \"MambaForCausalLM\", expected "),
            std::string::npos);
  EXPECT_NE(error.find("LlamaForCausalLM"), std::string::npos);
  EXPECT_NE(error.find("Qwen3MoeForCausalLM"), std::string::npos);
  EXPECT_NE(error_of(R"({"hidden_size": 4096})").find("architectures: missing"), std::string::npos);
}

TEST(ConfigJson, WrongValuesAreOneLine) {
  const struct {
    const char* fields;
    const char* expected;
  } kCases[] = {
      {R"("hidden_size": "4096")",
       "config.json: hidden_size: found \"4096\", expected a whole number from 1 to 1048576"},
      {R"("hidden_size": 4096.5)", "hidden_size: found 4096.5, expected a whole number"},
      {R"("hidden_size": -1)", "hidden_size: found -1, expected"},
      {R"("hidden_size": 9223372036854775807)", "hidden_size: found 9223372036854775807"},
      {R"("hidden_size": 18446744073709551615)", "hidden_size: found 18446744073709551615"},
      {R"("num_hidden_layers": 1000000000)", "num_hidden_layers: found 1000000000"},
      {R"("num_attention_heads": 0)", "num_attention_heads: found 0"},
      {R"("num_attention_heads": 33)", "num_attention_heads: found 33, expected a divisor of"},
      {R"("num_key_value_heads": 7)", "num_key_value_heads: found 7, expected a divisor of the 32"},
      {R"("tie_word_embeddings": 1)", "tie_word_embeddings: found 1, expected true or false"},
      {R"("torch_dtype": "float99")", "torch_dtype: found \"float99\", expected bfloat16"},
      {R"("architectures": "LlamaForCausalLM")", "architectures: found \"LlamaForCausalLM\""},
      {R"("layer_types": ["full_attention"])", "layer_types: found 1 entries, expected one for"},
      {R"("hidden_size": {"a": 1})", "hidden_size: found a table, expected"},
  };
  for (const auto& wrong : kCases) {
    const std::string error = error_of(with(kLlama, wrong.fields));
    EXPECT_NE(error.find(wrong.expected), std::string::npos) << wrong.fields << ": " << error;
  }
}

TEST(ConfigJson, MissingFieldsAreNamed) {
  const std::string error = error_of(R"({"architectures": ["LlamaForCausalLM"]})");
  EXPECT_NE(error.find("config.json: hidden_size: missing; expected a whole number"),
            std::string::npos);
}

TEST(ConfigJson, WhatIsNotJsonSaysSo) {
  EXPECT_NE(error_of("").find("config.json: not JSON"), std::string::npos);
  EXPECT_NE(error_of("[1, 2]").find("not an object"), std::string::npos);
  EXPECT_NE(error_of("{\"hidden_size\": ").find("not JSON"), std::string::npos);
  EXPECT_NE(error_of(std::string(100000, '[')).find("not JSON"), std::string::npos);
}

TEST(ConfigJson, ExpertsMustCoverWhatATokenUses) {
  EXPECT_NE(error_of(with(kQwen3Moe, R"("num_experts_per_tok": 200)"))
                .find("num_experts_per_tok: found 200, expected a whole number from 1 to 128"),
            std::string::npos);
  EXPECT_NE(error_of(with(kDeepSeek, R"("first_k_dense_replace": 62)"))
                .find("first_k_dense_replace: found 62"),
            std::string::npos);
}

TEST(ConfigJson, GroupsCoverEveryLayer) {
  for (const std::string& json : {kLlama, kDeepSeek, kQwen3Moe}) {
    const ModelShape m = read(json);
    int layers = 0;
    for (const AttentionGroup& group : m.attention_groups) layers += group.layers;
    EXPECT_EQ(layers, m.layers);
  }
}

}  // namespace
}  // namespace weft
