// What attention computes at a time: up to 64 rows of queries (tokens and heads that read the same
// KV head) against one tile of 128 keys. One table of such kernels for each instruction set;
// paged_attention.cpp walks the tiles.
#pragma once

#include <cstdint>

namespace weft::kernels {

inline constexpr int64_t kTileRows = 64;
inline constexpr int64_t kTileKeys = 128;
inline constexpr int64_t kStepKeys = 32;  // keys of one step within a tile
inline constexpr int64_t kGroupKeys = 16;
inline constexpr int64_t kSegmentKeys = 1024;
inline constexpr int64_t kSumLanes = 16;

// Keys and values of a tile, BF16 or float as in kv_layout.h. Where a query does not see a key,
// the key may hold anything, the value must be finite and so must the scales.
struct KeyTile {
  const void* keys[kTileKeys / kGroupKeys] = {};   // [key_dims / 2][16][2] or [key_dims][16]
  const void* values[kTileKeys / kStepKeys] = {};  // [value_dims / 16][16][16][2], or
                                                   // [32][value_dims]
  const float* key_scales = nullptr;               // [128] or null: none
  const float* value_scales = nullptr;             // [128] or null: none
  int64_t first = 0;  // absolute position of key 0, in multiples of 128
  int64_t steps = 0;  // steps that any query sees, at least 1
};

// Softmax so far: out / sum is the result; weights are 2^(score - max).
struct SoftmaxState {
  float* max = nullptr;   // [rows], -inf: nothing yet
  float* sums = nullptr;  // [rows][16] whose total is the sum
  float* out = nullptr;   // [rows][value_dims]
};

// Rows are padded to a multiple of 16 where there is memory; `rows` counts those that matter.
struct QueryTile {
  int64_t rows = 0;
  int64_t key_dims = 0;             // padded
  int64_t value_dims = 0;           // padded
  const void* q = nullptr;          // [64][key_dims] BF16 or float, times scale * log2(e)
  const int64_t* limits = nullptr;  // [rows] keys that the row sees, from position 0
  SoftmaxState state;
  float* scores = nullptr;  // scratch [64][128]
  void* weights = nullptr;  // scratch [64][128] BF16 or float
};

struct AttentionKernels {
  void (*tile_f32)(const KeyTile& keys, const QueryTile& queries);
  void (*tile_bf16)(const KeyTile& keys, const QueryTile& queries);
  // total = total and part together, row by row; part's rows without keys change nothing.
  void (*merge)(const SoftmaxState& total, const SoftmaxState& part, int64_t rows,
                int64_t value_dims);
  // out[i] = values[i] / total of sums[0, 16).
  void (*finish)(const float* values, const float* sums, int64_t n, float* out);
  // Queries [n] times scale; as BF16, then zeros up to `padded`, a multiple of 32.
  void (*scale_bf16)(const float* from, int64_t n, float scale, int64_t padded, uint16_t* to);
  // INT8 as BF16, exactly; n is a multiple of 32.
  void (*unpack)(const int8_t* from, int64_t n, uint16_t* to);
  // Values [dims / 16][16 pairs][16][2] of 32 tokens out of two groups of BF16 keys, of which only
  // the first `tokens` are taken; the others become 0. dims is a multiple of 32.
  void (*values_of_keys)(const uint16_t* first, const uint16_t* second, int64_t tokens,
                         int64_t dims, uint16_t* to);
  // Called by a thread before its first tile and after its last.
  void (*begin)();
  void (*end)();
};

AttentionKernels attention_portable();
AttentionKernels attention_avx2();
AttentionKernels attention_avx512();
AttentionKernels attention_amx();

}  // namespace weft::kernels
