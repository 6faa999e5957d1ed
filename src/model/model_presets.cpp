// config.json of random checkpoints: what models of each architecture are published with, at sizes
// to test and to measure with.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/config.h"
#include "model/config_fields.h"
#include "model/random_checkpoint.h"
#include "model/tokenizer_maker.h"

namespace weft {
namespace {

using Json = nlohmann::ordered_json;
using enum Architecture;

// The fields that all sizes of an architecture share, then those of each size.
struct Preset {
  Architecture architecture;
  std::string_view short_name;
  std::string_view common;
  std::string_view tiny;
  std::string_view small;
};

constexpr std::string_view kEvery = R"({
  "architectures": [], "model_type": "", "torch_dtype": "bfloat16", "hidden_act": "silu",
  "rms_norm_eps": 1e-06, "attention_dropout": 0.0, "initializer_range": 0.02, "use_cache": true})";

constexpr std::array kPresets = {
    Preset{kLlama, "llama",
           R"({"model_type": "llama", "rms_norm_eps": 1e-05, "attention_bias": false,
               "mlp_bias": false, "rope_theta": 500000.0, "tie_word_embeddings": true,
               "pretraining_tp": 1})",
           R"({"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2,
               "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
               "vocab_size": 512, "max_position_embeddings": 2048,
               "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                "original_max_position_embeddings": 256, "rope_type": "llama3"}})",
           R"({"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
               "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64,
               "vocab_size": 128256, "max_position_embeddings": 131072,
               "rope_scaling": {"factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                "original_max_position_embeddings": 8192,
                                "rope_type": "llama3"}})"},
    Preset{kQwen2, "qwen2",
           R"({"model_type": "qwen2", "rope_theta": 1000000.0, "tie_word_embeddings": true,
               "use_sliding_window": false, "sliding_window": 32768, "max_window_layers": 24})",
           R"({"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2,
               "num_attention_heads": 4, "num_key_value_heads": 1, "vocab_size": 512,
               "max_position_embeddings": 2048})",
           R"({"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
               "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151936,
               "max_position_embeddings": 32768})"},
    Preset{kQwen3, "qwen3",
           R"({"model_type": "qwen3", "attention_bias": false, "rope_theta": 1000000.0,
               "rope_scaling": null, "tie_word_embeddings": true, "use_sliding_window": false,
               "sliding_window": null, "max_window_layers": 28})",
           R"({"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2,
               "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
               "vocab_size": 512, "max_position_embeddings": 2048})",
           R"({"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
               "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
               "vocab_size": 151936, "max_position_embeddings": 40960})"},
    Preset{kQwen3Moe, "qwen3-moe",
           R"({"model_type": "qwen3_moe", "attention_bias": false, "rope_theta": 1000000.0,
               "rope_scaling": null, "tie_word_embeddings": false, "use_sliding_window": false,
               "sliding_window": null, "decoder_sparse_step": 1, "mlp_only_layers": [],
               "norm_topk_prob": true, "output_router_logits": false,
               "router_aux_loss_coef": 0.001})",
           R"({"hidden_size": 64, "intermediate_size": 160, "moe_intermediate_size": 48,
               "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
               "head_dim": 32, "num_experts": 8, "num_experts_per_tok": 2, "vocab_size": 512,
               "max_position_embeddings": 2048,
               "rope_scaling": {"rope_type": "yarn", "factor": 4.0,
                                "original_max_position_embeddings": 512}})",
           R"({"hidden_size": 1024, "intermediate_size": 3072, "moe_intermediate_size": 384,
               "num_hidden_layers": 16, "num_attention_heads": 16, "num_key_value_heads": 4,
               "head_dim": 128, "num_experts": 64, "num_experts_per_tok": 8,
               "vocab_size": 151936, "max_position_embeddings": 40960})"},
    Preset{kDeepseekV2, "deepseek-v2",
           R"({"model_type": "deepseek_v2", "attention_bias": false, "rope_theta": 10000,
               "tie_word_embeddings": false, "q_lora_rank": null, "moe_layer_freq": 1,
               "first_k_dense_replace": 1, "n_shared_experts": 2, "norm_topk_prob": false,
               "scoring_func": "softmax", "aux_loss_alpha": 0.001, "seq_aux": true})",
           R"({"hidden_size": 64, "intermediate_size": 160, "moe_intermediate_size": 32,
               "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 4,
               "kv_lora_rank": 32, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8,
               "v_head_dim": 16, "n_routed_experts": 8, "num_experts_per_tok": 3,
               "topk_method": "group_limited_greedy", "n_group": 4, "topk_group": 2,
               "routed_scaling_factor": 2.0, "vocab_size": 512, "max_position_embeddings": 1024,
               "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 4, "mscale": 1.0,
                                "mscale_all_dim": 0.707,
                                "original_max_position_embeddings": 256, "type": "yarn"}})",
           R"({"hidden_size": 1024, "intermediate_size": 4096, "moe_intermediate_size": 512,
               "num_hidden_layers": 12, "num_attention_heads": 16, "num_key_value_heads": 16,
               "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
               "v_head_dim": 128, "n_routed_experts": 32, "num_experts_per_tok": 6,
               "topk_method": "greedy", "n_group": 1, "topk_group": 1,
               "routed_scaling_factor": 1.0, "vocab_size": 102400,
               "max_position_embeddings": 163840,
               "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 0.707,
                                "mscale_all_dim": 0.707,
                                "original_max_position_embeddings": 4096, "type": "yarn"}})"},
    Preset{kDeepseekV3, "deepseek-v3",
           R"({"model_type": "deepseek_v3", "attention_bias": false, "rope_theta": 10000,
               "tie_word_embeddings": false, "moe_layer_freq": 1, "first_k_dense_replace": 1,
               "n_shared_experts": 1, "norm_topk_prob": true, "scoring_func": "sigmoid",
               "topk_method": "noaux_tc", "routed_scaling_factor": 2.5, "ep_size": 1,
               "num_nextn_predict_layers": 1})",
           R"({"hidden_size": 64, "intermediate_size": 160, "moe_intermediate_size": 32,
               "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 4,
               "q_lora_rank": 48, "kv_lora_rank": 32, "qk_nope_head_dim": 16,
               "qk_rope_head_dim": 8, "v_head_dim": 16, "n_routed_experts": 16,
               "num_experts_per_tok": 3, "n_group": 4, "topk_group": 2, "vocab_size": 512,
               "max_position_embeddings": 1024,
               "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 4, "mscale": 1.0,
                                "mscale_all_dim": 1.0, "original_max_position_embeddings": 256,
                                "type": "yarn"}})",
           R"({"hidden_size": 1024, "intermediate_size": 4096, "moe_intermediate_size": 512,
               "num_hidden_layers": 10, "num_attention_heads": 16, "num_key_value_heads": 16,
               "q_lora_rank": 512, "kv_lora_rank": 512, "qk_nope_head_dim": 128,
               "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 32,
               "num_experts_per_tok": 4, "n_group": 4, "topk_group": 2, "vocab_size": 65536,
               "max_position_embeddings": 163840,
               "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 1.0,
                                "mscale_all_dim": 1.0,
                                "original_max_position_embeddings": 4096, "type": "yarn"}})"},
};

void merge(Json& config, std::string_view fields) {
  const Json more = Json::parse(fields);
  for (const auto& [key, value] : more.items()) config[key] = value;
}

// The special tokens that make_tokenizer_json puts last: <|bos|>, <|eos|>, <|im_start|>,
// <|im_end|>.
void set_special_tokens(Json& config) {
  const auto found = config.find("vocab_size");
  if (found == config.end() || !found->is_number_integer()) return;
  const auto vocab = found->get<int64_t>();
  if (vocab < kSmallestMadeVocab) return;
  if (!config.contains("bos_token_id")) config["bos_token_id"] = vocab - 4;
  if (!config.contains("eos_token_id")) config["eos_token_id"] = {vocab - 3, vocab - 1};
}

}  // namespace

std::vector<std::string> short_architecture_names() {
  std::vector<std::string> names;
  names.reserve(kPresets.size());
  for (const Preset& preset : kPresets) names.emplace_back(preset.short_name);
  return names;
}

std::vector<std::string> preset_sizes() { return {"tiny", "small"}; }

Result<Architecture> architecture_by_name(std::string_view name) {
  for (const Preset& preset : kPresets) {
    if (name == preset.short_name || name == architecture_name(preset.architecture)) {
      return preset.architecture;
    }
  }
  std::vector<std::string> known = short_architecture_names();
  for (const std::string& long_name : runnable_architectures()) known.push_back(long_name);
  return bad_input(fmt::format("architecture {}: unknown; expected {}",
                               describe(FieldValue(std::string(name))), join_alternatives(known)));
}

Result<std::string> preset_config(Architecture architecture, std::string_view size,
                                  const std::vector<ConfigSetting>& settings) {
  const auto preset = std::find_if(kPresets.begin(), kPresets.end(), [&](const Preset& row) {
    return row.architecture == architecture;
  });
  CHECK(preset != kPresets.end());
  if (size != "tiny" && size != "small") {
    return bad_input(fmt::format("size {}: unknown; expected {}",
                                 describe(FieldValue(std::string(size))),
                                 join_alternatives(preset_sizes())));
  }
  Json config = Json::parse(kEvery);
  merge(config, preset->common);
  merge(config, size == "tiny" ? preset->tiny : preset->small);
  config["architectures"] = {std::string(architecture_name(architecture))};
  for (const ConfigSetting& setting : settings) {
    Json value = Json::parse(setting.json, nullptr, false);
    if (value.is_discarded()) {
      return bad_input(fmt::format("{}: found {}, expected JSON: a number, true, null or \"text\"",
                                   describe(FieldValue(setting.key)),
                                   describe(FieldValue(setting.json))));
    }
    config[setting.key] = std::move(value);
  }
  set_special_tokens(config);
  return config.dump(2) + "\n";
}

}  // namespace weft
