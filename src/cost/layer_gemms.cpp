// Shapes of the products, from the model's and the layout's numbers.
#include "cost/layer_gemms.h"

#include <algorithm>
#include <cmath>

namespace weft {
namespace {

using Rows = LayerGemm::Rows;

// Collects products that share formats.
class Gemms {
 public:
  Gemms(const InstanceLayout& layout, Format weights)
      : weights_(weights), activations_(layout.precision.activations) {}

  LayerGemm& add(std::string_view term, double count, double n, double k) {
    LayerGemm gemm;
    gemm.term = term;
    gemm.count = count;
    gemm.n = std::llround(n);
    gemm.k = std::llround(k);
    gemm.weights = weights_;
    gemm.activations = activations_;
    return list.emplace_back(gemm);
  }
  std::vector<LayerGemm> list;

 private:
  Format weights_;
  Format activations_;
};

// What attention_parameters() counts beyond the products named one by one.
void add_rest(Gemms& gemms, const ModelShape& model, const AttentionGroup& group, double share) {
  double named = 0;
  for (const LayerGemm& gemm : gemms.list) {
    if (gemm.rows != Rows::kDecodeTokens) named += gemm.parameters();
  }
  const double rest = model.attention_parameters(group) - named;
  if (rest < 1) return;
  gemms.add("attention projections", 1, rest / model.hidden, model.hidden).rows_share = share;
}

std::vector<LayerGemm> gqa_gemms(const ModelShape& model, const InstanceLayout& layout,
                                 const Sharding& sharding) {
  const bool spread = layout.parallel.sp > 1;
  const double tp = spread ? 1 : sharding.tp;
  const double heads = std::max(1.0, model.heads / tp);
  const double kv_heads = std::max(1.0, model.kv_heads / tp);
  Gemms gemms(layout, sharding.attention_format);
  gemms.add("attention projections", 1, (heads + 2 * kv_heads) * model.head_dim, model.hidden);
  gemms.add("attention projections", 1, model.hidden, heads * model.head_dim);
  for (LayerGemm& gemm : gemms.list) gemm.rows_share = sharding.sequence_share;
  return gemms.list;
}

std::vector<LayerGemm> mla_gemms(const ModelShape& model, const AttentionGroup& group,
                                 const InstanceLayout& layout, const Sharding& sharding) {
  const double tp = sharding.tp;
  const double own = sharding.sequence_share;
  const bool spread = layout.parallel.sp > 1;
  const double row = model.kv_lora + model.rope_dim;
  const double query = query_width(model);
  Gemms whole(layout,
              sharding.attention_format);  // as if one die did everything: what is left over shows
  whole.add("", 1, model.q_lora + row, model.hidden);
  whole.add("", 1, query, model.q_lora > 0 ? model.q_lora : model.hidden);
  whole.add("", 1, static_cast<double>(model.heads) * (model.nope_dim + model.v_dim),
            model.kv_lora);
  whole.add("", 1, model.hidden, output_width(model));
  const size_t named = whole.list.size();
  add_rest(whole, model, group, own);

  Gemms gemms(layout, sharding.attention_format);
  const std::string_view term = "attention projections";
  gemms.add(term, 1, model.q_lora + row, model.hidden).rows_share = own;
  gemms.add(term, 1, query / tp, model.q_lora > 0 ? model.q_lora : model.hidden);
  const double heads = std::max(1.0, model.heads / tp);
  gemms.add(term, 1, heads * (model.nope_dim + model.v_dim), model.kv_lora).rows =
      Rows::kPrefillTokens;
  for (const auto& [n, k] :
       {std::pair(model.kv_lora, model.nope_dim), std::pair(model.v_dim, model.kv_lora)}) {
    LayerGemm& absorbed = gemms.add(term, 1, n, k);
    absorbed.rows = Rows::kDecodeTokens;
    absorbed.groups = static_cast<int>(heads);
    absorbed.weights = absorbed.activations = Format::kBf16;  // kept so: batched by head
  }
  LayerGemm& out = gemms.add(term, 1, model.hidden, output_width(model) / (spread ? 1 : tp));
  if (spread) out.rows_share = own;
  gemms.list.insert(gemms.list.end(), whole.list.begin() + static_cast<std::ptrdiff_t>(named),
                    whole.list.end());
  return gemms.list;
}

// V4 and what may come: parameters by where they lie.
std::vector<LayerGemm> other_gemms(const ModelShape& model, const AttentionGroup& group,
                                   const InstanceLayout& layout, const Sharding& sharding) {
  const AttentionWeights weights = attention_weights(model, group, layout);
  Gemms gemms(layout, sharding.attention_format);
  gemms.add("attention projections", 1, weights.whole / model.hidden, model.hidden).rows_share =
      sharding.sequence_share;
  gemms.add("attention projections", 1, weights.split / model.hidden, model.hidden);
  return gemms.list;
}

std::vector<LayerGemm> ffn_gemms(std::string_view term, double count, double hidden, double ffn,
                                 const InstanceLayout& layout, const Sharding& sharding) {
  Gemms gemms(layout, sharding.layer_format);
  gemms.add(term, count, 2 * ffn, hidden);
  gemms.add(term, count, hidden, ffn);
  return gemms.list;
}

}  // namespace

std::vector<LayerGemm> attention_gemms(const ModelShape& model, const InstanceLayout& layout,
                                       const Sharding& sharding) {
  std::vector<LayerGemm> out;
  for (const AttentionGroup& group : model.attention_groups) {
    std::vector<LayerGemm> layer;
    if (model.attention == AttentionKind::kGqa) layer = gqa_gemms(model, layout, sharding);
    if (model.attention == AttentionKind::kMla) layer = mla_gemms(model, group, layout, sharding);
    if (layer.empty()) layer = other_gemms(model, group, layout, sharding);
    for (LayerGemm& gemm : layer) {
      gemm.count = group.layers;
      if (gemm.n > 0 && gemm.k > 0) out.push_back(gemm);
    }
  }
  return out;
}

std::vector<LayerGemm> dense_ffn_gemms(const ModelShape& model, const InstanceLayout& layout,
                                       const Sharding& sharding) {
  const int layers = model.is_moe() ? model.dense_layers : model.layers;
  if (layers == 0) return {};
  const double ffn = static_cast<double>(model.dense_ffn) / sharding.tp;
  return ffn_gemms("dense ffn", layers, model.hidden, ffn, layout, sharding);
}

std::vector<LayerGemm> moe_gemms(const ModelShape& model, const InstanceLayout& layout,
                                 const Sharding& sharding) {
  if (!model.is_moe() || model.moe_layers() == 0) return {};
  Gemms router(layout, sharding.layer_format);
  LayerGemm& gate = router.add("router", model.moe_layers(), model.experts, model.hidden);
  gate.weights = gate.activations = Format::kBf16;
  gate.rows_share = sharding.sequence_share;
  std::vector<LayerGemm> out = router.list;
  if (model.shared_experts == 0 || sharding.shared_only_dies > 0) return out;
  // Under SP every die has the whole expert and its own tokens; under TP a slice and all tokens.
  const double slice = layout.parallel.sp > 1 ? 1 : 1.0 / sharding.tp;
  const double ffn = static_cast<double>(model.shared_experts) * model.expert_ffn * slice;
  for (LayerGemm& gemm :
       ffn_gemms("shared experts", model.moe_layers(), model.hidden, ffn, layout, sharding)) {
    gemm.rows_share = sharding.sequence_share;
    out.push_back(gemm);
  }
  return out;
}

LayerGemm head_gemm(const ModelShape& model, const InstanceLayout& layout,
                    const Sharding& sharding) {
  LayerGemm head;
  if (layout.precision.head) {
    head.weights = *layout.precision.head;
    head.activations = layout.precision.activations;
  }
  head.term = "head";
  head.n = std::llround(static_cast<double>(model.vocab) / sharding.tp);
  head.k = model.hidden;
  return head;
}

LayerGemm draft_gemm(const ModelShape& model, const InstanceLayout& layout,
                     const Sharding& sharding) {
  LayerGemm projection;
  projection.term = "multi-token prediction";
  projection.n = model.hidden;
  projection.k = 2 * static_cast<int64_t>(model.hidden);
  projection.weights = sharding.layer_format;
  projection.activations = layout.precision.activations;
  return projection;
}

}  // namespace weft
