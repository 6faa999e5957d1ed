// The fields of config.json that are understood, and their typed readers.
#include "model/config_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace weft {
namespace {

using enum FieldKind;

// Sorted by name. openPangu's names for the fields of latent attention stand beside DeepSeek's.
constexpr FieldName kFields[] = {
    {"architectures", kTexts},
    {"attention_bias", kBoolean},
    {"attention_kv_lora_dim", kInteger},
    {"attention_q_lora_dim", kInteger},
    {"attention_qk_dim", kInteger},
    {"attention_qk_rope_dim", kInteger},
    {"attention_v_dim", kInteger},
    {"bos_token_id", kInteger},
    {"compress_ratios", kIntegers},
    {"decoder_sparse_step", kInteger},
    {"dtype", kText},
    {"eos_token_id", kIntegers},
    {"expert_dtype", kText},
    {"first_k_dense_replace", kInteger},
    {"hc_mult", kInteger},
    {"head_dim", kInteger},
    {"hidden_act", kText},
    {"hidden_size", kInteger},
    {"index_head_dim", kInteger},
    {"index_n_heads", kInteger},
    {"index_topk", kInteger},
    {"indexer_types", kTexts},
    {"intermediate_size", kInteger},
    {"kv_lora_rank", kInteger},
    {"layer_types", kTexts},
    {"max_position_embeddings", kInteger},
    {"max_window_layers", kInteger},
    {"mlp_bias", kBoolean},
    {"mlp_only_layers", kIntegers},
    {"model_type", kText},
    {"moe_intermediate_size", kInteger},
    {"moe_layer_freq", kInteger},
    {"n_group", kInteger},
    {"n_routed_experts", kInteger},
    {"n_shared_experts", kInteger},
    {"norm_topk_prob", kBoolean},
    {"num_attention_heads", kInteger},
    {"num_dense_layers", kInteger},
    {"num_experts", kInteger},
    {"num_experts_per_tok", kInteger},
    {"num_hidden_layers", kInteger},
    {"num_key_value_heads", kInteger},
    {"num_local_experts", kInteger},
    {"num_mtp_layers", kInteger},
    {"num_mtp_modules", kInteger},
    {"num_nextn_predict_layers", kInteger},
    {"num_routed_experts", kInteger},
    {"num_shared_experts", kInteger},
    {"o_groups", kInteger},
    {"o_lora_rank", kInteger},
    {"partial_rotary_factor", kNumber},
    {"q_lora_rank", kInteger},
    {"qk_nope_head_dim", kInteger},
    {"qk_rope_head_dim", kInteger},
    {"quantization_config.bits", kInteger},
    {"quantization_config.config_groups.group_0.weights.num_bits", kInteger},
    {"quantization_config.config_groups.group_0.weights.type", kText},
    {"quantization_config.exclude_modules", kTexts},
    {"quantization_config.fmt", kText},
    {"quantization_config.ignore", kTexts},
    {"quantization_config.load_in_4bit", kBoolean},
    {"quantization_config.load_in_8bit", kBoolean},
    {"quantization_config.modules_to_not_convert", kTexts},
    {"quantization_config.moe_quant_algo", kText},
    {"quantization_config.quant_algo", kText},
    {"quantization_config.quant_method", kText},
    {"quantization_config.weight_block_size", kIntegers},
    {"rms_norm_eps", kNumber},
    {"rope_interleave", kBoolean},
    {"rope_parameters.attention_factor", kNumber},
    {"rope_parameters.beta_fast", kNumber},
    {"rope_parameters.beta_slow", kNumber},
    {"rope_parameters.factor", kNumber},
    {"rope_parameters.high_freq_factor", kNumber},
    {"rope_parameters.low_freq_factor", kNumber},
    {"rope_parameters.mscale", kNumber},
    {"rope_parameters.mscale_all_dim", kNumber},
    {"rope_parameters.original_max_position_embeddings", kInteger},
    {"rope_parameters.partial_rotary_factor", kNumber},
    {"rope_parameters.rope_theta", kNumber},
    {"rope_parameters.rope_type", kText},
    {"rope_parameters.truncate", kBoolean},
    {"rope_parameters.type", kText},
    {"rope_scaling.attention_factor", kNumber},
    {"rope_scaling.beta_fast", kNumber},
    {"rope_scaling.beta_slow", kNumber},
    {"rope_scaling.factor", kNumber},
    {"rope_scaling.high_freq_factor", kNumber},
    {"rope_scaling.low_freq_factor", kNumber},
    {"rope_scaling.mscale", kNumber},
    {"rope_scaling.mscale_all_dim", kNumber},
    {"rope_scaling.original_max_position_embeddings", kInteger},
    {"rope_scaling.rope_type", kText},
    {"rope_scaling.truncate", kBoolean},
    {"rope_scaling.type", kText},
    {"rope_theta", kNumber},
    {"routed_scaling_factor", kNumber},
    {"scoring_func", kText},
    {"shared_expert_intermediate_size", kInteger},
    {"sliding_window", kInteger},
    {"tie_word_embeddings", kBoolean},
    {"topk_group", kInteger},
    {"topk_method", kText},
    {"torch_dtype", kText},
    {"use_mtp", kBoolean},
    {"use_qk_norm", kBoolean},
    {"use_sliding_window", kBoolean},
    {"v_head_dim", kInteger},
    {"vocab_size", kInteger},
};

static_assert(std::ranges::is_sorted(kFields, {}, &FieldName::name));

constexpr size_t kShownItems = 6;
constexpr size_t kShownCharacters = 60;

// One line, whatever the document holds.
std::string shorten(std::string_view words) {
  std::string out(words.substr(0, kShownCharacters));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  }
  return words.size() > kShownCharacters ? out + "..." : out;
}
std::string shorten(int64_t value) { return fmt::format("{}", value); }

template <class Item>
std::string describe_list(const std::vector<Item>& items) {
  const size_t shown = items.size() > kShownItems + 2 ? kShownItems : items.size();
  std::string out = "[";
  for (size_t i = 0; i < shown; ++i) {
    out += fmt::format("{}{}", i > 0 ? ", " : "", shorten(items[i]));
  }
  if (shown < items.size()) out += fmt::format(", ... {} in all", items.size());
  return out + "]";
}

struct Describe {
  std::string operator()(int64_t value) const { return fmt::format("{}", value); }
  std::string operator()(double value) const { return fmt::format("{}", value); }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(const std::string& value) const {
    return fmt::format("\"{}\"", shorten(value));
  }
  std::string operator()(const std::vector<int64_t>& items) const { return describe_list(items); }
  std::string operator()(const std::vector<std::string>& items) const {
    return describe_list(items);
  }
  std::string operator()(const ForeignValue& value) const { return value.text; }
};

}  // namespace

std::span<const FieldName> config_field_names() { return kFields; }

std::string describe(const FieldValue& value) { return std::visit(Describe{}, value); }

const FieldValue* ConfigFields::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

void ConfigFields::fail(std::string_view key, std::string_view message) {
  if (!error_) error_ = bad_input(fmt::format("{}: {}: {}", source_, key, message));
}

void ConfigFields::wrong(std::string_view key, const FieldValue& value, std::string_view expected) {
  fail(key, fmt::format("found {}, expected {}", describe(value), expected));
}

int ConfigFields::integer(std::string_view key, int min, int max) {
  if (!has(key)) fail(key, fmt::format("missing; expected a whole number from {} to {}", min, max));
  return integer(key, min, min, max);
}

int ConfigFields::integer(std::string_view key, int fallback, int min, int max) {
  const FieldValue* value = find(key);
  if (value == nullptr) return fallback;
  const int64_t* number = std::get_if<int64_t>(value);
  if (number == nullptr || *number < min || *number > max) {
    wrong(key, *value, fmt::format("a whole number from {} to {}", min, max));
    return std::max(fallback, min);
  }
  return static_cast<int>(*number);
}

double ConfigFields::number(std::string_view key, double fallback, double min, double max) {
  const FieldValue* value = find(key);
  if (value == nullptr) return fallback;
  const int64_t* whole = std::get_if<int64_t>(value);
  const double* real = std::get_if<double>(value);
  const double found = whole != nullptr  ? static_cast<double>(*whole)
                       : real != nullptr ? *real
                                         : std::numeric_limits<double>::quiet_NaN();
  if (found >= min && found <= max) return found;
  wrong(key, *value, fmt::format("a number from {} to {}", min, max));
  return fallback;
}

bool ConfigFields::boolean(std::string_view key, bool fallback) {
  const FieldValue* value = find(key);
  if (value == nullptr) return fallback;
  if (const bool* truth = std::get_if<bool>(value)) return *truth;
  wrong(key, *value, "true or false");
  return fallback;
}

std::string ConfigFields::text(std::string_view key, std::string_view fallback) {
  const FieldValue* value = find(key);
  if (value == nullptr) return std::string(fallback);
  if (const std::string* words = std::get_if<std::string>(value)) return *words;
  wrong(key, *value, "a string");
  return std::string(fallback);
}

std::vector<int64_t> ConfigFields::integers(std::string_view key) {
  const FieldValue* value = find(key);
  if (value == nullptr) return {};
  if (const auto* items = std::get_if<std::vector<int64_t>>(value)) return *items;
  // An empty list has no kind of its own.
  if (const auto* items = std::get_if<std::vector<std::string>>(value); items && items->empty()) {
    return {};
  }
  wrong(key, *value, "a list of whole numbers");
  return {};
}

std::vector<int64_t> ConfigFields::one_or_more(std::string_view key) {
  const FieldValue* value = find(key);
  const int64_t* one = value == nullptr ? nullptr : std::get_if<int64_t>(value);
  return one != nullptr ? std::vector<int64_t>{*one} : integers(key);
}

std::vector<std::string> ConfigFields::texts(std::string_view key) {
  const FieldValue* value = find(key);
  if (value == nullptr) return {};
  if (const auto* items = std::get_if<std::vector<std::string>>(value)) return *items;
  wrong(key, *value, "a list of strings");
  return {};
}

}  // namespace weft
