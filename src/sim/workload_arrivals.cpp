// Renewal processes; instants add up in whole nanoseconds, so that no drift depends on the length.
#include "sim/workload_arrivals.h"

#include <algorithm>
#include <cmath>

namespace weft {
namespace {

constexpr double kLongestGapSeconds = 3.0e9;  // keeps the sum of any two instants within 64 bits

}  // namespace

ArrivalTimes::ArrivalTimes(const ArrivalSpec& spec, double rate_factor, uint64_t seed)
    : process_(spec.process), random_(seed) {
  const double mean = 1.0 / (spec.rate * rate_factor);
  switch (process_) {
    case ArrivalSpec::Process::kGamma:
      shape_ = 1.0 / (spec.cv * spec.cv);
      scale_ = mean / shape_;
      break;
    case ArrivalSpec::Process::kWeibull:
      shape_ = spec.shape;
      scale_ = mean / std::tgamma(1.0 + 1.0 / shape_);
      break;
    default:
      scale_ = mean;
  }
}

Instant ArrivalTimes::next() {
  double gap = 0;
  switch (process_) {
    case ArrivalSpec::Process::kClosed:
      return Instant();
    case ArrivalSpec::Process::kFixed:
      at_ = Instant() + seconds(static_cast<double>(count_++) * scale_);
      return at_ = std::min(at_, Instant(kLatestTime));
    case ArrivalSpec::Process::kPoisson:
      gap = random_.exponential(scale_);
      break;
    case ArrivalSpec::Process::kGamma:
      gap = random_.gamma(shape_, scale_);
      break;
    case ArrivalSpec::Process::kWeibull:
      gap = random_.weibull(shape_, scale_);
      break;
  }
  at_ = std::min(at_ + seconds(std::min(gap, kLongestGapSeconds)), Instant(kLatestTime));
  return at_;
}

}  // namespace weft
