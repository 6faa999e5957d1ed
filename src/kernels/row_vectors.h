// Vectors of 16 lanes, the same on every instruction set. Work on rows compiled for each set over
// them is the same IEEE operations in the same order, so the same bits. The tag keeps the sets'
// code apart.
#pragma once

#include <cstring>

#include "kernels/block_template.h"

namespace weft {

// Vectors go by reference: by value they would ask for an ABI that not every set has.
template <class Tag>
struct RowVectors {
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
};

}  // namespace weft
