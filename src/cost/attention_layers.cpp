// Kernels of every group of layers, and what a load makes of them.
#include "cost/attention_layers.h"

namespace weft {

struct AttentionLayers::Builder {
  const ModelShape& model;
  const AttentionConstants& constants;
  const Chip& chip;
  double tp;
  double tokens;  // of a decode sequence
  Format kv;
  bool open_kernels;

  // 8 bits are FP8 where the chip has it, else INT8.
  template <class Fit>
  [[nodiscard]] AttentionPeaks peaks(const Fit& fit) const {
    const Format eight = chip.ops(Format::kFp8) > 0 ? Format::kFp8 : Format::kInt8;
    AttentionPeaks peaks =
        AttentionPeaks::of(chip, chip.cores, fit.eight_bit_math ? eight : Format::kBf16);
    peaks.operations *= chip.sustained;
    return peaks;
  }

  [[nodiscard]] double heads() const { return std::max(1.0, model.heads / tp); }

  // Attention to whole heads' keys and values.
  [[nodiscard]] AttentionShape gqa_shape(const AttentionGroup& group) const {
    AttentionShape shape;
    shape.query_heads = heads();
    shape.kv_heads = std::max(1.0, model.kv_heads / tp);
    shape.qk_dim = shape.v_dim = model.head_dim;
    shape.row_bytes = model.kv_entry_bytes(kv) / model.kv_heads;
    if (group.top_k > 0) shape.limit = group.top_k;
    if (group.window > 0) shape.limit = group.window + AttentionShape::kWindowTile;
    return shape;
  }
  // Every head reads the one row of a token, or of an entry.
  [[nodiscard]] AttentionShape row_shape(double qk, double v, double limit) const {
    AttentionShape shape;
    shape.query_heads = heads();
    shape.kv_heads = 1;
    shape.qk_dim = qk;
    shape.v_dim = v;
    shape.row_bytes = model.kv_entry_bytes(kv);
    shape.limit = limit;
    shape.shares_tile = true;
    return shape;
  }
  [[nodiscard]] AttentionShape unabsorbed_shape() const {
    AttentionShape shape;
    shape.query_heads = shape.kv_heads = heads();
    shape.qk_dim = model.nope_dim + model.rope_dim;
    shape.v_dim = model.v_dim;
    shape.row_bytes = (shape.qk_dim + shape.v_dim) * 2;
    return shape;
  }
  [[nodiscard]] AttentionShape index_shape() const {
    AttentionShape shape;
    shape.query_heads = model.index_heads;
    shape.qk_dim = model.index_dim;
    shape.v_dim = 0;
    shape.row_bytes = model.index_entry_bytes(kv);
    return shape;
  }

  void set(Kernel& kernel, const AttentionShape& prefill, PrefillKernel prefill_kernel,
           const AttentionShape& decode, DecodeKernel decode_kernel) const {
    kernel.prefill_fit = constants.prefill(prefill_kernel, kv);
    kernel.decode_fit = constants.decode(decode_kernel, kv);
    if (open_kernels) kernel.decode_fit.constants.outside_window = 0;
    kernel.prefill =
        AttentionPrefillPlan(prefill, kernel.prefill_fit.constants, peaks(kernel.prefill_fit));
    kernel.decode =
        AttentionDecodePlan(decode, tokens, kernel.decode_fit.constants, peaks(kernel.decode_fit));
  }
  // TensorRT-LLM has no kernel for more than 32 query heads on a KV head.
  [[nodiscard]] DecodeKernel decode_kernel(const AttentionShape& shape) const {
    constexpr int kWideHead = 128;
    constexpr double kUsualGroup = 16;
    constexpr double kMostGroup = 32;
    if (model.kv_heads == model.heads) return DecodeKernel::kMha;
    const double grouped = shape.query_heads / shape.kv_heads;
    if (grouped > kMostGroup && !open_kernels) return DecodeKernel::kByHead;
    if (model.head_dim < kWideHead) return DecodeKernel::kGqaNarrow;
    return grouped > kUsualGroup ? DecodeKernel::kGqaWide : DecodeKernel::kGqa;
  }
  Kernel gqa(const AttentionGroup& group) const {
    Kernel kernel;
    const AttentionShape shape = gqa_shape(group);
    set(kernel, shape, PrefillKernel::kGqa, shape, decode_kernel(shape));
    if (!kernel.decode_fit.constants.few_by_head || open_kernels || tokens > 1) return kernel;
    const AttentionConstants::Decode& few = constants.decode(DecodeKernel::kByHead, kv);
    kernel.few = AttentionDecodePlan(shape, tokens, few.constants, peaks(few));
    kernel.fewest = chip.cores / (AttentionLayers::kCoresPerBlock * shape.kv_heads);
    return kernel;
  }
  Kernel mla(const AttentionGroup& group) const {
    const double qk = model.kv_lora + model.rope_dim;
    Kernel kernel;
    if (group.top_k == 0) {
      set(kernel, unabsorbed_shape(), PrefillKernel::kMla,
          row_shape(qk, model.kv_lora, AttentionShape::kUnlimited), DecodeKernel::kMla);
      return kernel;
    }
    const AttentionShape selected = row_shape(qk, model.kv_lora, group.top_k);
    set(kernel, selected, PrefillKernel::kSparse, selected, DecodeKernel::kSparse);
    kernel.has_dense = true;
    const AttentionConstants::Prefill& dense = constants.prefill(PrefillKernel::kMla, kv);
    kernel.dense = AttentionPrefillPlan(unabsorbed_shape(), dense.constants, peaks(dense));
    return kernel;
  }
  // V4: rows of head_dim that are key and value at once.
  Kernel rows(double limit) const {
    Kernel kernel;
    const AttentionShape shape = row_shape(model.head_dim, model.head_dim, limit);
    set(kernel, shape, PrefillKernel::kMlaAbsorbed, shape, DecodeKernel::kMla);
    return kernel;
  }
  Kernel index() const {
    Kernel kernel;
    kernel.index = true;
    set(kernel, index_shape(), PrefillKernel::kIndex, index_shape(), DecodeKernel::kIndex);
    return kernel;
  }
};

AttentionLayers::AttentionLayers(const ModelShape& model, const System& system,
                                 const InstanceLayout& layout, bool open_kernels) {
  const Builder builder{model,
                        system.chip.kernels.attention,
                        system.chip,
                        static_cast<double>(layout.parallel.tp),
                        1.0 + layout.draft_tokens,
                        layout.precision.kv,
                        open_kernels};
  const auto add = [&](const AttentionGroup& group, double keys, Kernel kernel) {
    kernel.layers = group.layers;
    kernel.keys = keys;
    kernels_.push_back(kernel);
  };
  for (const AttentionGroup& group : model.attention_groups) {
    const double entries = 1.0 / std::max(1, group.compression);
    if (group.runs_indexer) add(group, entries, builder.index());
    if (model.attention == AttentionKind::kGqa) {
      add(group, 1, builder.gqa(group));
      continue;
    }
    if (model.attention == AttentionKind::kMla) {
      add(group, 1, builder.mla(group));
      continue;
    }
    if (group.window > 0) add(group, 1, builder.rows(group.window));
    if (group.compression == 0) continue;
    const double limit = group.top_k > 0 ? group.top_k : AttentionShape::kUnlimited;
    add(group, entries, builder.rows(limit));
  }
}

AttentionLayers::Parts AttentionLayers::parts(const RankLoad& load, double share) const {
  Parts parts;
  const double sequences = load.decode_sequences * share;
  const double context = static_cast<double>(load.decode_context) * share;
  for (const Kernel& kernel : kernels_) {
    double& decode = kernel.index ? parts.index : parts.decode;
    double& prefill = kernel.index ? parts.index : parts.prefill;
    decode += kernel.layers * kernel.decode_seconds(sequences, context * kernel.keys);
    if (load.prefill_tokens <= 0) continue;
    double seconds = kernel.prefill.seconds(AttentionChunks::of(load, share, kernel.keys));
    if (kernel.has_dense) {
      seconds = std::min(seconds, kernel.dense.seconds(AttentionChunks::of(load, share)));
    }
    prefill += kernel.layers * seconds;
  }
  return parts;
}

bool AttentionLayers::covers(const RankLoad& load) const {
  for (const Kernel& kernel : kernels_) {
    if (load.decode_sequences > 0) {
      const double keys = static_cast<double>(load.decode_context) / load.decode_sequences;
      if (!kernel.decode_fit.covers(load.decode_sequences, keys * kernel.keys)) return false;
    }
    if (load.prefill_tokens > 0) {
      const double chunks = std::max(1, load.prefill_sequences);
      const double keys = static_cast<double>(load.prefill_tokens + load.prefill_context) / chunks;
      if (!kernel.prefill_fit.covers(chunks, keys * kernel.keys)) return false;
    }
  }
  return true;
}

}  // namespace weft
