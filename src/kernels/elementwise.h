// The element-wise kernels of a forward pass, one table of functions for each instruction set. All
// are pure functions of one row: its result does not depend on its neighbours, on how many rows a
// call has, or on where in memory it lies; the last lanes of a row go through the same vector
// operations as the others. Variants differ from each other in the last bits (some have FMA).
#pragma once

#include <cstdint>
#include <span>

#include "kernels/isa.h"

namespace weft {

// exp is a polynomial of degree 6 after Cody and Waite's reduction by ln 2: relative error below
// 2e-7 on [-87.3, 88.3], 0 below, 2.3e38 above. Rows are `stride` floats apart and may be part
// of wider ones; out may be the input itself, and must not overlap it otherwise.
struct Elementwise {
  // out = x / sqrt(mean(x^2) + eps) * weight, for each row of `width`. Zhang and Sennrich, 2019.
  void (*rms_norm)(const float* x, int64_t stride, int64_t rows, int64_t width, const float* weight,
                   float eps, float* out, int64_t out_stride);

  // Rotary embedding (Su et al., 2021) of `heads` heads in each row, in place: head h of row r is
  // the `dims` floats at x + r * stride + h * head_stride, turned by the table's row angles[r]
  // (rope_table.h). rotate_halves turns (x[i], x[i + dims / 2]), as Llama and Qwen; rotate_pairs
  // turns (x[2 i], x[2 i + 1]), as DeepSeek, and leaves them where they were.
  void (*rotate_halves)(float* x, int64_t stride, int64_t rows, int64_t heads, int64_t head_stride,
                        int64_t dims, const float* const* angles);
  void (*rotate_pairs)(float* x, int64_t stride, int64_t rows, int64_t heads, int64_t head_stride,
                       int64_t dims, const float* const* angles);

  void (*add)(float* x, const float* y, int64_t n);                      // x += y
  void (*add_scaled)(float* x, const float* y, float scale, int64_t n);  // x += scale * y
  void (*sigmoid)(float* x, int64_t n);                                  // 1 / (1 + exp(-x))
  void (*softmax)(float* x, int64_t n);  // n > 0; all of it -inf: not a number
  // The first index of the largest value; values that are not numbers are passed over, and 0 is the
  // answer when nothing is larger than -inf. n > 0.
  int64_t (*argmax)(const float* x, int64_t n);

  void (*to_bf16)(const float* x, int64_t n, uint16_t* out);  // to nearest, ties to even
};

// The table for `isa`, which this machine must have.
const Elementwise& elementwise(Isa isa);

// rms_norm of each of the `heads` heads of a row by the same weights [head_dim], in place.
void rms_norm_heads(const Elementwise& kernels, float* x, int64_t stride, int64_t rows,
                    int64_t heads, int64_t head_dim, const float* weight, float eps);

}  // namespace weft
