// LengthDistribution: token counts drawn from a distribution.
#pragma once

#include <cstdint>
#include <vector>

#include "base/quantity.h"
#include "base/random.h"
#include "base/result.h"
#include "sim/workload_spec.h"

namespace weft {

class LengthDistribution {
 public:
  // Reads the file of kFile. Requires a checked spec.
  static Result<LengthDistribution> make(const LengthSpec& spec);
  // Values with weights (none for equal ones); at least one value, a positive sum of weights.
  static LengthDistribution empirical(std::vector<double> values,
                                      const std::vector<double>& weights);

  // At least 1, and within the spec's min and max.
  Tokens draw(Random& random) const;

  // Of the distribution before min and max are applied.
  [[nodiscard]] double mean() const;

 private:
  LengthSpec::Kind kind_ = LengthSpec::Kind::kFixed;
  double min_ = 1;
  double max_ = static_cast<double>(kMostTokens);
  double location_ =
      1;              // fixed: value; uniform: min; lognormal: mean of the log; exponential: mean
  double scale_ = 0;  // uniform: how many values; lognormal: sigma
  std::vector<double> values_;
  std::vector<double> cumulative_;  // empty when all weights are equal; the last one is the sum
};

// The index of a draw from cumulative weights (ascending, the last one their sum > 0) by one
// uniform number in [0, 1). An index of weight 0 never comes.
size_t pick_cumulative(const std::vector<double>& cumulative, double uniform);

}  // namespace weft
