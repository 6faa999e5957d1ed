// Reading a histogram back.
#include "base/histogram.h"

#include <algorithm>
#include <cmath>

namespace weft {

double Histogram::middle(size_t bucket) {
  constexpr size_t kFine = size_t{1} << kBits;
  if (bucket < kFine) return static_cast<double>(bucket);
  const int shift = static_cast<int>(bucket >> kBits) - 1;
  const double low = std::ldexp(static_cast<double>(kFine + (bucket & (kFine - 1))), shift);
  return low + 0.5 * std::ldexp(1.0, shift);
}

double Histogram::percentile_ns(double p) const {
  if (count_ == 0) return 0.0;
  const double exact = std::ceil(p * static_cast<double>(count_) / 100.0);
  const int64_t rank = std::clamp<int64_t>(static_cast<int64_t>(exact), 1, count_);
  int64_t seen = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= rank) return middle(i);
  }
  return 0.0;
}

}  // namespace weft
