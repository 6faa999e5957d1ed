// Classes of equally many experts, from the least to the most popular.
#include "cost/expert_popularity.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace weft {

double chance_of_none(double base, double n) {
  if (n * (1 - base) > 40) return 0;
  auto times = static_cast<uint64_t>(n);
  if (static_cast<double>(times) < n) ++times;
  double result = 1;
  for (; times > 0; times >>= 1) {
    if ((times & 1) != 0) result *= base;
    base *= base;
  }
  return result;
}

ExpertPopularity::ExpertPopularity(double chance) {
  std::array<double, kClasses> weight{};
  const double ratio = std::sqrt(std::sqrt(std::sqrt(kPopularitySpread)));  // its 8th root
  double sum = 0;
  double next = 1;
  for (double& one : weight) {
    sum += one = next;
    next *= ratio;
  }
  for (size_t i = 0; i < weight.size(); ++i) {
    idle_[i] = 1 - std::min(1.0, chance * weight[i] * kClasses / sum);
  }
}

double ExpertPopularity::touched(double tokens) const {
  double idle = 0;
  for (const double base : idle_) idle += chance_of_none(base, tokens);
  return 1 - idle / kClasses;
}

double busiest_share(double balance, double mean, double two_log_dies) {
  if (mean <= 0) return balance;
  const double routed = balance - 1;
  return 1 + std::sqrt(routed * routed + two_log_dies / mean);
}

}  // namespace weft
