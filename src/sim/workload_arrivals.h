// ArrivalTimes: the instants of a made load, one after the other.
#pragma once

#include "base/random.h"
#include "base/time.h"
#include "sim/workload_spec.h"

namespace weft {

class ArrivalTimes {
 public:
  // Gaps between arrivals are independent with mean 1 / rate: exponential (poisson), gamma with the
  // coefficient of variation `cv`, Weibull with `shape`. `fixed` arrivals are 1 / rate apart, the
  // first at 0. In a closed loop every instant is 0. The rate is spec.rate x `rate_factor`.
  ArrivalTimes(const ArrivalSpec& spec, double rate_factor, uint64_t seed);

  Instant next();

 private:
  ArrivalSpec::Process process_;
  double shape_ = 1;
  double scale_;  // seconds
  Random random_;
  Instant at_;
  uint64_t count_ = 0;
};

}  // namespace weft
