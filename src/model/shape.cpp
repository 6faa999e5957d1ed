// Parameters and KV bytes, counted from a model's shape.
#include "model/shape.h"

#include <cmath>

namespace weft {
namespace {

double product(double a, double b) { return a * b; }

// DeepSeek-V3.2 (and V4, whose index keys come from a small compressor of their own).
double indexer_parameters(const ModelShape& m) {
  const double query_width = m.q_lora > 0 ? m.q_lora : m.hidden;
  const double queries = query_width * m.index_heads * m.index_dim;
  const double head_weights = product(m.hidden, m.index_heads);
  const double keys = product(m.hidden, m.index_dim);
  // V4: value and gate matrices of the index keys' compressor, twice as wide (overlapping windows).
  return queries + head_weights + (m.attention == AttentionKind::kCompressed ? 4 * keys : keys);
}

double gqa_parameters(const ModelShape& m) {
  return 2.0 * m.hidden * m.head_dim * (m.heads + m.kv_heads);
}

double mla_parameters(const ModelShape& m) {
  const double query = product(m.heads, m.nope_dim + m.rope_dim);
  const double queries = m.q_lora > 0 ? m.q_lora * (m.hidden + query) : m.hidden * query;
  const double down = product(m.hidden, m.kv_lora + m.rope_dim);
  const double up = product(m.kv_lora, m.heads) * (m.nope_dim + m.v_dim);
  const double out = product(m.heads, m.v_dim) * m.hidden;
  return queries + down + up + out;
}

// DeepSeek-V4: low-rank queries, one KV row, a grouped low-rank output, and in compressing layers a
// value and a gate matrix, twice as wide where neighbouring windows overlap (ratio 4). The counts
// reproduce 1,572.9B and 284.3B (github.com/ROCm/ATOM issue 664 lists the tensors).
double compressed_parameters(const ModelShape& m, const AttentionGroup& group) {
  const double width = product(m.heads, m.head_dim);
  const double queries = m.q_lora > 0 ? m.q_lora * (m.hidden + width) : m.hidden * width;
  const double row = product(m.hidden, m.head_dim);
  const double out =
      m.o_lora > 0 ? m.o_lora * (width + product(m.o_groups, m.hidden)) : width * m.hidden;
  double compressor = 0;
  if (group.compression > 0 && group.stores_kv) compressor = row * (group.compression == 4 ? 4 : 2);
  return queries + row + out + compressor;
}

double ffn_parameters(const ModelShape& m, double experts_used) {
  const double moe = m.moe_layers() * ((experts_used + m.shared_experts) * m.expert_parameters() +
                                       m.router_parameters_per_layer());
  return m.dense_layers * m.dense_ffn_parameters() + (m.is_moe() ? moe : 0);
}

double attention_total(const ModelShape& m) {
  double sum = 0;
  for (const AttentionGroup& group : m.attention_groups) {
    sum += group.layers * m.attention_parameters(group);
  }
  return sum;
}

double scale_bytes(int values, int per_scale, double bytes) {
  return std::ceil(static_cast<double>(values) / per_scale) * bytes;
}

}  // namespace

double ModelShape::attention_parameters(const AttentionGroup& group) const {
  const double indexer = group.runs_indexer ? indexer_parameters(*this) : 0;
  switch (attention) {
    case AttentionKind::kGqa:
      return gqa_parameters(*this) + indexer;
    case AttentionKind::kMla:
      return mla_parameters(*this) + indexer;
    case AttentionKind::kCompressed:
      return compressed_parameters(*this, group) + indexer;
  }
  return 0;
}

double ModelShape::attention_parameters_per_layer() const {
  return layers > 0 ? attention_total(*this) / layers : 0;
}

double ModelShape::expert_parameters() const { return 3.0 * hidden * expert_ffn; }
double ModelShape::dense_ffn_parameters() const { return 3.0 * hidden * dense_ffn; }
double ModelShape::router_parameters_per_layer() const { return product(hidden, experts); }
double ModelShape::embedding_parameters() const { return product(vocab, hidden); }

double ModelShape::total_parameters() const {
  return attention_total(*this) + ffn_parameters(*this, experts) +
         embedding_parameters() * (tied_embeddings ? 1 : 2);
}

double ModelShape::active_parameters() const {
  return attention_total(*this) + ffn_parameters(*this, experts_per_token) +
         embedding_parameters() * (tied_embeddings ? 1 : 2);
}

double ModelShape::mtp_parameters() const {
  if (mtp_layers == 0 || attention_groups.empty()) return 0;
  const double ffn =
      is_moe() ? (experts + shared_experts) * expert_parameters() + router_parameters_per_layer()
               : dense_ffn_parameters();
  const double projection = 2.0 * hidden * hidden;
  return mtp_layers * (attention_parameters(attention_groups.back()) + ffn + projection);
}

double ModelShape::kv_entry_bytes(Format kv) const {
  const double value = bytes_per_value(kv);
  const double rope_bf16 = 2.0 * rope_dim;
  switch (attention) {
    case AttentionKind::kGqa:
      return 2.0 * kv_heads * head_dim * value;
    case AttentionKind::kMla: {
      if (kv == Format::kBf16 || kv == Format::kFp32) return (kv_lora + rope_dim) * value;
      const double scales = kv == Format::kFp8 ? scale_bytes(kv_lora, 128, 4) : 0;
      return kv_lora * value + scales + rope_bf16;
    }
    case AttentionKind::kCompressed: {
      if (kv == Format::kBf16 || kv == Format::kFp32) return head_dim * value;
      const int latent = head_dim - rope_dim;
      // One-byte scales of 64 values each, padded to eight.
      const double scales = kv == Format::kFp8 ? scale_bytes(latent, 64 * 8, 8) : 0;
      return latent * value + scales + rope_bf16;
    }
  }
  return 0;
}

double ModelShape::index_entry_bytes(Format kv) const {
  if (index_dim == 0) return 0;
  const bool scaled = kv == Format::kFp8 || kv == Format::kInt8;
  return index_dim * bytes_per_value(kv) + (scaled ? 4 : 0);
}

double ModelShape::kv_bytes_per_token(Format kv) const {
  double sum = 0;
  for (const AttentionGroup& group : attention_groups) {
    const bool window_only =
        group.compression == 0 || (attention != AttentionKind::kCompressed && group.window > 0);
    if (!group.stores_kv || window_only) continue;
    const double entry = kv_entry_bytes(kv) + (group.runs_indexer ? index_entry_bytes(kv) : 0);
    sum += group.layers * entry / group.compression;
  }
  return sum;
}

double ModelShape::kv_bytes_per_sequence(Format kv) const {
  double sum = 0;
  for (const AttentionGroup& group : attention_groups) {
    // V4 keeps its window in every layer, whether or not the layer stores compressed entries.
    if (!group.stores_kv && attention != AttentionKind::kCompressed) continue;
    sum += product(group.layers, group.window) * kv_entry_bytes(kv);
  }
  return sum;
}

}  // namespace weft
