// Coefficients of the attention kernels from shape, constants and peaks.
#include "cost/attention_kernel.h"

namespace weft {
namespace {

constexpr double kMicro = 1e-6;
constexpr double kNano = 1e-9;
constexpr double kWideRow = 256;  // K and V of head_dim 128: what rows' widths are stated in

double power_of_two(double x) { return x > 0 ? std::exp2(std::ceil(std::log2(x) - 1e-9)) : 0; }

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

// Row tiles are counted where heads do not share them; row blocks of whole parts where they do.
AttentionDecodePlan::AttentionDecodePlan(const AttentionShape& shape, double tokens_per_sequence,
                                         const AttentionDecodeConstants& constants,
                                         const AttentionPeaks& peaks)
    : limit_(shape.limit),
      floor_(constants.floor_us * kMicro),
      half_(constants.half_us * kMicro),
      alone_(constants.alone_us * kMicro),
      by_head_(constants.by_head),
      unsplit_(constants.unsplit) {
  const double exact = shape.qk_dim + shape.v_dim;
  const double padded = power_of_two(shape.qk_dim) + power_of_two(shape.v_dim);
  const double wide = shape.shares_tile ? exact : padded;
  const double width = wide / kWideRow;
  const double group = by_head_ ? 1 : shape.query_heads / shape.kv_heads * tokens_per_sequence;
  const double row_tiles = std::ceil(group / constants.row_tile);
  const double more_tiles = shape.shares_tile ? 0 : (row_tiles - 1) * width;
  const double rows = shape.query_heads * tokens_per_sequence * exact * shape.value_bytes;
  const double bandwidth = peaks.memory * constants.memory_share;
  const double rate = peaks.operations * constants.compute_share;
  const double walks = by_head_ ? shape.query_heads * tokens_per_sequence : shape.kv_heads;
  const double tile_rows = by_head_ ? 1 : row_tiles * constants.row_tile;
  ramp_ = (constants.ramp_us + constants.merge_us * more_tiles) * kMicro;
  chain_ = constants.chain_us * width * kMicro;
  per_key_ = shape.kv_heads * shape.row_bytes / bandwidth;
  per_outside_key_ = constants.outside_window * per_key_;
  per_sequence_ = rows / bandwidth;
  other_passes_ = (constants.row_passes - 1) * per_sequence_;
  compute_per_key_ = 2 * wide * tile_rows * walks / rate;
  walk_per_key_ = constants.key_ns * kNano * width * walks / peaks.cores;
  per_item_ =
      (constants.item_us + constants.width_us * width + constants.tile_us * more_tiles) * kMicro;
  items_per_sequence_ = walks / peaks.cores;
  single_rows_ = group <= 1;
  if (constants.part_rows <= 0) return;
  // Where rows take several blocks, what pads the last is multiplied too; cores that the blocks of
  // no further sequence fit stand idle.
  const double blocks = std::ceil(group / constants.part_rows);
  places_ = std::floor(peaks.cores / (blocks * shape.kv_heads));
  const double block_rows = blocks > 1 ? blocks * constants.part_rows : tile_rows;
  const double used = places_ > 0 ? places_ * blocks * shape.kv_heads : peaks.cores;
  compute_per_key_ = 2 * wide * block_rows * shape.kv_heads / rate * peaks.cores / used;
}

}  // namespace weft
