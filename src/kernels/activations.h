// The left side of y = x W^T: rows of floats, rounded or quantised once and then used with every
// matrix of the same k and format.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/aligned_bytes.h"
#include "kernels/isa.h"
#include "kernels/packed_matrix.h"
#include "kernels/workers.h"

namespace weft {

// Rounding looks at one row alone, and gives the same bits on every instruction set. For INT8 and
// INT4 weights a row's scale is its largest magnitude / 127, and values are rounded to nearest
// even; for BF16 they are rounded to nearest even; for F32 they are kept. A row with a NaN or an
// infinity gives rows of y that are not finite.
class Activations {
 public:
  static constexpr int64_t kBlockRows = 16;

  // x[m][k], rows `stride` floats apart. Memory is kept and only grows.
  void set(const float* x, int64_t m, int64_t k, int64_t stride, WeightFormat weights, Isa isa,
           Workers& workers);

  [[nodiscard]] int64_t rows() const { return rows_; }
  [[nodiscard]] int64_t k() const { return k_; }
  [[nodiscard]] WeightFormat weights() const { return weights_; }
  [[nodiscard]] Isa isa() const { return isa_; }

  // For the kernels: blocks of 16 rows; in a block, steps of 64 bytes of each row, one row after
  // another. Rows that are missing in the last block hold anything.
  [[nodiscard]] int64_t steps() const { return steps_; }
  [[nodiscard]] const std::byte* block(int64_t index) const {
    return bytes_.data() + index * steps_ * kBlockRows * 64;
  }
  [[nodiscard]] const float* scales() const {
    return reinterpret_cast<const float*>(scales_.data());
  }

 private:
  void set_row(int64_t row, const float* x);

  int64_t rows_ = 0;
  int64_t k_ = 0;
  int64_t steps_ = 0;
  WeightFormat weights_ = WeightFormat::kF32;
  Isa isa_ = Isa::kPortable;
  AlignedBytes bytes_;
  AlignedBytes scales_;
};

}  // namespace weft
