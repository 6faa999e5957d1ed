// The fields of config.json that change what a forward pass computes, architecture by architecture.
#include "model/architecture_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "base/config.h"
#include "model/config_shape.h"

namespace weft {
namespace {

using enum Architecture;

// What an architecture does unless config.json says otherwise.
struct Family {
  Architecture architecture;
  std::string_view name;
  bool o_bias;      // attention_bias gives o_proj one too
  bool mlp_bias;    // knows mlp_bias
  bool qk_norm;     // norms queries and keys
  int64_t max_mtp;  // MTP layers that can be run
};

constexpr std::array kFamilies = {
    Family{kLlama, "LlamaForCausalLM", true, true, false, 0},
    Family{kQwen2, "Qwen2ForCausalLM", false, false, false, 0},
    Family{kQwen3, "Qwen3ForCausalLM", true, false, true, 0},
    Family{kQwen3Moe, "Qwen3MoeForCausalLM", true, false, true, 0},
    Family{kDeepseekV2, "DeepseekV2ForCausalLM", true, false, false, 0},
    Family{kDeepseekV3, "DeepseekV3ForCausalLM", true, false, false, 64},
};

constexpr double kHuge = 1e12;

const Family* find_family(ConfigFields& fields, const std::string& name) {
  const auto found = std::find_if(kFamilies.begin(), kFamilies.end(),
                                  [&](const Family& family) { return family.name == name; });
  if (found != kFamilies.end()) return &*found;
  fields.fail("architectures",
              fmt::format("found {}, expected one that runs: {}", describe(FieldValue(name)),
                          join_alternatives(runnable_architectures())));
  return nullptr;
}

// DeepSeek's m(s, k) of the header.
double yarn_magnitude(double scale, double k) {
  return scale > 1 ? 0.1 * k * std::log(scale) + 1 : 1;
}

// The fields of one of the two tables that RoPE is described in.
class RopeTable {
 public:
  RopeTable(ConfigFields& fields, std::string name) : fields_(fields), name_(std::move(name)) {}

  std::string key(std::string_view field) const { return fmt::format("{}.{}", name_, field); }
  bool has(std::string_view field) const { return fields_.has(key(field)); }
  double number(std::string_view field, double fallback, double min, double max) {
    return fields_.number(key(field), fallback, min, max);
  }
  double required(std::string_view field, double min, double max) {
    if (!has(field)) {
      fields_.fail(key(field), fmt::format("missing; expected a number from {} to {}", min, max));
    }
    return number(field, min, min, max);
  }
  ConfigFields& fields() { return fields_; }

 private:
  ConfigFields& fields_;
  std::string name_;
};

void read_llama3(RopeTable& table, RopeConfig& rope) {
  rope.factor = table.required("factor", 1, kHuge);
  rope.low_freq_factor = table.required("low_freq_factor", 1e-6, kHuge);
  rope.high_freq_factor = table.required("high_freq_factor", 1e-6, kHuge);
  if (rope.high_freq_factor <= rope.low_freq_factor) {
    table.fields().fail(table.key("high_freq_factor"),
                        fmt::format("found {}, expected more than low_freq_factor {}",
                                    rope.high_freq_factor, rope.low_freq_factor));
  }
}

void read_yarn(RopeTable& table, const ModelShape& shape, RopeConfig& rope) {
  const double stretch = static_cast<double>(shape.context) / rope.original_context;
  rope.factor = table.number("factor", std::max(stretch, 1.0), 1, kHuge);
  rope.beta_fast = table.number("beta_fast", 32, 1e-6, kHuge);
  rope.beta_slow = table.number("beta_slow", 1, 1e-6, kHuge);
  rope.truncates = table.fields().boolean(table.key("truncate"), true);
  const double mscale = table.number("mscale", 0, 0, kHuge);
  const double all = table.number("mscale_all_dim", 0, 0, kHuge);
  const double plain = yarn_magnitude(rope.factor, 1);
  const double ratio = yarn_magnitude(rope.factor, mscale) / yarn_magnitude(rope.factor, all);
  rope.magnitude =
      table.number("attention_factor", mscale > 0 && all > 0 ? ratio : plain, 1e-6, kHuge);
  if (all > 0) rope.softmax_magnitude = yarn_magnitude(rope.factor, all);
}

// rope_parameters (transformers 5) or rope_theta and rope_scaling (before).
void read_rope(ConfigFields& fields, const ModelShape& shape, RopeConfig& rope) {
  for (const std::string_view name : {"rope_scaling", "rope_parameters"}) {
    if (fields.has(name)) fields.fail(name, "expected a table");
  }
  rope.theta = fields.number("rope_theta", 10000, 1.000001, kHuge);
  rope.theta = fields.number("rope_parameters.rope_theta", rope.theta, 1.000001, kHuge);
  const bool is_new = fields.has("rope_parameters.rope_type");
  RopeTable table(fields, is_new ? "rope_parameters" : "rope_scaling");
  const std::string key = table.key(table.has("rope_type") ? "rope_type" : "type");
  const std::string kind = fields.text(key, "default");
  for (const std::string_view part :
       {"partial_rotary_factor", "rope_parameters.partial_rotary_factor"}) {
    if (fields.number(part, 1, 0, 1) != 1) fields.fail(part, "expected 1 or nothing");
  }
  const std::string original = table.key("original_max_position_embeddings");
  rope.original_context = fields.integer(original, shape.context, 1, 1 << 30);
  if (kind == "linear") {
    rope.scaling = RopeScaling::kLinear;
    rope.factor = table.required("factor", 1e-6, kHuge);
  } else if (kind == "llama3") {
    rope.scaling = RopeScaling::kLlama3;
    read_llama3(table, rope);
  } else if (kind == "yarn") {
    rope.scaling = RopeScaling::kYarn;
    read_yarn(table, shape, rope);
  } else if (kind != "default") {
    fields.fail(key, fmt::format("found {}, expected default, linear, llama3 or yarn",
                                 describe(FieldValue(kind))));
  }
}

// The one value that this architecture has.
void expect_text(ConfigFields& fields, std::string_view key, std::string_view expected) {
  const std::string found = fields.text(key, expected);
  if (found == expected) return;
  fields.fail(key, fmt::format("found {}, expected {}", describe(FieldValue(found)), expected));
}

void check_groups(ConfigFields& fields, const ModelShape& shape, int least_per_group) {
  const int per_group = shape.experts / shape.expert_groups;
  if (shape.experts % shape.expert_groups != 0 || per_group < least_per_group) {
    fields.fail("n_group", fmt::format("found {}, expected a divisor of the {} experts that leaves "
                                       "{} or more to a group",
                                       shape.expert_groups, shape.experts, least_per_group));
  } else if (per_group * shape.expert_groups_per_token < shape.experts_per_token) {
    fields.fail("topk_group",
                fmt::format("found {}, expected groups that hold num_experts_per_tok {}",
                            shape.expert_groups_per_token, shape.experts_per_token));
  }
}

void read_v2_router(ConfigFields& fields, const ModelShape& shape, ExpertRouterConfig& router) {
  expect_text(fields, "scoring_func", "softmax");
  const std::string method = fields.text("topk_method", "greedy");
  if (method == "group_limited_greedy") {
    router.method = RouterMethod::kGroupLimited;
    check_groups(fields, shape, 1);
  } else if (method != "greedy") {
    fields.fail("topk_method", fmt::format("found {}, expected greedy or group_limited_greedy",
                                           describe(FieldValue(method))));
  }
  // Implementations differ in what they do then, and no published model asks for it.
  if (fields.boolean("norm_topk_prob", false)) {
    fields.fail("norm_topk_prob", "found true, expected false in this architecture");
  }
  router.scale = fields.number("routed_scaling_factor", 1, 0, kHuge);
}

void read_v3_router(ConfigFields& fields, const ModelShape& shape, ExpertRouterConfig& router) {
  expect_text(fields, "scoring_func", "sigmoid");
  expect_text(fields, "topk_method", "noaux_tc");
  check_groups(fields, shape, 2);
  router.scoring = RouterScoring::kSigmoid;
  router.method = RouterMethod::kGroupLimitedBiased;
  router.normalizes = fields.boolean("norm_topk_prob", true);
  router.scale = fields.number("routed_scaling_factor", 1, 0, kHuge);
}

void read_router(ConfigFields& fields, const ModelShape& shape, ArchitectureConfig& config) {
  config.moe_layers.assign(static_cast<size_t>(shape.layers), false);
  if (!shape.is_moe()) return;
  const std::vector<bool> dense = read_dense_layers(fields, shape.layers);
  for (size_t i = 0; i < dense.size(); ++i) config.moe_layers[i] = !dense[i];
  switch (config.architecture) {
    case kDeepseekV2:
      return read_v2_router(fields, shape, config.router);
    case kDeepseekV3:
      return read_v3_router(fields, shape, config.router);
    default:
      config.router.normalizes = fields.boolean("norm_topk_prob", false);
  }
}

void read_quantization(ConfigFields& fields, ArchitectureConfig& config) {
  if (fields.has("quantization_config")) fields.fail("quantization_config", "expected a table");
  const std::string method_key = "quantization_config.quant_method";
  const std::string blocks_key = "quantization_config.weight_block_size";
  if (!fields.has(method_key)) {
    if (fields.has("quantization_config.quant_algo")) {
      fields.fail("quantization_config.quant_algo", "expected quant_method fp8 or nothing");
    }
    return;
  }
  expect_text(fields, method_key, "fp8");
  expect_text(fields, "quantization_config.fmt", "e4m3");
  const std::vector<int64_t> blocks = fields.integers(blocks_key);
  const auto is_usable = [](int64_t size) { return size >= 1 && size <= 1 << 20; };
  if (blocks.size() != 2 || !std::all_of(blocks.begin(), blocks.end(), is_usable)) {
    fields.fail(blocks_key, fmt::format("found {}, expected two sizes like [128, 128]",
                                        describe(FieldValue(blocks))));
    return;
  }
  config.fp8 = ScaleBlocks{static_cast<int>(blocks[0]), static_cast<int>(blocks[1])};
}

void read_tokens(ConfigFields& fields, const ModelShape& shape, ArchitectureConfig& config) {
  config.bos_token = fields.integer("bos_token_id", -1, 0, shape.vocab - 1);
  config.eos_tokens = fields.one_or_more("eos_token_id");
  for (const int64_t token : config.eos_tokens) {
    if (token >= 0 && token < shape.vocab) continue;
    fields.fail("eos_token_id",
                fmt::format("found {}, expected tokens below vocab_size {}", token, shape.vocab));
  }
}

// What would be absurd, and would overflow an int in those who multiply.
void check_products(ConfigFields& fields, const ModelShape& shape) {
  constexpr int64_t kMostWidth = int64_t{1} << 26;
  constexpr int64_t kMostExperts = int64_t{1} << 20;
  const int64_t head_width =
      std::max({shape.head_dim, shape.nope_dim + shape.rope_dim, shape.nope_dim + shape.v_dim});
  if (shape.heads * head_width > kMostWidth) {
    fields.fail("num_attention_heads",
                fmt::format("found {} of width {}, expected at most {} in all", shape.heads,
                            head_width, kMostWidth));
  }
  if (int64_t{shape.shared_experts} * shape.expert_ffn > kMostWidth) {
    fields.fail("n_shared_experts",
                fmt::format("found {} of width {}, expected at most {} in all",
                            shape.shared_experts, shape.expert_ffn, kMostWidth));
  }
  if (int64_t{shape.experts} * (shape.layers + shape.mtp_layers) > kMostExperts) {
    fields.fail("num_hidden_layers",
                fmt::format("found {} layers of {} experts, expected at most {} "
                            "experts in all",
                            shape.layers, shape.experts, kMostExperts));
  }
}

// Sizes that a config.json may give and this architecture cannot have.
void check_sizes(ConfigFields& fields, const ModelShape& shape, const Family& family) {
  const bool is_mla = shape.attention == AttentionKind::kMla;
  const int rope_dim = is_mla ? shape.rope_dim : shape.head_dim;
  if (rope_dim < 2 || rope_dim % 2 != 0) {
    fields.fail(is_mla ? "qk_rope_head_dim" : "head_dim",
                fmt::format("found {}, expected an even number for RoPE", rope_dim));
  }
  for (const AttentionGroup& group : shape.attention_groups) {
    if (group.window == 0) continue;
    fields.fail(fields.has("use_sliding_window") ? "use_sliding_window" : "sliding_window",
                "found sliding-window attention, expected attention to the whole context");
  }
  if (family.max_mtp > 0 && shape.mtp_layers > family.max_mtp) {
    fields.fail("num_nextn_predict_layers",
                fmt::format("found {}, expected at most {}", shape.mtp_layers, family.max_mtp));
  }
  if (shape.index_dim > 0) {
    fields.fail("index_head_dim", "found a sparse indexer, expected none in this architecture");
  }
}

void read_family(ConfigFields& fields, const Family& family, ArchitectureConfig& config) {
  config.architecture = family.architecture;
  config.qk_norm = family.qk_norm;
  config.o_bias = family.o_bias && config.qkv_bias;
  config.mlp_bias = fields.boolean("mlp_bias", false);
  if (config.mlp_bias && !family.mlp_bias) {
    fields.fail("mlp_bias", "found true, expected false in this architecture");
  }
  if (family.architecture == kQwen2 && !config.qkv_bias) {
    fields.fail("attention_bias", "found false, expected true in this architecture");
  }
  if (fields.boolean("use_qk_norm", family.qk_norm) != family.qk_norm) {
    fields.fail("use_qk_norm",
                fmt::format("found {}, expected {}", !family.qk_norm, family.qk_norm));
  }
  if (config.is_mla()) config.rope.is_interleaved = fields.boolean("rope_interleave", true);
}

}  // namespace

std::string_view architecture_name(Architecture architecture) {
  return kFamilies[static_cast<size_t>(architecture)].name;
}

std::vector<std::string> runnable_architectures() {
  std::vector<std::string> names;
  names.reserve(kFamilies.size());
  for (const Family& family : kFamilies) names.emplace_back(family.name);
  return names;
}

Status check_runs(std::string_view json, const std::string& name) {
  auto fields = fields_from_config_json(json, name);
  if (!fields) return fields.error();
  const auto architectures = fields->texts("architectures");
  if (!fields->error()) find_family(*fields, architectures.empty() ? "" : architectures.front());
  if (fields->error()) return *fields->error();
  return {};
}

Result<ArchitectureConfig> architecture_from_config_json(std::string_view json,
                                                         const std::string& name,
                                                         const ModelShape& shape) {
  auto read = fields_from_config_json(json, name);
  if (!read) return read.error();
  ConfigFields& fields = *read;
  const Family* family = find_family(fields, shape.architecture);
  if (family == nullptr) return *fields.error();
  ArchitectureConfig config;
  config.qkv_bias = shape.qkv_bias;
  config.tied_embeddings = shape.tied_embeddings;
  config.rms_norm_eps = fields.number("rms_norm_eps", 1e-6, 0, 1);
  read_family(fields, *family, config);
  expect_text(fields, "hidden_act", "silu");
  check_sizes(fields, shape, *family);
  check_products(fields, shape);
  read_rope(fields, shape, config.rope);
  read_router(fields, shape, config);
  read_quantization(fields, config);
  read_tokens(fields, shape, config);
  if (fields.error()) return *fields.error();
  return config;
}

double attention_scale(const ModelShape& shape, const ArchitectureConfig& config) {
  if (!config.is_mla()) return 1 / std::sqrt(static_cast<double>(shape.head_dim));
  const double magnitude = config.rope.softmax_magnitude;
  return magnitude * magnitude / std::sqrt(static_cast<double>(shape.nope_dim + shape.rope_dim));
}

}  // namespace weft
