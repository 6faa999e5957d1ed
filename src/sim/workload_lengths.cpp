// One switch per draw; values are rounded to whole tokens and clamped.
#include "sim/workload_lengths.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "sim/trace_csv.h"

namespace weft {

size_t pick_cumulative(const std::vector<double>& cumulative, double uniform) {
  const double at = uniform * cumulative.back();
  const auto found = std::upper_bound(cumulative.begin(), cumulative.end(), at);
  return std::min(static_cast<size_t>(found - cumulative.begin()), cumulative.size() - 1);
}

LengthDistribution LengthDistribution::empirical(std::vector<double> values,
                                                 const std::vector<double>& weights) {
  CHECK(!values.empty() && (weights.empty() || weights.size() == values.size()));
  LengthDistribution out;
  out.kind_ = LengthSpec::Kind::kEmpirical;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!weights.empty() && weights[i] == 0) continue;  // so that the last one can be drawn
    out.values_.push_back(values[i]);
    if (weights.empty()) continue;
    out.cumulative_.push_back((out.cumulative_.empty() ? 0.0 : out.cumulative_.back()) +
                              weights[i]);
  }
  CHECK(!out.values_.empty());
  return out;
}

Result<LengthDistribution> LengthDistribution::make(const LengthSpec& spec) {
  LengthDistribution out;
  if (spec.kind == LengthSpec::Kind::kFile) {
    auto values = read_token_column(spec.file, spec.column);
    if (!values) return values.error();
    out = empirical(std::move(*values), {});
  } else if (spec.kind == LengthSpec::Kind::kEmpirical) {
    out = empirical(spec.values, spec.weights);
  } else {
    out.kind_ = spec.kind;
    out.location_ = spec.mean;
  }
  out.min_ = static_cast<double>(spec.min);
  out.max_ = static_cast<double>(spec.max);
  if (spec.kind == LengthSpec::Kind::kUniform) {
    out.location_ = out.min_;
    out.scale_ = out.max_ - out.min_ + 1;
  } else if (spec.kind == LengthSpec::Kind::kLognormal) {
    out.location_ = std::log(spec.mean) - 0.5 * spec.sigma * spec.sigma;
    out.scale_ = spec.sigma;
  }
  return out;
}

Tokens LengthDistribution::draw(Random& random) const {
  double value = location_;
  switch (kind_) {
    case LengthSpec::Kind::kFixed:
      break;
    case LengthSpec::Kind::kUniform:
      value = location_ + std::floor(random.uniform() * scale_);
      break;
    case LengthSpec::Kind::kLognormal:
      value = std::exp(location_ + scale_ * random.normal());
      break;
    case LengthSpec::Kind::kExponential:
      value = random.exponential(location_);
      break;
    case LengthSpec::Kind::kEmpirical:
    case LengthSpec::Kind::kFile:
      value =
          cumulative_.empty()
              ? values_[static_cast<size_t>(random.uniform() * static_cast<double>(values_.size()))]
              : values_[pick_cumulative(cumulative_, random.uniform())];
      break;
  }
  return Tokens(std::llround(std::min(std::max(value, min_), max_)));
}

double LengthDistribution::mean() const {
  switch (kind_) {
    case LengthSpec::Kind::kUniform:
      return location_ + (scale_ - 1) / 2;
    case LengthSpec::Kind::kLognormal:
      return std::exp(location_ + 0.5 * scale_ * scale_);
    case LengthSpec::Kind::kEmpirical:
    case LengthSpec::Kind::kFile:
      break;
    default:
      return location_;
  }
  if (cumulative_.empty()) {
    return std::accumulate(values_.begin(), values_.end(), 0.0) /
           static_cast<double>(values_.size());
  }
  double sum = 0;
  for (size_t i = 0; i < values_.size(); ++i) {
    sum += values_[i] * (cumulative_[i] - (i == 0 ? 0.0 : cumulative_[i - 1]));
  }
  return sum / cumulative_.back();
}

}  // namespace weft
