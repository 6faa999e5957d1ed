// ExpertPopularity: how many of a die's experts a batch reaches, and how many copies the busiest
// die gets, when a router likes some experts better than others.
#pragma once

#include <array>

namespace weft {

// base ^ n, n rounded up, without a library's pow: the same to the last digit everywhere. 0 where
// it is below e^-40.
double chance_of_none(double base, double n);

// An expert's share of the copies is spread evenly on a logarithmic scale over kPopularitySpread,
// the most popular to the least, as AIConfigurator's tables draw them (power_law_1.01, over a range
// that grows with the tokens). Fitted, one number for all models: decode steps of gpt-oss and
// Kimi-K2.5 keep their proportions from 4 to 64 sequences with it (docs/accuracy.md).
class ExpertPopularity {
 public:
  static constexpr double kPopularitySpread = 30;

  ExpertPopularity() = default;
  // `chance` that a token goes to one expert, on average over the experts; at most 1.
  explicit ExpertPopularity(double chance);

  // Share of the experts that get one copy or more of `tokens` tokens. Does not fall as they grow.
  [[nodiscard]] double touched(double tokens) const;

 private:
  static constexpr int kClasses = 8;
  std::array<double, kClasses> idle_{};  // chance that a token leaves an expert of the class alone
};

// Copies on the busiest of `dies` dies over the mean: `balance` of the router (the busiest die's
// load over the mean in the long run), and beside it what chance makes of `mean` copies a die,
// whose largest of n is sqrt(2 ln n) deviations above the mean (Poisson); the two are independent.
double busiest_share(double balance, double mean, double two_log_dies);

}  // namespace weft
