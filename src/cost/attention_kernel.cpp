// Coefficients of the attention kernels from shape, constants and peaks.
#include "cost/attention_kernel.h"

namespace weft {
namespace {

constexpr double kMicro = 1e-6;
constexpr double kNano = 1e-9;
constexpr double kWideRow = 256;  // K and V of head_dim 128: what item_us is stated for

}  // namespace

AttentionPrefillPlan::AttentionPrefillPlan(const AttentionShape& shape,
                                           const AttentionPrefillConstants& constants,
                                           const AttentionPeaks& peaks) {
  const double width = shape.qk_dim + shape.v_dim;
  const double rate = peaks.operations * constants.compute_share;
  const double pair = (2 * width + constants.softmax_ops) / rate;  // one head, whole die
  const double values = shape.query_heads * width * shape.value_bytes;
  const double rows = values + shape.kv_heads * shape.row_bytes;
  const double group = shape.query_heads / shape.kv_heads;
  limit_ = shape.limit;
  floor_ = constants.floor_us * kMicro;
  per_token_ = rows / peaks.memory;
  other_passes_ = (constants.passes - 1) * per_token_;
  per_pair_ = pair * shape.query_heads;
  per_key_ = shape.kv_heads * shape.row_bytes / peaks.memory;
  tiles_per_token_ = shape.query_heads / kTileQueries;
  tiles_per_sequence_ =
      shape.shares_tile ? shape.kv_heads * std::max(1.0, group / kTileQueries) : shape.query_heads;
  per_tile_ = constants.tile_us * kMicro / peaks.cores + pair * kTileQueries * kMaskedKeys;
  per_edge_ = constants.window_us * kMicro / peaks.cores;
  window_ = std::max(0.0, shape.limit - AttentionShape::kWindowTile);
  longest_per_key_ = constants.longest_share * pair * kTileQueries * peaks.cores;
}

AttentionDecodePlan::AttentionDecodePlan(const AttentionShape& shape, double tokens_per_sequence,
                                         const AttentionDecodeConstants& constants,
                                         const AttentionPeaks& peaks) {
  const double width = shape.qk_dim + shape.v_dim;
  const double group = shape.query_heads / shape.kv_heads * tokens_per_sequence;
  const double row_tiles = std::ceil(group / kRowTile);
  const double padded = row_tiles * kRowTile;
  const double rows = shape.query_heads * tokens_per_sequence * width * shape.value_bytes;
  const double bandwidth = peaks.memory * constants.memory_share;
  limit_ = shape.limit;
  floor_ = constants.floor_us * kMicro;
  ramp_ = constants.ramp_us * kMicro;
  half_ = constants.half_us * kMicro;
  chain_ = constants.chain_us * kMicro;
  per_key_ = shape.kv_heads * shape.row_bytes / bandwidth;
  per_outside_key_ = constants.outside_window * per_key_;
  per_sequence_ = constants.row_passes * rows / bandwidth;
  compute_per_key_ =
      2 * width * padded * shape.kv_heads / (peaks.operations * constants.compute_share) +
      constants.key_ns * kNano * shape.kv_heads / peaks.cores;
  const double tall = shape.shares_tile ? 1 : (1 + 2 * row_tiles) / 3;
  per_wave_ = constants.item_us * kMicro * tall * (2 + width / kWideRow) / 3;
  waves_per_sequence_ = shape.kv_heads / peaks.cores;
  single_rows_ = group <= 1;
}

}  // namespace weft
