// What each architecture calls its sizes, and where its layers differ.
#include "model/config_shape.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/config.h"

namespace weft {
namespace {

// Larger than any model known or planned, small enough that no product overflows.
constexpr int kMaxWidth = 1 << 20;
constexpr int kMaxFfn = 1 << 22;
constexpr int kMaxLayers = 4096;
constexpr int kMaxHeads = 1 << 14;
constexpr int kMaxExperts = 1 << 16;
constexpr int kMaxVocab = 1 << 26;
constexpr int kMaxContext = 1 << 30;

struct Family {
  std::string_view architecture;
  AttentionKind attention;
  std::string_view experts;     // field with the number of routed experts; empty: a dense model
  std::string_view expert_ffn;  // field with their width
  bool qkv_bias = false;        // unless attention_bias says otherwise
  bool qk_norm = false;         // unless use_qk_norm says otherwise
};

using enum AttentionKind;
constexpr Family kFamilies[] = {
    {"DeepseekV2ForCausalLM", kMla, "n_routed_experts", "moe_intermediate_size"},
    {"DeepseekV32ForCausalLM", kMla, "n_routed_experts", "moe_intermediate_size"},
    {"DeepseekV3ForCausalLM", kMla, "n_routed_experts", "moe_intermediate_size"},
    {"DeepseekV4ForCausalLM", kCompressed, "n_routed_experts", "moe_intermediate_size"},
    {"Glm4MoeForCausalLM", kGqa, "n_routed_experts", "moe_intermediate_size"},
    {"GlmMoeDsaForCausalLM", kMla, "n_routed_experts", "moe_intermediate_size"},
    {"GptOssForCausalLM", kGqa, "num_local_experts", "intermediate_size"},
    {"KimiK25ForConditionalGeneration", kMla, "n_routed_experts", "moe_intermediate_size"},
    {"KimiK2ForCausalLM", kMla, "n_routed_experts", "moe_intermediate_size"},
    {"LlamaForCausalLM", kGqa, "", ""},
    {"MiniMaxM2ForCausalLM", kGqa, "num_local_experts", "intermediate_size"},
    {"MistralForCausalLM", kGqa, "", ""},
    {"MixtralForCausalLM", kGqa, "num_local_experts", "intermediate_size"},
    {"PanguUltraMoEForCausalLM", kMla, "num_routed_experts", "moe_intermediate_size"},
    {"Qwen2ForCausalLM", kGqa, "", "", true},
    {"Qwen2MoeForCausalLM", kGqa, "num_experts", "moe_intermediate_size", true},
    {"Qwen3ForCausalLM", kGqa, "", "", false, true},
    {"Qwen3MoeForCausalLM", kGqa, "num_experts", "moe_intermediate_size", false, true},
};

// The first of the names that the document uses; else the first.
std::string_view either(const ConfigFields& fields, std::string_view usual,
                        std::string_view other) {
  return !fields.has(usual) && fields.has(other) ? other : usual;
}

const Family* find_family(ConfigFields& fields) {
  const std::vector<std::string> named = fields.texts("architectures");
  if (named.empty()) {
    fields.fail("architectures", fmt::format("missing; expected one of {}",
                                             join_alternatives(known_architectures())));
    return nullptr;
  }
  for (const Family& family : kFamilies) {
    if (named.front() == family.architecture) return &family;
  }
  fields.fail("architectures", fmt::format("found {}, expected {}", describe(named.front()),
                                           join_alternatives(known_architectures())));
  return nullptr;
}

void read_sizes(ConfigFields& fields, const Family& family, ModelShape& shape) {
  shape.architecture = family.architecture;
  shape.attention = family.attention;
  shape.hidden = fields.integer("hidden_size", 1, kMaxWidth);
  shape.layers = fields.integer("num_hidden_layers", 1, kMaxLayers);
  shape.vocab = fields.integer("vocab_size", 1, kMaxVocab);
  shape.context = fields.integer("max_position_embeddings", 1, kMaxContext);
  shape.tied_embeddings = fields.boolean("tie_word_embeddings", false);
  shape.heads = fields.integer("num_attention_heads", 1, kMaxHeads);
  shape.qkv_bias = fields.boolean("attention_bias", family.qkv_bias);
  shape.qk_norm = fields.boolean("use_qk_norm", family.qk_norm);
  shape.residual_streams = fields.integer("hc_mult", 1, 1, 64);
  const auto mtp = either(fields, "num_nextn_predict_layers", "num_mtp_layers");
  shape.mtp_layers = fields.integer(mtp, 0, 0, 64);
  if (fields.boolean("use_mtp", false)) {
    shape.mtp_layers = fields.integer("num_mtp_modules", shape.mtp_layers, 0, 64);
  }
}

void read_gqa(ConfigFields& fields, ModelShape& shape) {
  shape.kv_heads = fields.integer("num_key_value_heads", shape.heads, 1, kMaxHeads);
  shape.head_dim = fields.integer("head_dim", shape.hidden / shape.heads, 1, kMaxWidth);
  if (!fields.has("head_dim") && shape.hidden % shape.heads != 0) {
    fields.fail("num_attention_heads", fmt::format("found {}, expected a divisor of hidden_size {}",
                                                   shape.heads, shape.hidden));
  }
  if (shape.heads % shape.kv_heads != 0) {
    fields.fail("num_key_value_heads", fmt::format("found {}, expected a divisor of the {} heads",
                                                   shape.kv_heads, shape.heads));
  }
}

void read_mla(ConfigFields& fields, ModelShape& shape) {
  const auto q_lora = either(fields, "q_lora_rank", "attention_q_lora_dim");
  const auto kv_lora = either(fields, "kv_lora_rank", "attention_kv_lora_dim");
  const auto nope = either(fields, "qk_nope_head_dim", "attention_qk_dim");
  const auto rope = either(fields, "qk_rope_head_dim", "attention_qk_rope_dim");
  const auto value = either(fields, "v_head_dim", "attention_v_dim");
  shape.q_lora = fields.integer(q_lora, 0, 0, kMaxWidth);  // null in DeepSeek-V2-Lite
  shape.kv_lora = fields.integer(kv_lora, 1, kMaxWidth);
  shape.nope_dim = fields.integer(nope, 1, kMaxWidth);
  shape.rope_dim = fields.integer(rope, 0, kMaxWidth);
  shape.v_dim = fields.integer(value, 1, kMaxWidth);
}

void read_compressed(ConfigFields& fields, ModelShape& shape) {
  shape.kv_heads = 1;
  shape.head_dim = fields.integer("head_dim", 1, kMaxWidth);
  shape.q_lora = fields.integer("q_lora_rank", 0, 0, kMaxWidth);
  shape.rope_dim = fields.integer("qk_rope_head_dim", 0, shape.head_dim);
  shape.o_lora = fields.integer("o_lora_rank", 0, 0, kMaxWidth);
  shape.o_groups = fields.integer("o_groups", 1, 1, kMaxHeads);
}

void read_indexer(ConfigFields& fields, ModelShape& shape) {
  if (shape.attention == kGqa || !fields.has("index_head_dim")) return;
  shape.index_dim = fields.integer("index_head_dim", 1, kMaxWidth);
  shape.index_heads = fields.integer("index_n_heads", 1, kMaxHeads);
}

// A list with an entry per layer; longer ones go on with MTP layers.
bool covers_layers(ConfigFields& fields, std::string_view key, size_t items, int layers) {
  if (items >= static_cast<size_t>(layers)) return true;
  fields.fail(
      key, fmt::format("found {} entries, expected one for each of the {} layers", items, layers));
  return false;
}

// Which layers see a window alone: layer_types, else sliding_window for all (Mistral) or for the
// layers from max_window_layers on (Qwen2, if use_sliding_window).
void read_windows(ConfigFields& fields, const ModelShape& shape,
                  std::vector<AttentionGroup>& layers) {
  const int count = static_cast<int>(layers.size());
  const std::vector<std::string> types = fields.texts("layer_types");
  if (!types.empty()) {
    if (!covers_layers(fields, "layer_types", types.size(), count)) return;
    for (int i = 0; i < count; ++i) {
      const std::string& type = types[static_cast<size_t>(i)];
      if (type == "sliding_attention") {
        layers[static_cast<size_t>(i)].window = fields.integer("sliding_window", 1, kMaxContext);
      } else if (type != "full_attention") {
        fields.fail("layer_types", fmt::format("found {}, expected full_attention or "
                                               "sliding_attention",
                                               describe(type)));
      }
    }
    return;
  }
  const bool is_qwen = shape.architecture.starts_with("Qwen");
  if (!fields.has("sliding_window") || !fields.boolean("use_sliding_window", !is_qwen)) return;
  const int window = fields.integer("sliding_window", 1, kMaxContext);
  const int first = fields.integer("max_window_layers", 0, 0, kMaxLayers);
  for (int i = std::min(first, count); i < count; ++i)
    layers[static_cast<size_t>(i)].window = window;
}

// V3.2 and GLM-5: every layer selects; GLM-5.2 computes the scores in some and shares them.
void read_sparse(ConfigFields& fields, const ModelShape& shape,
                 std::vector<AttentionGroup>& layers) {
  if (shape.index_dim == 0) return;
  const int top_k = fields.integer("index_topk", 1, kMaxContext);
  const std::vector<std::string> types = fields.texts("indexer_types");
  if (!types.empty() && !covers_layers(fields, "indexer_types", types.size(), shape.layers)) return;
  for (size_t i = 0; i < layers.size(); ++i) {
    layers[i].top_k = top_k;
    layers[i].runs_indexer = types.empty() || types[i] == "full";
    if (!types.empty() && types[i] != "full" && types[i] != "shared") {
      fields.fail("indexer_types",
                  fmt::format("found {}, expected full or shared", describe(types[i])));
    }
  }
}

// V4: tokens per entry in each layer; 0: the window alone. Ratio 4 is the one with an indexer.
void read_ratios(ConfigFields& fields, const ModelShape& shape,
                 std::vector<AttentionGroup>& layers) {
  const std::vector<int64_t> ratios = fields.integers("compress_ratios");
  if (!covers_layers(fields, "compress_ratios", ratios.size(), shape.layers)) return;
  const int window = fields.integer("sliding_window", 1, kMaxContext);
  const int top_k = fields.integer("index_topk", 1, kMaxContext);
  for (size_t i = 0; i < layers.size(); ++i) {
    if (ratios[i] != 0 && ratios[i] != 4 && ratios[i] != 128) {
      fields.fail("compress_ratios", fmt::format("found {}, expected 0, 4 or 128", ratios[i]));
      return;
    }
    layers[i].window = window;
    layers[i].compression = static_cast<int>(ratios[i]);
    layers[i].runs_indexer = ratios[i] == 4;
    layers[i].top_k = ratios[i] == 4 ? top_k : 0;
  }
}

// Layers that attend alike become one group, in the order of their first layer.
std::vector<AttentionGroup> group_layers(const std::vector<AttentionGroup>& layers) {
  std::vector<AttentionGroup> groups;
  for (const AttentionGroup& layer : layers) {
    const auto same = std::find_if(groups.begin(), groups.end(), [&](AttentionGroup group) {
      group.layers = layer.layers;
      return group == layer;
    });
    if (same == groups.end()) {
      groups.push_back(layer);
    } else {
      same->layers += layer.layers;
    }
  }
  return groups;
}

void read_layers(ConfigFields& fields, ModelShape& shape) {
  AttentionGroup one;
  one.layers = 1;
  std::vector<AttentionGroup> layers(static_cast<size_t>(shape.layers), one);
  if (shape.attention == kCompressed) {
    read_ratios(fields, shape, layers);
  } else {
    if (shape.attention == kGqa) read_windows(fields, shape, layers);
    read_sparse(fields, shape, layers);
  }
  shape.attention_groups = group_layers(layers);
}

void read_shared_experts(ConfigFields& fields, ModelShape& shape) {
  const auto shared = either(fields, "n_shared_experts", "num_shared_experts");
  shape.shared_experts = fields.integer(shared, 0, 0, kMaxExperts);
  if (!fields.has("shared_expert_intermediate_size")) return;  // Qwen2Moe gives a width
  const int width = fields.integer("shared_expert_intermediate_size", 0, 0, kMaxFfn);
  if (width % shape.expert_ffn != 0) {
    fields.fail(
        "shared_expert_intermediate_size",
        fmt::format("found {}, expected a multiple of the experts' {}", width, shape.expert_ffn));
  }
  shape.shared_experts = width / shape.expert_ffn;
}

void read_ffn(ConfigFields& fields, const Family& family, ModelShape& shape) {
  if (family.experts.empty()) {
    shape.dense_layers = shape.layers;
    shape.dense_ffn = fields.integer("intermediate_size", 1, kMaxFfn);
    return;
  }
  const auto experts = either(fields, family.experts, "num_experts");
  shape.experts = fields.integer(experts, 1, kMaxExperts);
  shape.expert_ffn = fields.integer(family.expert_ffn, 1, kMaxFfn);
  shape.experts_per_token = fields.integer("num_experts_per_tok", 1, shape.experts);
  shape.expert_groups = fields.integer("n_group", 1, 1, shape.experts);
  shape.expert_groups_per_token = fields.integer("topk_group", 1, 1, shape.expert_groups);
  read_shared_experts(fields, shape);
  const std::vector<bool> dense = read_dense_layers(fields, shape.layers);
  shape.dense_layers = static_cast<int>(std::count(dense.begin(), dense.end(), true));
  if (shape.dense_layers > 0) shape.dense_ffn = fields.integer("intermediate_size", 1, kMaxFfn);
}

}  // namespace

std::vector<std::string> known_architectures() {
  std::vector<std::string> names;
  for (const Family& family : kFamilies) names.emplace_back(family.architecture);
  return names;
}

std::vector<bool> read_dense_layers(ConfigFields& fields, int layers) {
  const auto first_key = either(fields, "first_k_dense_replace", "num_dense_layers");
  const int first = fields.integer(first_key, 0, 0, layers);
  const int stride = fields.integer("moe_layer_freq", 1, 1, kMaxLayers);
  const int step = fields.integer("decoder_sparse_step", 1, 1, kMaxLayers);
  const std::vector<int64_t> listed = fields.integers("mlp_only_layers");
  std::vector<bool> dense(static_cast<size_t>(layers));
  for (int i = 0; i < layers; ++i) {
    const bool is_listed = std::find(listed.begin(), listed.end(), i) != listed.end();
    dense[static_cast<size_t>(i)] =
        i < first || i % stride != 0 || (i + 1) % step != 0 || is_listed;
  }
  return dense;
}

Result<ModelShape> shape_from_fields(ConfigFields fields) {
  ModelShape shape;
  const Family* family = find_family(fields);
  if (family == nullptr) return *fields.error();
  read_sizes(fields, *family, shape);
  if (fields.error()) return *fields.error();
  switch (shape.attention) {
    case kGqa:
      read_gqa(fields, shape);
      break;
    case kMla:
      read_mla(fields, shape);
      break;
    case kCompressed:
      read_compressed(fields, shape);
      break;
  }
  read_indexer(fields, shape);
  read_layers(fields, shape);
  read_ffn(fields, *family, shape);
  read_native_formats(fields, shape);
  if (fields.error()) return *fields.error();
  return shape;
}

}  // namespace weft
