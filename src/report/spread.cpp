// Percentiles by sorting, or out of a histogram's buckets.
#include "report/spread.h"

#include <algorithm>
#include <cmath>

namespace weft {

Spread spread_of(std::vector<float> values) {
  Spread out;
  if (values.empty()) return out;
  std::sort(values.begin(), values.end());
  double sum = 0;
  for (const float v : values) sum += static_cast<double>(v);
  const double n = static_cast<double>(values.size());
  const auto at = [&](double p) {
    const auto rank = static_cast<size_t>(std::ceil(p / 100.0 * n));
    return static_cast<double>(values[std::clamp<size_t>(rank, 1, values.size()) - 1]);
  };
  out.mean = sum / n;
  out.p50 = at(50);
  out.p90 = at(90);
  out.p99 = at(99);
  return out;
}

Spread spread_of(const Histogram& durations) {
  constexpr double kMs = 1e-6;
  return {durations.mean_ns() * kMs, durations.percentile_ns(50) * kMs,
          durations.percentile_ns(90) * kMs, durations.percentile_ns(99) * kMs};
}

}  // namespace weft
