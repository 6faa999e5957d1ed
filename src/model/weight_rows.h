// WeightRows: rows of a published weight as floats, whatever they are stored in (F32, BF16, F16, or
// FP8 E4M3 with a scale for each block, as DeepSeek-V3 and Qwen publish).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "model/safetensors.h"

namespace weft {

// Rows and columns of the blocks that share an FP8 scale.
struct ScaleBlocks {
  int rows = 128;
  int columns = 128;

  bool operator==(const ScaleBlocks&) const = default;
};

// Borrows the bytes of its tensors. Any number of threads may read at once.
class WeightRows {
 public:
  // A tensor of one dimension is one row; of more, all but the last are rows. `scales` (F32 or
  // BF16, [ceil(rows / blocks.rows), ceil(columns / blocks.columns)]) must be given for FP8
  // E4M3 and only then: value = stored x scale of its block. kBadInput names the tensor.
  static Result<WeightRows> make(const std::string& name, const TensorView& values,
                                 const std::optional<TensorView>& scales, ScaleBlocks blocks);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] int64_t rows() const { return rows_; }
  [[nodiscard]] int64_t columns() const { return columns_; }
  [[nodiscard]] TensorType type() const { return values_.type; }
  // As stored, row after row; without an FP8 tensor's scales.
  [[nodiscard]] std::span<const std::byte> bytes() const { return values_.bytes; }

  // Writes rows x columns() floats. Requires first_row + rows <= this->rows().
  void read(int64_t first_row, int64_t rows, float* out) const;
  // The same; kBadInput "NAME: row R: found NaN, expected finite weights" when one is NaN or
  // infinite (`out` is written all the same).
  Status read_finite(int64_t first_row, int64_t rows, float* out) const;

 private:
  WeightRows(std::string name, TensorView values)
      : name_(std::move(name)), values_(std::move(values)) {}
  void read_fp8_row(int64_t row, float* out) const;

  std::string name_;
  TensorView values_;
  int64_t rows_ = 0;
  int64_t columns_ = 0;
  ScaleBlocks blocks_;
  std::vector<float> scales_;  // row-major, scale_columns_ a row
  int64_t scale_columns_ = 0;
};

}  // namespace weft
