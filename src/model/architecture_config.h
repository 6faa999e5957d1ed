// ArchitectureConfig: what a forward pass needs to know of a model beyond the sizes in ModelShape,
// from a Hugging Face config.json. Six architectures run; whatever else a config.json asks for
// that would change the result is refused by name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/shape.h"
#include "model/weight_rows.h"

namespace weft {

enum class Architecture { kLlama, kQwen2, kQwen3, kQwen3Moe, kDeepseekV2, kDeepseekV3 };

// "Qwen3MoeForCausalLM".
std::string_view architecture_name(Architecture architecture);
// All six, in the enum's order.
std::vector<std::string> runnable_architectures();

enum class RopeScaling {
  kNone,
  kLinear,  // positions divided by `factor`
  kLlama3,  // long wavelengths divided by `factor`, a ramp between (Llama 3.1)
  kYarn,    // YaRN (arXiv 2309.00071), with DeepSeek's mscale
};

struct RopeConfig {
  double theta = 10000;
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1;
  int original_context = 0;     // kLlama3, kYarn: context that the model was trained on first
  double low_freq_factor = 1;   // kLlama3
  double high_freq_factor = 4;  // kLlama3
  double beta_fast = 32;        // kYarn
  double beta_slow = 1;         // kYarn
  bool truncates = true;        // kYarn: the ramp's ends are rounded to whole dimensions
  // kYarn: cos and sin are multiplied by `magnitude`, and MLA's softmax scale by
  // `softmax_magnitude` squared. With m(s, k) = s > 1 ? 0.1 k ln s + 1 : 1:
  // magnitude = attention_factor if given, else m(factor, mscale) / m(factor, mscale_all_dim) if
  // both are given and not zero, else m(factor, 1); softmax_magnitude = m(factor, mscale_all_dim)
  // if that is given and not zero, else 1. Both are 1 for the other kinds.
  double magnitude = 1;
  double softmax_magnitude = 1;
  // DeepSeek: dimensions 2i and 2i + 1 of the stored projections turn together; else i and i +
  // half.
  bool is_interleaved = false;

  bool operator==(const RopeConfig&) const = default;
};

enum class RouterScoring { kSoftmax, kSigmoid };
enum class RouterMethod {
  kGreedy,             // the best experts
  kGroupLimited,       // V2 "group_limited_greedy": groups ranked by their best expert
  kGroupLimitedBiased  // V3 "noaux_tc": groups ranked by the sum of their best two scores + bias;
                       // experts chosen by score + bias, weighted by score alone
};

// Number of experts and groups, and how many a token uses: ModelShape.
struct ExpertRouterConfig {
  RouterScoring scoring = RouterScoring::kSoftmax;
  RouterMethod method = RouterMethod::kGreedy;
  bool normalizes = false;  // chosen weights are divided by their sum (V3: plus 1e-20)
  double scale = 1;         // then multiplied by this. V2 as published: not if `normalizes`

  bool operator==(const ExpertRouterConfig&) const = default;
};

struct ArchitectureConfig {
  Architecture architecture = Architecture::kLlama;
  double rms_norm_eps = 1e-6;
  RopeConfig rope;
  bool qkv_bias = false;  // kMla: of q_a_proj and kv_a_proj_with_mqa
  bool o_bias = false;
  bool mlp_bias = false;
  bool qk_norm = false;          // RMS norm of each head's query and key, before RoPE
  bool tied_embeddings = false;  // the head is the embedding table
  // One entry for each of ModelShape::layers: whether its FFN is a mixture of experts. MTP layers
  // are like the last one.
  std::vector<bool> moe_layers;
  ExpertRouterConfig router;
  // FP8 checkpoints (quantization_config): the blocks of the scales.
  std::optional<ScaleBlocks> fp8;
  int64_t bos_token = -1;  // -1: none
  std::vector<int64_t> eos_tokens;

  [[nodiscard]] bool is_mla() const { return architecture >= Architecture::kDeepseekV2; }
};

// Whether config.json (text) names an architecture that runs; many more have a ModelShape.
// kBadInput names it and lists those that do.
Status check_runs(std::string_view json, const std::string& name);

// Reads config.json (text); `shape` is what shape_from_config_json made of it. kBadInput "NAME:
// KEY: found ..., expected ...": an architecture that does not run (the known ones are listed), an
// activation but silu, a kind of RoPE, router, quantisation or a sliding window that is not
// understood. No product of heads and their width, nor the shared experts' whole width, is above
// 2^26, and no more than 2^20 routed experts stand in all layers.
Result<ArchitectureConfig> architecture_from_config_json(std::string_view json,
                                                         const std::string& name,
                                                         const ModelShape& shape);

// What softmax's argument is multiplied by: head_dim^-0.5, MLA: (nope + rope)^-0.5 x
// softmax_magnitude^2.
double attention_scale(const ModelShape& shape, const ArchitectureConfig& config);

}  // namespace weft
