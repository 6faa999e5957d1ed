// Coefficients of attention from the shape, and what a load makes of them.
#include "cost/attention_bound.h"

#include <algorithm>

namespace weft {

struct AttentionBound::Scales {
  double attention = 0;  // seconds per operation, heads of one die
  double index = 0;      // seconds per operation of index scores
  double rows = 0;       // seconds per byte of the rows that one die reads
  double queries = 1;    // tokens that one decode sequence computes
  Format kv = Format::kBf16;
};

namespace {

// Operations of one query and one key over all heads, as prefill computes them.
double prefill_operations(const ModelShape& m) {
  if (m.attention == AttentionKind::kMla) {
    return 2.0 * m.heads * (m.nope_dim + m.rope_dim + m.v_dim);
  }
  return 4.0 * m.heads * m.head_dim;
}

double decode_operations(const ModelShape& m) {
  if (m.attention == AttentionKind::kMla) return 2.0 * m.heads * (2.0 * m.kv_lora + m.rope_dim);
  return 4.0 * m.heads * m.head_dim;
}

// Attention may compute in KV's own format where the chip can, index scores in 8 bits.
AttentionBound::Peaks peaks_of(const Chip& chip, Format kv) {
  const double bf16 = chip.ops(Format::kBf16);
  return {std::max(bf16, chip.ops(kv)),
          std::max({bf16, chip.ops(Format::kFp8), chip.ops(Format::kInt8)}), chip.memory_bandwidth};
}

}  // namespace

AttentionBound::AttentionBound(const ModelShape& model, const Chip& chip,
                               const InstanceLayout& layout)
    : AttentionBound(model, layout, peaks_of(chip, layout.precision.kv)) {}

AttentionBound::AttentionBound(const ModelShape& model, const InstanceLayout& layout,
                               const Peaks& peaks) {
  const double tp = layout.parallel.tp;
  const double share = 1.0 / layout.parallel.pp;
  const bool gqa = model.attention == AttentionKind::kGqa;
  Scales scales;
  scales.attention = share / tp / peaks.attention;
  scales.index = share / layout.parallel.sp / peaks.index;
  scales.rows = share / peaks.memory / (gqa ? std::min<double>(tp, model.kv_heads) : 1);
  scales.queries = 1 + layout.draft_tokens;
  scales.kv = layout.precision.kv;
  for (const AttentionGroup& group : model.attention_groups) add_group(model, group, scales);
}

void AttentionBound::add_group(const ModelShape& model, const AttentionGroup& group,
                               const Scales& scales) {
  if (model.attention == AttentionKind::kCompressed && group.window > 0) {
    Part window;
    window.limit = group.window;
    const double operations = group.layers * decode_operations(model) * scales.attention;
    const double bytes = group.layers * model.kv_entry_bytes(scales.kv) * scales.rows;
    window.decode_compute = operations * scales.queries;
    window.decode_memory = bytes;
    window.prefill_compute = window.prefill_dense = operations;
    window.prefill_memory = bytes;
    parts_.push_back(window);
  }
  if (group.compression > 0) add_entries(model, group, scales);
  if (group.runs_indexer) add_index(model, group, scales);
}

void AttentionBound::add_entries(const ModelShape& model, const AttentionGroup& group,
                                 const Scales& scales) {
  const bool latent = model.attention == AttentionKind::kMla;
  const double entries = static_cast<double>(group.layers) / group.compression;
  const double bytes = entries * model.kv_entry_bytes(scales.kv) * scales.rows;
  Part part;
  if (group.top_k > 0) part.limit = static_cast<double>(group.top_k) * group.compression;
  if (group.window > 0 && model.attention != AttentionKind::kCompressed) part.limit = group.window;
  part.decode_compute = entries * decode_operations(model) * scales.attention * scales.queries;
  part.decode_memory = bytes;
  part.prefill_dense = entries * prefill_operations(model) * scales.attention;
  // Selected latent rows are attended absorbed: every head reads the row itself (V3.2).
  part.prefill_compute = latent && group.top_k > 0
                             ? entries * decode_operations(model) * scales.attention
                             : part.prefill_dense;
  part.prefill_memory = bytes;
  parts_.push_back(part);
}

void AttentionBound::add_index(const ModelShape& model, const AttentionGroup& group,
                               const Scales& scales) {
  const double entries = static_cast<double>(group.layers) / std::max(1, group.compression);
  const double operations = entries * 2.0 * model.index_heads * model.index_dim * scales.index;
  const double bytes = entries * model.index_entry_bytes(scales.kv) * scales.rows;
  index_.prefill_compute += operations;
  index_.prefill_memory += bytes;
  index_.decode_compute += operations * scales.queries;
  index_.decode_memory += bytes;
}

AttentionBound::Work AttentionBound::prefill(const RankLoad& load) const {
  const double tokens = static_cast<double>(load.prefill_tokens);
  const double earlier = static_cast<double>(load.prefill_context);
  Work work;
  for (const Part& part : parts_) {
    const bool all = part.limit == kUnlimited;
    const double pairs =
        all ? load.prefill_products : std::min(load.prefill_products, part.limit * tokens);
    const double keys = all ? earlier : std::min(earlier, part.limit * load.prefill_sequences);
    work.compute +=
        std::min(part.prefill_compute * pairs, part.prefill_dense * load.prefill_products);
    work.memory += part.prefill_memory * keys;
  }
  return work;
}

AttentionBound::Work AttentionBound::decode(const RankLoad& load) const {
  const double context = static_cast<double>(load.decode_context);
  Work work;
  for (const Part& part : parts_) {
    const double keys =
        part.limit == kUnlimited ? context : std::min(context, part.limit * load.decode_sequences);
    work.compute += part.decode_compute * keys;
    work.memory += part.decode_memory * keys;
  }
  return work;
}

AttentionBound::Work AttentionBound::prefill_index(const RankLoad& load) const {
  const double keys = static_cast<double>(load.prefill_context + load.prefill_tokens);
  return {index_.prefill_compute * load.prefill_products, index_.prefill_memory * keys};
}

AttentionBound::Work AttentionBound::decode_index(const RankLoad& load) const {
  const double keys = static_cast<double>(load.decode_context);
  return {index_.decode_compute * keys, index_.decode_memory * keys};
}

AttentionBound::Work AttentionBound::work(const RankLoad& load) const {
  Work sum;
  const auto add = [&sum](Work more) {
    sum.compute += more.compute;
    sum.memory += more.memory;
  };
  add(decode(load));
  add(decode_index(load));
  if (load.prefill_tokens > 0) {
    add(prefill(load));
    add(prefill_index(load));
  }
  return sum;
}

}  // namespace weft
