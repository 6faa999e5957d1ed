// Sums of a panel on their way to y, over row_vectors.h.
#pragma once

#include <cstring>

#include "kernels/block_kernels.h"
#include "kernels/row_vectors.h"

namespace weft {

template <class Tag>
struct StoreOps {
  using V = RowVectors<Tag>;
  using Floats = typename V::Floats;
  using Ints = typename V::Ints;
  static constexpr int64_t kLanes = V::kLanes;

  // exp(x) = 2^n exp(r), r = x - n ln 2 in two parts, |r| <= 0.35: Taylor's sum to r^7 / 7!, whose
  // remainder is below 6e-9.
  static WEFT_INLINE void exponential(Floats& x) {
    x = x > 87.0F ? Floats{} + 87.0F : x;
    x = x < -87.0F ? Floats{} - 87.0F : x;
    const Floats shifted = x * 1.44269504F + V::kRound;
    const Floats n = shifted - V::kRound;
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

  // v = silu(v) * up.
  static WEFT_INLINE void silu_mul(Floats& v, const Floats& up) {
    Floats e = -v;
    exponential(e);
    v = v / (e + 1.0F) * up;
  }

  static WEFT_INLINE void put(const Floats& value, int64_t columns, bool add, float* y) {
    Floats sum = value;
    if (add) {
      V::load(sum, y, 0, columns);
      sum = sum + value;
    }
    if (columns >= kLanes) {  // or the copy would be a call
      std::memcpy(y, &sum, sizeof(sum));
    } else if (columns > 0) {
      std::memcpy(y, &sum, static_cast<size_t>(columns) * sizeof(float));
    }
  }

  static WEFT_INLINE void values_of(const StoreJob& job, int64_t row, const Floats (&scales)[2],
                                    Floats (&out)[2]) {
    const std::byte* sums = job.sums + row * 2 * static_cast<int64_t>(sizeof(Floats));
    if (job.row_scales == nullptr) {
      std::memcpy(&out, sums, sizeof(out));
      return;
    }
    const float scale = job.row_scales[job.sources == nullptr ? row : job.sources[row]];
    Ints integers[2];
    std::memcpy(&integers, sums, sizeof(integers));
    for (int half = 0; half < 2; ++half) {
      out[half] = __builtin_convertvector(integers[half], Floats) * (scales[half] * scale);
    }
  }

  template <Epilogue kEpilogue>
  static void store(const StoreJob& job) {
    Floats scales[2] = {}, bias[2] = {};
    if (job.row_scales != nullptr) std::memcpy(&scales, job.column_scales, sizeof(scales));
    for (int half = 0; half < 2 && job.bias != nullptr; ++half) {
      V::load(bias[half], job.bias, half * kLanes, job.columns);
    }
    for (int64_t row = 0; row < job.rows; ++row) {
      Floats values[2];
      values_of(job, row, scales, values);
      if (job.bias != nullptr) {
        values[0] = values[0] + bias[0];
        values[1] = values[1] + bias[1];
      }
      float* y = job.y + (job.destinations == nullptr ? row : job.destinations[row]) * job.stride;
      if constexpr (kEpilogue == Epilogue::kSiluMul) {
        silu_mul(values[0], values[1]);
        put(values[0], kLanes, false, y);
      } else {
        const bool add = kEpilogue == Epilogue::kAdd;
        put(values[0], job.columns, add, y);
        put(values[1], job.columns - kLanes, add, y + kLanes);
      }
    }
  }
};

}  // namespace weft
