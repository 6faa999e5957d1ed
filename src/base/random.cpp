// The generator and its distributions; each says which published method it is.
#include "base/random.h"

#include <bit>
#include <cmath>
#include <numbers>

#include "base/check.h"

namespace weft {

Random::Random(uint64_t seed) {
  for (uint64_t i = 0; i < state_.size(); ++i) state_[i] = mix64(seed + i * 0x9e3779b97f4a7c15ULL);
}

uint64_t Random::bits() {
  const uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
  const uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

double Random::uniform() { return unit_interval(bits()); }

uint64_t Random::below(uint64_t bound) {
  CHECK(bound > 0);
  const uint64_t threshold = (0 - bound) % bound;
  for (;;) {
    const uint64_t x = bits();
    if (x >= threshold) return x % bound;
  }
}

double Random::exponential(double mean) { return -mean * std::log1p(-uniform()); }

// Box and Muller (1958); the second value is thrown away so that the stream has no hidden state.
double Random::normal() {
  const double radius = std::sqrt(-2.0 * std::log1p(-uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

double Random::lognormal(double mean, double sigma) {
  return std::exp(std::log(mean) - 0.5 * sigma * sigma + sigma * normal());
}

// Marsaglia and Tsang (2000); shapes under 1 by their boosting rule.
double Random::gamma(double shape, double scale) {
  CHECK(shape > 0 && scale > 0);
  if (shape < 1.0) {
    const double boost = std::pow(1.0 - uniform(), 1.0 / shape);
    return boost * gamma(shape + 1.0, scale);
  }
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = normal();
    const double v = std::pow(1.0 + c * x, 3);
    if (v <= 0.0) continue;
    const double u = 1.0 - uniform();
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v * scale;
  }
}

double Random::weibull(double shape, double scale) {
  return scale * std::pow(-std::log1p(-uniform()), 1.0 / shape);
}

}  // namespace weft
