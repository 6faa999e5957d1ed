// Angles of the rotary embedding: for each position and pair of dimensions the cosine and sine of
// position * inv_freq, times a factor. Which frequencies (linear, llama3, yarn scaling) and which
// factor (yarn's mscale) is the caller's to compute.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace weft {

enum class RopeStyle {
  kHalves,  // pairs are (i, i + dims / 2): a row is cosines [dims / 2], then sines [dims / 2]
  kPairs,   // pairs are (2 i, 2 i + 1): cosines [dims], each twice, then sines [dims], -s and s
};

class RopeTable {
 public:
  // inv_freq [dims / 2]. No position is computed yet.
  RopeTable(RopeStyle style, std::span<const float> inv_freq, float factor);

  [[nodiscard]] RopeStyle style() const { return style_; }
  [[nodiscard]] int64_t dims() const { return static_cast<int64_t>(2 * inv_freq_.size()); }
  [[nodiscard]] int64_t positions() const { return positions_; }

  // Computes the rows of [0, positions) that are not there yet; at least doubles what is there, so
  // that growing one by one stays cheap. Rows move: pointers to them end here.
  void extend(int64_t positions);

  // The row that Elementwise::rotate_* reads. Requires 0 <= position < positions(). The angle is
  // the product rounded to a float, as the published reference implementations have it, and its
  // cosine and sine are those of that float.
  [[nodiscard]] const float* row(int64_t position) const;

 private:
  [[nodiscard]] size_t row_floats() const;

  RopeStyle style_;
  std::vector<float> inv_freq_;
  float factor_;
  int64_t positions_ = 0;
  std::vector<float> rows_;
};

}  // namespace weft
