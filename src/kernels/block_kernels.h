// What each instruction set offers to multiply.cpp and activations.cpp: a table of functions, one
// file per set. Their contract is exact, so that tables can be mixed and tested against each other.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/isa.h"
#include "kernels/product_output.h"

namespace weft {

constexpr int64_t kLineBytes = 64;
constexpr int64_t kBlockStepBytes = 16 * kLineBytes;      // 16 rows of x, one step
constexpr int64_t kPanelStepBytes = 2 * 16 * kLineBytes;  // 32 columns of y, one step
constexpr int64_t kInt4Chunk = 128;                       // k of a chunk: two INT8 steps
constexpr int64_t kInt4ChunkBytes = 128 + 2048;           // 4 x 32 group scales, then nibbles

// Up to 32 rows of x times a run of steps of one panel.
struct BlockJob {
  const std::byte* panel;      // the first step's tiles
  const std::byte* blocks[2];  // the first step of rows 0 to 15, and of rows 16 to 31
  int rows;                    // 1 to 32
  int64_t steps;               // of 64 bytes of x; even for INT4
  const int32_t* start;    // INT8, INT4: by column, -128 times the sum of the weights' integers,
                           // for kernels that see x + 128; null: sums begin with zero
  bool resume;             // true: sums hold what the steps before these gave
  std::byte* sums;         // [16 or 32 rows][32] of int32 (INT8, INT4) or float (BF16, F32)
  const std::byte* ahead;  // weights needed soon: that many lines with each step are asked for;
  int64_t ahead_lines;     // any address may be named
};

// All functions run on any thread, between prepare() and finish() of that thread.
struct BlockKernels {
  void (*prepare)();
  void (*finish)();
  void (*f32)(const BlockJob& job);
  void (*bf16)(const BlockJob& job);
  void (*int8)(const BlockJob& job);
  void (*int4)(const BlockJob& job);
  // Chunks of INT4 as twice as many steps of INT8, out[2 * chunks][2048].
  void (*expand_int4)(const std::byte* packed, int64_t chunks, std::byte* out);
  // Blocks of INT8 and INT4 hold x + 128 (VNNI multiplies unsigned by signed).
  bool unsigned_x;
};

// Sums of a panel on their way to y: value = sum * (row scale * column scale) + bias.
struct StoreJob {
  const std::byte* sums;  // [rows][32] of int32, or of float without scales
  int64_t rows;
  const float* row_scales;      // null for float
  const float* column_scales;   // 32
  const float* bias;            // `columns` of them, or null
  const int32_t* sources;       // row i has row scale sources[i]; null: i
  const int32_t* destinations;  // and goes to row destinations[i] of y; null: i
  int64_t columns;              // of the panel, 1 to 32; 32 with kSiluMul
  float* y;                     // its first column
  int64_t stride;
};

// Work on one row or panel; the same bits from every table.
struct RowKernels {
  // The bits of the largest magnitude; those of a NaN if there is one.
  float (*largest)(const float* x, int64_t k);
  // out[i] = round(x[i] * factor) ^ flip. Writes 64 bytes per step, steps `step_bytes` apart.
  void (*to_int8)(const float* x, int64_t k, float factor, uint8_t flip, std::byte* out,
                  int64_t step_bytes);
  void (*to_bf16)(const float* x, int64_t k, std::byte* out, int64_t step_bytes);
  // Codes 0 to 15 (value + 8) of each weight, and the scale 1 to 15 of each group of 32, for a
  // column's step of `step`. x has whole groups.
  void (*to_int4)(const float* x, int64_t groups, float step, uint8_t* codes, uint8_t* scales);
  // By Epilogue.
  void (*store[3])(const StoreJob& job);
};

// Requires isa <= best_isa().
[[nodiscard]] const BlockKernels& block_kernels(Isa isa);
[[nodiscard]] const RowKernels& row_kernels(Isa isa);

namespace detail {
// By file. Null where the compiler had no such instructions.
[[nodiscard]] const BlockKernels* portable_blocks();
[[nodiscard]] const BlockKernels* avx2_blocks();
[[nodiscard]] const BlockKernels* avx512_blocks();
[[nodiscard]] const BlockKernels* amx_blocks();
// INT4 by AVX-512 for at most 8 rows of signed x.
void avx512_int4_few_rows(const BlockJob& job);
[[nodiscard]] const RowKernels* portable_rows();
[[nodiscard]] const RowKernels* avx2_rows();
[[nodiscard]] const RowKernels* avx512_rows();
}  // namespace detail

}  // namespace weft
