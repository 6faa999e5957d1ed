// LatencyBins: counts of durations in log-linear bins (64 per doubling: 1.6 % wide), as small as
// what it holds, so that every stretch of a run can have its own and two can become one.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "base/time.h"

namespace weft {

class LatencyBins {
 public:
  void add(Duration value) {
    const size_t bin = bin_of(value);
    if (bin >= counts_.size()) counts_.resize(bin + 1);
    ++counts_[bin];
    ++count_;
  }
  void merge(const LatencyBins& other);

  [[nodiscard]] int64_t count() const { return count_; }
  // Nearest-rank percentile, p in (0, 100], as the middle of its bin; requires count() > 0.
  [[nodiscard]] double percentile_ms(double p) const;

  // That many values were below `ms`, an edge of a bin.
  struct Edge {
    double ms = 0;
    int64_t below = 0;
  };
  // Ascending; the edges of all bins that hold something, so that straight lines join them.
  [[nodiscard]] std::vector<Edge> cumulative() const;

 private:
  static constexpr int kBits = 6;
  static constexpr int kUnitBits = 10;  // 1,024 ns; shorter differences are not told apart
  static size_t bin_of(Duration value) {
    const uint64_t v = value.count() < 0 ? 0 : static_cast<uint64_t>(value.count()) >> kUnitBits;
    if (v < (1U << kBits)) return v;
    const int shift = static_cast<int>(std::bit_width(v)) - 1 - kBits;
    return (static_cast<size_t>(shift + 1) << kBits) + ((v >> shift) & ((1U << kBits) - 1));
  }
  static double lower_ms(size_t bin);

  std::vector<uint32_t> counts_;
  int64_t count_ = 0;
};

}  // namespace weft
