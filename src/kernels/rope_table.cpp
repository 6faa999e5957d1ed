// Fills the rows of angles, in the order in which the kernels of each style read them.
#include "kernels/rope_table.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace weft {

RopeTable::RopeTable(RopeStyle style, std::span<const float> inv_freq, float factor)
    : style_(style), inv_freq_(inv_freq.begin(), inv_freq.end()), factor_(factor) {
  CHECK(!inv_freq_.empty(), "a rotary embedding of no dimensions");
}

size_t RopeTable::row_floats() const {
  return inv_freq_.size() * (style_ == RopeStyle::kHalves ? 2 : 4);
}

void RopeTable::extend(int64_t positions) {
  if (positions <= positions_) return;
  const int64_t wanted = std::max(positions, 2 * positions_);
  rows_.resize(static_cast<size_t>(wanted) * row_floats());
  const size_t pairs = inv_freq_.size();
  for (int64_t position = positions_; position < wanted; ++position) {
    float* row = rows_.data() + static_cast<size_t>(position) * row_floats();
    for (size_t i = 0; i < pairs; ++i) {
      const float angle = static_cast<float>(position) * inv_freq_[i];
      const auto cosine = static_cast<float>(std::cos(static_cast<double>(angle)) * factor_);
      const auto sine = static_cast<float>(std::sin(static_cast<double>(angle)) * factor_);
      if (style_ == RopeStyle::kHalves) {
        row[i] = cosine;
        row[pairs + i] = sine;
      } else {
        row[2 * i] = row[2 * i + 1] = cosine;
        row[2 * pairs + 2 * i] = -sine;
        row[2 * pairs + 2 * i + 1] = sine;
      }
    }
  }
  positions_ = wanted;
}

const float* RopeTable::row(int64_t position) const {
  CHECK(position >= 0 && position < positions_, "a position beyond the table of angles");
  return rows_.data() + static_cast<size_t>(position) * row_floats();
}

}  // namespace weft
