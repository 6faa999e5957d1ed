// Work on single rows, over row_vectors.h.
#pragma once

#include <cstring>

#include "kernels/block_kernels.h"
#include "kernels/row_vectors.h"
#include "kernels/store_template.h"

namespace weft {

template <class Tag>
struct RowOps {
  using V = RowVectors<Tag>;
  using Floats = typename V::Floats;
  using Ints = typename V::Ints;
  using Store = StoreOps<Tag>;
  using Bytes = typename V::Bytes;
  using Shorts = typename V::Shorts;
  static constexpr int64_t kLanes = V::kLanes;

  static float largest(const float* x, int64_t k) {
    Ints most{};
    for (int64_t i = 0; i < k; i += kLanes) {
      Floats v;
      V::load(v, x, i, k);
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
        V::load(v, x, i + part, k);
        Ints rounded;
        V::nearest(rounded, v * factor);
        const Bytes bytes = __builtin_convertvector(rounded, Bytes) ^ flips;
        std::memcpy(out + part, &bytes, sizeof(bytes));
      }
    }
  }

  static void to_bf16(const float* x, int64_t k, std::byte* out, int64_t step_bytes) {
    for (int64_t i = 0; i < k; i += 32, out += step_bytes) {
      for (int64_t part = 0; part < 32; part += kLanes) {
        Floats v;
        V::load(v, x, i + part, k);
        const Ints bits = reinterpret_cast<Ints>(v);
        const Ints rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
        const Ints quiet = (bits >> 16) | 0x40;
        const Ints chosen = (bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded;
        const Shorts shorts = __builtin_convertvector(chosen, Shorts);
        std::memcpy(out + part * 2, &shorts, sizeof(shorts));
      }
    }
  }

  // Codes of a group with the scale `scale`, and the sum of squared errors by lane.
  static WEFT_INLINE void try_scale(const Floats (&x)[2], float scale, Ints (&codes)[2],
                                    Floats& error) {
    error = Floats{};
    for (int half = 0; half < 2; ++half) {
      V::nearest(codes[half], x[half] * (1.0F / scale));
      V::clamp(codes[half], -8, 7);
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

  static constexpr RowKernels kTable = {
      largest,
      to_int8,
      to_bf16,
      to_int4,
      {Store::template store<Epilogue::kSet>, Store::template store<Epilogue::kAdd>,
       Store::template store<Epilogue::kSiluMul>}};
};

}  // namespace weft
