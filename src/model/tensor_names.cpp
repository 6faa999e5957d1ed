// Names and shapes of a checkpoint's tensors, laid out layer by layer.
#include "model/tensor_names.h"

#include <fmt/format.h>

namespace weft {
namespace {

using enum TensorRole;

class TensorList {
 public:
  TensorList(const ModelShape& shape, const ArchitectureConfig& config)
      : shape_(shape), config_(config) {}

  void add(const std::string& name, std::vector<int64_t> shape, TensorRole role,
           bool is_optional = false) {
    specs_.push_back({name, std::move(shape), role, is_optional});
  }
  void add_norm(const std::string& name, int64_t width) { add(name + ".weight", {width}, kNorm); }
  void add_linear(const std::string& name, int64_t out, int64_t in, bool has_bias = false) {
    add(name + ".weight", {out, in}, kProjection);
    if (has_bias) add(name + ".bias", {out}, kBias);
  }

  void add_gqa(const std::string& attention) {
    const int64_t queries = int64_t{shape_.heads} * shape_.head_dim;
    const int64_t keys = int64_t{shape_.kv_heads} * shape_.head_dim;
    add_linear(attention + "q_proj", queries, shape_.hidden, config_.qkv_bias);
    add_linear(attention + "k_proj", keys, shape_.hidden, config_.qkv_bias);
    add_linear(attention + "v_proj", keys, shape_.hidden, config_.qkv_bias);
    add_linear(attention + "o_proj", shape_.hidden, queries, config_.o_bias);
    if (!config_.qk_norm) return;
    add_norm(attention + "q_norm", shape_.head_dim);
    add_norm(attention + "k_norm", shape_.head_dim);
  }

  void add_mla(const std::string& attention) {
    const int64_t queries = int64_t{shape_.heads} * (shape_.nope_dim + shape_.rope_dim);
    if (shape_.q_lora > 0) {
      add_linear(attention + "q_a_proj", shape_.q_lora, shape_.hidden, config_.qkv_bias);
      add_norm(attention + "q_a_layernorm", shape_.q_lora);
      add_linear(attention + "q_b_proj", queries, shape_.q_lora);
    } else {
      add_linear(attention + "q_proj", queries, shape_.hidden);
    }
    add_linear(attention + "kv_a_proj_with_mqa", shape_.kv_lora + shape_.rope_dim, shape_.hidden,
               config_.qkv_bias);
    add_norm(attention + "kv_a_layernorm", shape_.kv_lora);
    add_linear(attention + "kv_b_proj", int64_t{shape_.heads} * (shape_.nope_dim + shape_.v_dim),
               shape_.kv_lora);
    add_linear(attention + "o_proj", shape_.hidden, int64_t{shape_.heads} * shape_.v_dim,
               config_.o_bias);
  }

  void add_mlp(const std::string& mlp, int64_t width, bool has_bias) {
    add_linear(mlp + "gate_proj", width, shape_.hidden, has_bias);
    add_linear(mlp + "up_proj", width, shape_.hidden, has_bias);
    add_linear(mlp + "down_proj", shape_.hidden, width, has_bias);
  }

  void add_experts(const std::string& mlp) {
    add(mlp + "gate.weight", {shape_.experts, shape_.hidden}, kRouter);
    if (config_.router.method == RouterMethod::kGroupLimitedBiased) {
      add(mlp + "gate.e_score_correction_bias", {shape_.experts}, kRouterBias);
    }
    for (int i = 0; i < shape_.experts; ++i) {
      add_mlp(fmt::format("{}experts.{}.", mlp, i), shape_.expert_ffn, false);
    }
    if (shape_.shared_experts > 0) {
      add_mlp(mlp + "shared_experts.", int64_t{shape_.shared_experts} * shape_.expert_ffn, false);
    }
  }

  void add_layer(const std::string& layer, bool is_moe) {
    add_norm(layer + "input_layernorm", shape_.hidden);
    if (config_.is_mla()) {
      add_mla(layer + "self_attn.");
    } else {
      add_gqa(layer + "self_attn.");
    }
    add_norm(layer + "post_attention_layernorm", shape_.hidden);
    if (is_moe) {
      add_experts(layer + "mlp.");
    } else {
      add_mlp(layer + "mlp.", shape_.dense_ffn, config_.mlp_bias);
    }
  }

  // DeepSeek-V3, section 2.2: two norms and a projection before a layer like the last, a norm
  // and the model's own head after it.
  void add_mtp(const std::string& layer) {
    add(layer + "embed_tokens.weight", {shape_.vocab, shape_.hidden}, kEmbedding, true);
    add_norm(layer + "enorm", shape_.hidden);
    add_norm(layer + "hnorm", shape_.hidden);
    add(layer + "eh_proj.weight", {shape_.hidden, int64_t{2} * shape_.hidden}, kMtpProjection);
    add_layer(layer, config_.moe_layers.back());
    add_norm(layer + "shared_head.norm", shape_.hidden);
    add(layer + "shared_head.head.weight", {shape_.vocab, shape_.hidden}, kHead, true);
  }

  std::vector<TensorSpec> take() { return std::move(specs_); }

 private:
  const ModelShape& shape_;
  const ArchitectureConfig& config_;
  std::vector<TensorSpec> specs_;
};

}  // namespace

std::vector<TensorSpec> expected_tensors(const ModelShape& shape,
                                         const ArchitectureConfig& config) {
  TensorList list(shape, config);
  list.add("model.embed_tokens.weight", {shape.vocab, shape.hidden}, kEmbedding);
  for (int i = 0; i < shape.layers; ++i) {
    list.add_layer(fmt::format("model.layers.{}.", i), config.moe_layers[static_cast<size_t>(i)]);
  }
  if (config.architecture == Architecture::kDeepseekV3) {
    for (int i = 0; i < shape.mtp_layers; ++i) {
      list.add_mtp(fmt::format("model.layers.{}.", shape.layers + i));
    }
  }
  list.add_norm("model.norm", shape.hidden);
  if (!config.tied_embeddings) {
    list.add("lm_head.weight", {shape.vocab, shape.hidden}, kHead);
  }
  return list.take();
}

std::string scale_name(const std::string& name) { return name + "_scale_inv"; }

}  // namespace weft
