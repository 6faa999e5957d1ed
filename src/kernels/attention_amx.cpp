// The attention kernels with AMX: tiles for the BF16 products, AVX-512 for the rest. An element of
// a product is one chain of TDPBF16PS over rising dimensions or keys, whatever is beside it in its
// tile; a tile of few rows takes as many rows as there are.
#include "kernels/attention_generic.h"
#include "kernels/vec_avx512.h"

namespace weft::kernels {

#ifdef __AMX_BF16__
namespace {

constexpr int64_t kTileSide = 16;  // rows of a tile; floats, or pairs of BF16, of one of its rows

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

thread_local int64_t configured_rows = 0;

// Tiles 0 to 3 are sums and 4, 5 left operands, of `rows` rows; 6 and 7 are right operands.
void configure(int64_t rows) {
  if (rows == configured_rows) return;
  configured_rows = rows;
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    config.row_bytes[tile] = 64;
    config.rows[tile] = static_cast<uint8_t>(tile < 6 ? rows : kTileSide);
  }
  _tile_loadconfig(&config);
}

// Where the tiles of a product lie; strides in bytes. `depth` steps of 32 elements.
struct Product {
  const char* left = nullptr;  // + step * 64
  int64_t left_stride = 0;
  const char* const* right = nullptr;  // by column of 16, or by step: see right_at
  bool right_by_step = false;
  int64_t right_stride = 0;
  float* sums = nullptr;
  int64_t sum_floats = 0;  // of a row
  int64_t depth = 0;
  bool add = false;  // to what is in sums

  [[nodiscard]] const char* right_at(int64_t column, int64_t step) const {
    return right_by_step ? right[step] + column * 1024 : right[column] + step * 1024;
  }
};

// Two right operands that will be wanted soon, brought into the first cache.
inline void prefetch(const Product& p, int64_t column, int64_t step) {
  for (int64_t part = 0; part < 2; ++part) {
    const char* from = p.right_at(column + part, step);
    for (int64_t row = 0; row < kTileSide; ++row)
      _mm_prefetch(from + row * p.right_stride, _MM_HINT_T0);
  }
}

// Rows [row, row + 32) and columns [16 column, 16 column + 32). `ahead` is the column whose
// operands come next, or -1.
void multiply_two_by_two(const Product& p, int64_t row, int64_t column, int64_t ahead) {
  float* sums = p.sums + row * p.sum_floats + column * kTileSide;
  float* lower = sums + kTileSide * p.sum_floats;
  const int64_t stride = p.sum_floats * 4;
  if (p.add) {
    _tile_loadd(0, sums, stride);
    _tile_loadd(1, sums + kTileSide, stride);
    _tile_loadd(2, lower, stride);
    _tile_loadd(3, lower + kTileSide, stride);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const char* left = p.left + row * p.left_stride;
  for (int64_t step = 0; step < p.depth; ++step, left += 64) {
    _tile_loadd(4, left, p.left_stride);
    _tile_loadd(6, p.right_at(column, step), p.right_stride);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, p.right_at(column + 1, step), p.right_stride);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, left + kTileSide * p.left_stride, p.left_stride);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
    if (ahead >= 0) prefetch(p, ahead, step);
  }
  _tile_stored(0, sums, stride);
  _tile_stored(1, sums + kTileSide, stride);
  _tile_stored(2, lower, stride);
  _tile_stored(3, lower + kTileSide, stride);
}

// The configured rows from `row` on, and 64 or 32 columns from 16 column on.
template <bool Four>
void multiply_one_row(const Product& p, int64_t row, int64_t column) {
  float* sums = p.sums + row * p.sum_floats + column * kTileSide;
  const int64_t stride = p.sum_floats * 4;
  if (p.add) {
    _tile_loadd(0, sums, stride);
    _tile_loadd(1, sums + kTileSide, stride);
    if constexpr (Four) _tile_loadd(2, sums + 2 * kTileSide, stride);
    if constexpr (Four) _tile_loadd(3, sums + 3 * kTileSide, stride);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (Four) _tile_zero(2);
    if constexpr (Four) _tile_zero(3);
  }
  const char* left = p.left + row * p.left_stride;
  for (int64_t step = 0; step < p.depth; ++step, left += 64) {
    _tile_loadd(4, left, p.left_stride);
    _tile_loadd(6, p.right_at(column, step), p.right_stride);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, p.right_at(column + 1, step), p.right_stride);
    _tile_dpbf16ps(1, 4, 7);
    if constexpr (Four) {
      _tile_loadd(6, p.right_at(column + 2, step), p.right_stride);
      _tile_dpbf16ps(2, 4, 6);
      _tile_loadd(7, p.right_at(column + 3, step), p.right_stride);
      _tile_dpbf16ps(3, 4, 7);
    }
  }
  _tile_stored(0, sums, stride);
  _tile_stored(1, sums + kTileSide, stride);
  if constexpr (Four) _tile_stored(2, sums + 2 * kTileSide, stride);
  if constexpr (Four) _tile_stored(3, sums + 3 * kTileSide, stride);
}

// All rows and `columns` columns of 16, an even number.
void multiply(const Product& p, int64_t rows, int64_t columns) {
  asm volatile("" : : : "memory");  // GCC's tile loads do not say that they read memory
  int64_t row = 0;
  if (rows >= 2 * kTileSide) {
    configure(kTileSide);
    const int64_t end = rows / (2 * kTileSide) * (2 * kTileSide);
    for (int64_t column = 0; column < columns; column += 2) {
      for (row = 0; row < end; row += 2 * kTileSide) {
        const bool fetch = row == 0 && column + 2 < columns;
        multiply_two_by_two(p, row, column, fetch ? column + 2 : -1);
      }
    }
  }
  for (; row < rows; row += kTileSide) {
    configure(rows - row < kTileSide ? rows - row : kTileSide);
    int64_t column = 0;
    for (; column + 4 <= columns; column += 4) multiply_one_row<true>(p, row, column);
    for (; column < columns; column += 2) multiply_one_row<false>(p, row, column);
  }
  asm volatile("" : : : "memory");
}

struct TileProducts {
  static void scores(const KeyTile& keys, const QueryTile& queries) {
    Product p;
    p.left = static_cast<const char*>(queries.q);
    p.left_stride = queries.key_dims * 2;
    p.right = reinterpret_cast<const char* const*>(keys.keys);
    p.right_stride = 64;
    p.sums = queries.scores;
    p.sum_floats = kTileKeys;
    p.depth = queries.key_dims / 32;
    multiply(p, queries.rows, keys.steps * (kStepKeys / kGroupKeys));
  }

  static void add_values(const KeyTile& keys, const QueryTile& queries) {
    Product p;
    p.left = static_cast<const char*>(queries.weights);
    p.left_stride = kTileKeys * 2;
    p.right = reinterpret_cast<const char* const*>(keys.values);
    p.right_by_step = true;
    p.right_stride = 64;
    p.sums = queries.state.out;
    p.sum_floats = queries.value_dims;
    p.depth = keys.steps;
    p.add = true;
    multiply(p, queries.rows, queries.value_dims / kTileSide);
  }
};

void begin() { configured_rows = 0; }
void end() { _tile_release(); }

}  // namespace

AttentionKernels attention_amx() {
  AttentionKernels kernels = attention_avx512();
  kernels.tile_bf16 = AttentionTile<VecAvx512, Bf16Elements<VecAvx512>, TileProducts>::run;
  kernels.begin = begin;
  kernels.end = end;
  return kernels;
}

#else
AttentionKernels attention_amx() { return attention_avx512(); }
#endif

}  // namespace weft::kernels
