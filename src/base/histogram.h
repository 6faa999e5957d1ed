// Histogram: counts of durations in log-linear buckets (128 per doubling: 0.8 % wide), for
// quantities that come by the hundred million, such as the gaps between tokens.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "base/time.h"

namespace weft {

class Histogram {
 public:
  Histogram() : counts_(kBuckets) {}

  void add(Duration value, int64_t count = 1) {
    const int64_t v = value.count() < 0 ? 0 : value.count();
    counts_[bucket(static_cast<uint64_t>(v))] += count;
    count_ += count;
    sum_ += value.as_double() * static_cast<double>(count);
  }

  [[nodiscard]] int64_t count() const { return count_; }
  [[nodiscard]] double mean_ns() const {
    return count_ == 0 ? 0.0 : sum_ / static_cast<double>(count_);
  }
  // Nearest-rank percentile, p in (0, 100], as the middle of its bucket; 0 when empty.
  [[nodiscard]] double percentile_ns(double p) const;

 private:
  static constexpr int kBits = 7;
  static constexpr size_t kBuckets = (64 - kBits + 1) << kBits;
  // Values below 2^kBits are exact.
  static size_t bucket(uint64_t v) {
    if (v < (1U << kBits)) return v;
    const int shift = static_cast<int>(std::bit_width(v)) - 1 - kBits;
    return (static_cast<size_t>(shift + 1) << kBits) + ((v >> shift) & ((1U << kBits) - 1));
  }
  static double middle(size_t bucket);

  std::vector<int64_t> counts_;
  int64_t count_ = 0;
  double sum_ = 0;
};

}  // namespace weft
