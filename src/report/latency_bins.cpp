// Joining bins and reading them back.
#include "report/latency_bins.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace weft {

double LatencyBins::lower_ms(size_t bin) {
  constexpr size_t kFine = size_t{1} << kBits;
  constexpr double kUnitMs = static_cast<double>(1 << kUnitBits) * 1e-6;
  if (bin < kFine) return static_cast<double>(bin) * kUnitMs;
  const int shift = static_cast<int>(bin >> kBits) - 1;
  return std::ldexp(static_cast<double>(kFine + (bin & (kFine - 1))), shift) * kUnitMs;
}

void LatencyBins::merge(const LatencyBins& other) {
  if (other.counts_.size() > counts_.size()) counts_.resize(other.counts_.size());
  for (size_t i = 0; i < other.counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
}

double LatencyBins::percentile_ms(double p) const {
  CHECK(count_ > 0, "a percentile is asked of something");
  const double exact = std::ceil(p / 100.0 * static_cast<double>(count_));
  const int64_t rank = std::clamp<int64_t>(static_cast<int64_t>(exact), 1, count_);
  int64_t seen = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= rank) return 0.5 * (lower_ms(i) + lower_ms(i + 1));
  }
  return 0.0;
}

std::vector<LatencyBins::Edge> LatencyBins::cumulative() const {
  std::vector<Edge> out;
  int64_t seen = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    if (i == 0 || counts_[i - 1] == 0) out.push_back({lower_ms(i), seen});
    seen += counts_[i];
    out.push_back({lower_ms(i + 1), seen});
  }
  return out;
}

}  // namespace weft
