// Spread: mean and percentiles of many values, as tables and JSON show them.
#pragma once

#include <vector>

#include "base/histogram.h"

namespace weft {

struct Spread {
  double mean = 0;
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
};

// Nearest-rank percentiles; sorts its copy. Of nothing: zeros.
Spread spread_of(std::vector<float> values);
// In milliseconds.
Spread spread_of(const Histogram& durations);

}  // namespace weft
