// Coefficients of attention from the shape, and what a load makes of them.
#include "cost/attention_cost.h"

namespace weft {

struct AttentionCost::Scales {
  double attention = 0;   // seconds per operation, heads of one die
  double index = 0;       // seconds per operation of index scores
  double rows = 0;        // seconds per byte of the rows that one die reads
  double up = 0;          // seconds per operation of products, heads of one die
  double queries = 1;     // tokens that one decode sequence computes
  double selections = 1;  // times that a selected row is read in a decode step
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

// 8-bit index scores where the chip has them (V3.2's indexer runs in FP8).
double index_rate(const Rates& rates) {
  return std::max({rates.of(Format::kBf16), rates.of(Format::kFp8), rates.of(Format::kInt8)});
}

}  // namespace

AttentionCost::AttentionCost(const ModelShape& model, const InstanceLayout& layout,
                             const Rates& rates, double share, bool bound) {
  const double tp = layout.parallel.tp;
  const bool gqa = model.attention == AttentionKind::kGqa;
  const double heads = share / tp;
  Scales scales;
  scales.attention = heads / rates.attention;
  scales.index = share / layout.parallel.sp / index_rate(rates);
  scales.rows = share / rates.memory / (gqa ? std::min<double>(tp, model.kv_heads) : 1);
  scales.up = bound ? 0 : heads / rates.of(layout.precision.activations);
  scales.queries = 1 + layout.draft_tokens;
  scales.selections = bound ? 1 : scales.queries;
  scales.kv = layout.precision.kv;
  for (const AttentionGroup& group : model.attention_groups) add_group(model, group, scales);
  if (!bound) write_ = model.kv_bytes_per_token(scales.kv) * scales.rows;
  per_decode_key_ += std::max(index_.decode_compute, index_.decode_memory);
}

void AttentionCost::add_group(const ModelShape& model, const AttentionGroup& group,
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
    add_decode(window);
  }
  if (group.compression > 0) add_entries(model, group, scales);
  if (group.runs_indexer) add_index(model, group, scales);
}

void AttentionCost::add_entries(const ModelShape& model, const AttentionGroup& group,
                                const Scales& scales) {
  const bool latent = model.attention == AttentionKind::kMla;
  const double entries = static_cast<double>(group.layers) / group.compression;
  const double bytes = entries * model.kv_entry_bytes(scales.kv) * scales.rows;
  Part part;
  if (group.top_k > 0) part.limit = static_cast<double>(group.top_k) * group.compression;
  if (group.window > 0 && model.attention != AttentionKind::kCompressed) part.limit = group.window;
  const bool selects = group.top_k > 0;
  part.decode_compute = entries * decode_operations(model) * scales.attention * scales.queries;
  part.decode_memory = bytes * (selects ? scales.selections : 1);
  part.prefill_dense = entries * prefill_operations(model) * scales.attention;
  // Selected latent rows are attended absorbed: every head reads the row itself (V3.2).
  part.prefill_compute = latent && selects ? entries * decode_operations(model) * scales.attention
                                           : part.prefill_dense;
  part.prefill_memory = bytes;
  if (latent && !selects) {
    up_projection_ += group.layers * 2.0 * model.kv_lora * model.heads *
                      (model.nope_dim + model.v_dim) * scales.up;
  }
  add_decode(part);
}

void AttentionCost::add_index(const ModelShape& model, const AttentionGroup& group,
                              const Scales& scales) {
  const double entries = static_cast<double>(group.layers) / std::max(1, group.compression);
  const double operations = entries * 2.0 * model.index_heads * model.index_dim * scales.index;
  const double bytes = entries * model.index_entry_bytes(scales.kv) * scales.rows;
  index_.prefill_compute += operations;
  index_.prefill_memory += bytes;
  index_.decode_compute += operations * scales.queries;
  index_.decode_memory += bytes;
}

// Parts without a limit add up to one coefficient; equal limits share one.
void AttentionCost::add_decode(const Part& part) {
  parts_.push_back(part);
  const double per_key = std::max(part.decode_compute, part.decode_memory);
  if (part.limit == kUnlimited) {
    per_decode_key_ += per_key;
    return;
  }
  for (Limited& limited : decode_limits_) {
    if (limited.keys != part.limit) continue;
    limited.per_key += per_key;
    return;
  }
  decode_limits_.push_back({per_key, part.limit});
}

AttentionCost::Work AttentionCost::prefill(const RankLoad& load) const {
  const double tokens = static_cast<double>(load.prefill_tokens);
  const double earlier = static_cast<double>(load.prefill_context);
  Work work{up_projection_ * earlier, write_ * tokens};
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

AttentionCost::Work AttentionCost::decode(const RankLoad& load) const {
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

AttentionCost::Work AttentionCost::prefill_index(const RankLoad& load) const {
  const double keys = static_cast<double>(load.prefill_context + load.prefill_tokens);
  return {index_.prefill_compute * load.prefill_products, index_.prefill_memory * keys};
}

AttentionCost::Work AttentionCost::decode_index(const RankLoad& load) const {
  const double keys = static_cast<double>(load.decode_context);
  return {index_.decode_compute * keys, index_.decode_memory * keys};
}

double AttentionCost::index_seconds(const RankLoad& load) const {
  const Work prefilling = prefill_index(load);
  const Work decoding = decode_index(load);
  return std::max(prefilling.compute, prefilling.memory) +
         std::max(decoding.compute, decoding.memory);
}

double AttentionCost::prefill_seconds(const RankLoad& load) const {
  const Work attention = prefill(load);
  const Work index = prefill_index(load);
  return std::max(attention.compute, attention.memory) + std::max(index.compute, index.memory);
}

}  // namespace weft
