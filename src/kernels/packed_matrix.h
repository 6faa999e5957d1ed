// Weights W[n][k] of y = x W^T, converted to one of four formats and laid out for the kernels of
// multiply.h. One layout serves every instruction set, so bytes packed on one machine run on all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "kernels/aligned_bytes.h"
#include "kernels/isa.h"
#include "kernels/workers.h"

namespace weft {

enum class WeightFormat {
  kF32,   // as read; products summed in F32
  kBf16,  // rounded to nearest even; activations rounded too, products summed in F32
  kInt8,  // symmetric, -127 to 127, one F32 scale per column of y; activations INT8 per token
  kInt4,  // -8 to 7 in groups of 32 along k; activations INT8 per token. A group's scale is an
          // integer 1 to 15 times the column's F32 scale (two levels, as in QServe, arXiv
          // 2405.04532), so that value times group scale is an INT8 and all sums are exact
};

[[nodiscard]] std::string_view format_name(WeightFormat format);  // "f32" "bf16" "int8" "int4"

// Writes rows [first_row, first_row + rows) of W to out, k floats each, one after another. Called
// from several threads at once, for distinct rows.
using RowReader = std::function<void(int64_t first_row, int64_t rows, float* out)>;

// Layout: panels of 32 columns of y (rows of W), each contiguous and read from front to back. A
// panel is a row of steps; a step is two tiles (columns 0 to 15, 16 to 31) of 16 lines of 64 bytes;
// a line holds four bytes of k for each of 16 columns.
//   F32: a step is 16 k.  BF16: 32 k.  INT8: 64 k.  INT4: 128 k in 2,176 bytes: scales of four
//   groups of 32 columns, a byte each, then two steps of INT8 with two values in a byte.
// n and k may be any; what is missing to whole panels and steps is zero.
class PackedMatrix {
 public:
  static constexpr int64_t kPanelColumns = 32;
  static constexpr int64_t kLargestK = 131'072;  // sums of INT8 products fit an int32

  PackedMatrix() = default;  // empty: n() == 0

  // Reads and converts everything, on all threads; `isa` says what to convert with, and changes
  // nothing. Requires 0 < n < 2^31, 0 < k <= kLargestK.
  [[nodiscard]] static PackedMatrix pack(WeightFormat format, Isa isa, int64_t n, int64_t k,
                                         const RowReader& read, Workers& workers);

  // What serialized() gave, copied. An error says what is wrong with the bytes.
  [[nodiscard]] static Result<PackedMatrix> from_bytes(std::span<const std::byte> bytes);

  // Everything, in one piece, for a file: a header of 64 bytes (version, format, n, k), panels,
  // scales. Little-endian. Valid as long as this object.
  [[nodiscard]] std::span<const std::byte> serialized() const {
    return {memory_.data(), memory_.size()};
  }

  [[nodiscard]] WeightFormat format() const { return format_; }
  [[nodiscard]] int64_t n() const { return n_; }
  [[nodiscard]] int64_t k() const { return k_; }
  // Memory that it takes; nearly all of it is read by each multiplication.
  [[nodiscard]] size_t bytes() const { return memory_.size(); }
  // False when a weight was infinite or not a number: products would be wrong.
  [[nodiscard]] bool finite() const { return finite_; }
  // Row `index` of W as the format holds it, k floats: for embeddings that share W, and for tests.
  void read_row(int64_t index, float* out) const;

  // For the kernels.
  [[nodiscard]] int64_t panels() const { return (n_ + kPanelColumns - 1) / kPanelColumns; }
  [[nodiscard]] int64_t panel_bytes() const { return panel_bytes_; }
  [[nodiscard]] const std::byte* panel(int64_t index) const;
  // INT8, INT4: the scale of each column, and -128 times the sum of its integers; from the panel's
  // first column on.
  [[nodiscard]] const float* scales(int64_t panel) const;
  [[nodiscard]] const int32_t* offsets(int64_t panel) const;

 private:
  PackedMatrix(WeightFormat format, int64_t n, int64_t k);
  void pack_panel(Isa isa, int64_t index, float* rows);

  WeightFormat format_ = WeightFormat::kF32;
  int64_t n_ = 0;
  int64_t k_ = 0;
  int64_t panel_bytes_ = 0;
  bool finite_ = true;
  AlignedBytes memory_;
};

// Bytes of a panel with this many k.
[[nodiscard]] int64_t panel_bytes(WeightFormat format, int64_t k);

}  // namespace weft
