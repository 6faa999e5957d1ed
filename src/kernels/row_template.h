// Work on single rows over vectors of 16 lanes, compiled for each instruction set: the same IEEE
// operations in the same order, so the same bits. The tag keeps the sets' code apart.
#pragma once

#include <cstring>

#include "kernels/block_kernels.h"
#include "kernels/block_template.h"

namespace weft {

// Vectors go by reference: by value they would ask for an ABI that not every set has.
template <class Tag>
struct RowOps {
  static constexpr int64_t kLanes = 16;
  using Floats [[gnu::vector_size(64)]] = float;
  using Ints [[gnu::vector_size(64)]] = int32_t;
  using Bytes [[gnu::vector_size(16)]] = int8_t;
  using Shorts [[gnu::vector_size(32)]] = int16_t;

  // Adding it rounds a float of less than 2^22 to an integer, to nearest even, in its lowest bits.
  static constexpr float kRound = 12582912.0F;  // 1.5 * 2^23

  // x[i .. i + 16), zeros past k.
  static WEFT_INLINE void load(Floats& v, const float* x, int64_t i, int64_t k) {
    if (i + kLanes <= k) {
      std::memcpy(&v, x + i, sizeof(v));
    } else {
      v = Floats{};
      if (i < k) std::memcpy(&v, x + i, static_cast<size_t>(k - i) * sizeof(float));
    }
  }

  static WEFT_INLINE void nearest(Ints& out, const Floats& x) {
    out = reinterpret_cast<Ints>(x + kRound) - 0x4b400000;
  }

  static WEFT_INLINE void clamp(Ints& v, int32_t low, int32_t high) {
    v = v < low ? Ints{} + low : v;
    v = v > high ? Ints{} + high : v;
  }

  static float largest(const float* x, int64_t k) {
    Ints most{};
    for (int64_t i = 0; i < k; i += kLanes) {
      Floats v;
      load(v, x, i, k);
      const Ints bits = reinterpret_cast<Ints>(v) & 0x7fffffff;
      most = bits > most ? bits : most;  // magnitudes order as integers, NaN above all
    }
    int32_t result = 0;
    for (int lane = 0; lane < kLanes; ++lane) result = most[lane] > result ? most[lane] : result;
    float value = 0;
    std::memcpy(&value, &result, sizeof(value));
    return value;
  }

  static void to_int8(const float* x, int64_t k, float factor, uint8_t flip, std::byte* out,
                      int64_t step_bytes) {
    const Bytes flips = Bytes{} + static_cast<int8_t>(flip);
    for (int64_t i = 0; i < k; i += 64, out += step_bytes) {
      for (int64_t part = 0; part < 64; part += kLanes) {
        Floats v;
        load(v, x, i + part, k);
        Ints rounded;
        nearest(rounded, v * factor);
        const Bytes bytes = __builtin_convertvector(rounded, Bytes) ^ flips;
        std::memcpy(out + part, &bytes, sizeof(bytes));
      }
    }
  }

  static void to_bf16(const float* x, int64_t k, std::byte* out, int64_t step_bytes) {
    for (int64_t i = 0; i < k; i += 32, out += step_bytes) {
      for (int64_t part = 0; part < 32; part += kLanes) {
        Floats v;
        load(v, x, i + part, k);
        const Ints bits = reinterpret_cast<Ints>(v);
        const Ints rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
        const Ints quiet = (bits >> 16) | 0x40;
        const Ints chosen = (bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded;
        const Shorts shorts = __builtin_convertvector(chosen, Shorts);
        std::memcpy(out + part * 2, &shorts, sizeof(shorts));
      }
    }
  }

  // exp(x) = 2^n exp(r), r = x - n ln 2 in two parts, |r| <= 0.35: Taylor's sum to r^7 / 7!, whose
  // remainder is below 6e-9.
  static WEFT_INLINE void exponential(Floats& x) {
    x = x > 87.0F ? Floats{} + 87.0F : x;
    x = x < -87.0F ? Floats{} - 87.0F : x;
    const Floats shifted = x * 1.44269504F + kRound;
    const Floats n = shifted - kRound;
    const Floats r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
    Floats sum = r * (1.0F / 5040) + 1.0F / 720;
    sum = sum * r + 1.0F / 120;
    sum = sum * r + 1.0F / 24;
    sum = sum * r + 1.0F / 6;
    sum = sum * r + 0.5F;
    sum = sum * r + 1.0F;
    sum = sum * r + 1.0F;
    const Ints exponent = (reinterpret_cast<Ints>(shifted) - 0x4b400000) << 23;
    const Ints scaled = reinterpret_cast<Ints>(sum) + exponent;
    x = reinterpret_cast<Floats>(scaled);
  }

  static void silu_mul(const float* gate, const float* up, int64_t k, float* out) {
    for (int64_t i = 0; i < k; i += kLanes) {
      Floats g, u;
      load(g, gate, i, k);
      load(u, up, i, k);
      Floats e = -g;
      exponential(e);
      const Floats result = g / (e + 1.0F) * u;
      std::memcpy(out + i, &result, sizeof(result));
    }
  }

  // Codes of a group with the scale `scale`, and the sum of squared errors by lane.
  static WEFT_INLINE void try_scale(const Floats (&x)[2], float scale, Ints (&codes)[2],
                                    Floats& error) {
    error = Floats{};
    for (int half = 0; half < 2; ++half) {
      nearest(codes[half], x[half] * (1.0F / scale));
      clamp(codes[half], -8, 7);
      const Floats wrong = x[half] - __builtin_convertvector(codes[half], Floats) * scale;
      error = error + wrong * wrong;
    }
  }

  // Of four scales around largest / 7.25 (smaller ones cut the largest values off), the one whose
  // codes come nearest to x.
  static void to_int4(const float* x, int64_t groups, float step, uint8_t* codes, uint8_t* scales) {
    for (int64_t group = 0; group < groups; ++group, x += 32, codes += 32) {
      Floats values[2];
      std::memcpy(&values, x, sizeof(values));
      const float ideal = step > 0 ? largest(x, 32) / (7.25F * step) : 0.0F;
      const int middle = ideal < 15 ? static_cast<int>(ideal + 0.5F) : 15;
      Bytes best[2] = {};
      float least = 0;
      int chosen = 0;
      for (int scale = middle > 2 ? middle - 2 : 1; scale <= middle + 1 && scale <= 15; ++scale) {
        Ints rounded[2];
        Floats errors;
        try_scale(values, step > 0 ? step * static_cast<float>(scale) : 1.0F, rounded, errors);
        float error = 0;
        for (int lane = 0; lane < kLanes; ++lane) error += errors[lane];
        if (chosen != 0 && !(error < least)) continue;
        chosen = scale;
        least = error;
        for (int half = 0; half < 2; ++half) {
          best[half] = __builtin_convertvector(rounded[half] + 8, Bytes);
        }
      }
      std::memcpy(codes, &best, sizeof(best));
      scales[group] = static_cast<uint8_t>(chosen);
    }
  }

  static WEFT_INLINE void put(const Floats (&values)[2], int64_t columns, bool accumulate,
                              float* y) {
    for (int64_t half = 0; half < 2; ++half) {
      const int64_t left = columns - half * kLanes;
      if (left <= 0) return;
      float* to = y + half * kLanes;
      Floats before{};
      if (accumulate) load(before, to, 0, left);
      const Floats sum = accumulate ? before + values[half] : values[half];
      if (left >= kLanes) {  // or the copy would be a call
        std::memcpy(to, &sum, sizeof(sum));
      } else {
        std::memcpy(to, &sum, static_cast<size_t>(left) * sizeof(float));
      }
    }
  }

  static void store_scaled(const std::byte* sums, float row_scale, const float* column_scales,
                           int64_t columns, bool accumulate, float* y) {
    Ints integers[2];
    Floats scales[2];
    std::memcpy(&integers, sums, sizeof(integers));
    std::memcpy(&scales, column_scales, sizeof(scales));
    const Floats values[2] = {
        __builtin_convertvector(integers[0], Floats) * (scales[0] * row_scale),
        __builtin_convertvector(integers[1], Floats) * (scales[1] * row_scale)};
    put(values, columns, accumulate, y);
  }

  static void store(const std::byte* sums, int64_t columns, bool accumulate, float* y) {
    Floats values[2];
    std::memcpy(&values, sums, sizeof(values));
    put(values, columns, accumulate, y);
  }

  static constexpr RowKernels kTable = {largest, to_int8,      to_bf16, silu_mul,
                                        to_int4, store_scaled, store};
};

}  // namespace weft
