// Where the product of multiply.h goes, and what is done to it on the way.
#pragma once

#include <cstdint>

namespace weft {

enum class Epilogue {
  kSet,      // y = product
  kAdd,      // y += product
  kSiluMul,  // y[j] = silu(gate j) * up j, where columns 32 p to 32 p + 15 of the product are gates
             // 16 p to 16 p + 15 and the next 16 their ups (interleaved_row()): SwiGLU's inner
             // layer. Requires that 32 divides n. silu(x) = x / (1 + exp(-x)), within 1e-6 relative
};

// Where a product goes. Rows of y are `stride` floats apart; fastest where y and stride are
// multiples of 64 bytes.
struct ProductOutput {
  float* y = nullptr;
  int64_t stride = 0;
  Epilogue epilogue = Epilogue::kSet;
  const float* bias = nullptr;  // n values that are added to the product, or null
};

// Row r of a matrix for Epilogue::kSiluMul: `index` of the gates or of the ups.
struct InterleavedRow {
  bool is_up = false;
  int64_t index = 0;
};
constexpr InterleavedRow interleaved_row(int64_t r) { return {r % 32 >= 16, r / 32 * 16 + r % 16}; }

}  // namespace weft
