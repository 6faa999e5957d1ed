// The formats a checkpoint is published in: torch_dtype, quantization_config, expert_dtype.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/config.h"
#include "model/config_shape.h"

namespace weft {
namespace {

struct NamedFormat {
  std::string_view name;
  Format format;
};

constexpr NamedFormat kDtypes[] = {
    {"bfloat16", Format::kBf16},     {"float16", Format::kBf16}, {"float32", Format::kFp32},
    {"float8_e4m3fn", Format::kFp8}, {"fp8", Format::kFp8},      {"int8", Format::kInt8},
    {"int4", Format::kInt4},         {"fp4", Format::kFp4},      {"mxfp4", Format::kFp4},
};

// quant_method (or ModelOpt's quant_algo) that fixes the format by itself.
constexpr NamedFormat kMethods[] = {
    {"fp8", Format::kFp8},   {"fbgemm_fp8", Format::kFp8}, {"mxfp4", Format::kFp4},
    {"mxfp8", Format::kFp8}, {"nvfp4", Format::kFp4},      {"w4a16_awq", Format::kInt4},
    {"w8a8", Format::kInt8},
};

// Formats that differ by bits: weights alone in whole numbers, or compressed-tensors' groups.
constexpr std::string_view kByBits[] = {"awq", "gptq", "bitsandbytes", "compressed-tensors",
                                        "modelopt"};

template <size_t N>
std::optional<Format> find_format(const NamedFormat (&table)[N], std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const NamedFormat& entry : table) {
    if (entry.name == name) return entry.format;
  }
  return std::nullopt;
}

template <size_t N>
std::vector<std::string> names_of(const NamedFormat (&table)[N]) {
  std::vector<std::string> names;
  for (const NamedFormat& entry : table) names.emplace_back(entry.name);
  return names;
}

Format read_dtype(ConfigFields& fields, std::string_view key, Format fallback) {
  if (!fields.has(key)) return fallback;
  const std::string name = fields.text(key, "");
  const bool is_qualified = name.starts_with("torch.");
  if (const auto format = find_format(kDtypes, is_qualified ? name.substr(6) : name)) {
    return *format;
  }
  fields.fail(key, fmt::format("found {}, expected {}", describe(name),
                               join_alternatives(names_of(kDtypes))));
  return fallback;
}

std::optional<Format> format_of_bits(int bits, bool is_float) {
  if (bits == 4) return is_float ? Format::kFp4 : Format::kInt4;
  if (bits == 8) return is_float ? Format::kFp8 : Format::kInt8;
  return std::nullopt;
}

std::optional<Format> read_bits(ConfigFields& fields) {
  const std::string bits = "quantization_config.bits";
  const std::string group = "quantization_config.config_groups.group_0.weights.";
  if (fields.boolean("quantization_config.load_in_4bit", false)) return Format::kInt4;
  if (fields.boolean("quantization_config.load_in_8bit", false)) return Format::kInt8;
  if (fields.has(bits)) return format_of_bits(fields.integer(bits, 1, 16), false);
  if (!fields.has(group + "num_bits")) return std::nullopt;
  return format_of_bits(fields.integer(group + "num_bits", 1, 16),
                        fields.text(group + "type", "int") == "float");
}

// A whole attention module, or one of its projections, is left as it was.
bool keeps_attention(ConfigFields& fields) {
  constexpr std::array<std::string_view, 3> kLists = {"ignore", "exclude_modules",
                                                      "modules_to_not_convert"};
  constexpr std::array<std::string_view, 3> kProjections = {"q_proj", "q_a_proj", "q_b_proj"};
  for (const std::string_view list : kLists) {
    for (std::string module : fields.texts(fmt::format("quantization_config.{}", list))) {
      while (!module.empty() && std::string_view("*.$").find(module.back()) != std::string::npos) {
        module.pop_back();
      }
      if (module.ends_with("attn")) return true;
      for (const auto projection : kProjections) {
        if (module.ends_with(projection)) return true;
      }
    }
  }
  return false;
}

std::optional<Format> read_quantization(ConfigFields& fields) {
  const std::string method_key = "quantization_config.quant_method";
  const std::string algo_key = "quantization_config.quant_algo";
  if (!fields.has(method_key) && !fields.has(algo_key)) return std::nullopt;
  const std::string key = fields.has(method_key) ? method_key : algo_key;
  const std::string method = fields.text(key, "");
  if (const auto format = find_format(kMethods, method)) return format;
  if (fields.has(algo_key)) {
    if (const auto format = find_format(kMethods, fields.text(algo_key, ""))) return format;
  }
  if (const auto format = read_bits(fields)) return format;
  std::vector<std::string> known = names_of(kMethods);
  known.insert(known.end(), std::begin(kByBits), std::end(kByBits));
  fields.fail(key, fmt::format("found {}, expected {} with 4 or 8 bits", describe(method),
                               join_alternatives(known)));
  return std::nullopt;
}

}  // namespace

void read_native_formats(ConfigFields& fields, ModelShape& shape) {
  const auto dtype = fields.has("torch_dtype") ? "torch_dtype" : "dtype";
  const Format plain = read_dtype(fields, dtype, Format::kBf16);
  const Format quantized = read_quantization(fields).value_or(plain);
  shape.native_weights = shape.is_moe() && keeps_attention(fields) ? plain : quantized;
  shape.native_experts = read_dtype(fields, "expert_dtype", quantized);
  const std::string experts_key = "quantization_config.moe_quant_algo";
  if (!fields.has(experts_key)) return;
  shape.native_experts =
      find_format(kMethods, fields.text(experts_key, "")).value_or(shape.native_experts);
}

}  // namespace weft
