// Where weights, experts and tokens lie under a layout.
#include "cost/sharding.h"

#include <algorithm>

namespace weft {
namespace {

bool four_bit(Format format) { return format == Format::kInt4 || format == Format::kFp4; }

// The published format of the layers beside the experts, or the nearest that the chip computes.
Format layer_format_of(const ModelShape& model, const Chip& chip, const Precision& precision) {
  if (!model.is_moe() || !four_bit(precision.weights)) return precision.weights;
  const Format native = model.native_weights;
  if (native == Format::kBf16 || four_bit(native)) return Format::kBf16;
  if (chip.ops(native) > 0) return native;
  return precision.activations == Format::kInt8 ? Format::kInt8 : Format::kBf16;
}

}  // namespace

Sharding::Sharding(const ModelShape& model, const Chip& chip, const InstanceLayout& layout)
    : tp(layout.parallel.tp),
      ep(layout.parallel.ep),
      stage_dies(layout.parallel.dp * layout.parallel.tp),
      group_ranks(std::max(1, ep / tp)),
      groups(layout.parallel.dp / group_ranks),
      expert_split(std::max(1, tp / ep)),
      sequence_share(1.0 / layout.parallel.sp),
      expert_format(layout.precision.weights),
      layer_format(layer_format_of(model, chip, layout.precision)),
      attention_format(layout.precision.attention.value_or(layer_format)) {
  if (!model.is_moe()) return;
  const int copies = model.experts + layout.redundant_experts;
  shared_only_dies = std::max(0, ep - copies);
  expert_slots = static_cast<double>(copies) / (ep - shared_only_dies);
  exchanges = ep > 1 && (group_ranks > 1 || layout.parallel.sp > 1);
}

int Sharding::copies_per_token(const ModelShape& model) const {
  return model.experts_per_token + (shared_only_dies > 0 ? model.shared_experts : 0);
}

AttentionWeights attention_weights(const ModelShape& model, const AttentionGroup& group,
                                   const InstanceLayout& layout) {
  const double total = model.attention_parameters(group);
  const double hidden = model.hidden;
  const double tp = layout.parallel.tp;
  const bool spread = layout.parallel.sp > 1;
  if (model.attention == AttentionKind::kGqa) {
    if (spread) return {total, 0};
    const double keys = 2 * hidden * model.kv_heads * model.head_dim;
    return {0, (total - keys) / tp + keys / std::min<double>(tp, model.kv_heads)};
  }
  const double queries = (model.q_lora > 0 ? model.q_lora : hidden) * query_width(model);
  const bool latent = model.attention == AttentionKind::kMla;
  const double key_values =
      latent ? static_cast<double>(model.kv_lora) * model.heads * (model.nope_dim + model.v_dim)
             : 0;
  const double out = model.o_lora > 0
                         ? model.o_lora * (output_width(model) + model.o_groups * hidden)
                         : output_width(model) * hidden;
  const double split = queries + key_values + (spread ? 0 : out);
  return {total - split, split / tp};
}

double query_width(const ModelShape& model) {
  const int width =
      model.attention == AttentionKind::kMla ? model.nope_dim + model.rope_dim : model.head_dim;
  return static_cast<double>(model.heads) * width;
}

double output_width(const ModelShape& model) {
  const int width = model.attention == AttentionKind::kMla ? model.v_dim : model.head_dim;
  return static_cast<double>(model.heads) * width;
}

double dispatch_bytes(const ModelShape& model, Format activations) {
  constexpr double kScaleSlot = 512;
  const double row = model.hidden * bytes_per_value(activations);
  const bool scaled = activations == Format::kInt8 || activations == Format::kFp8;
  return scaled ? row + kScaleSlot : row;
}

double combine_bytes(const ModelShape& model) {
  return model.hidden * bytes_per_value(Format::kBf16);
}

Format product_format(Format weights, Format activations) {
  const bool wider = bytes_per_value(weights) > bytes_per_value(activations);
  return wider ? Format::kBf16 : activations;
}

}  // namespace weft
