// Frequencies of the four kinds of RoPE.
#include "engine/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace weft {

namespace {

constexpr double kTurn = 2 * std::numbers::pi;

double llama3(double frequency, const RopeConfig& config) {
  const double wavelength = kTurn / frequency;
  const double turns = config.original_context / wavelength;  // in the original context
  const double smooth =
      (turns - config.low_freq_factor) / (config.high_freq_factor - config.low_freq_factor);
  const double kept = std::clamp(smooth, 0.0, 1.0);
  return kept * frequency + (1 - kept) * frequency / config.factor;
}

// The dimension (a real number) that makes `turns` turns in the original context.
double yarn_dimension(double turns, const RopeConfig& config, int dims) {
  return dims * std::log(config.original_context / (turns * kTurn)) / (2 * std::log(config.theta));
}

struct Ramp {
  double low;
  double high;
};

Ramp yarn_ramp(const RopeConfig& config, int dims) {
  double low = yarn_dimension(config.beta_fast, config, dims);
  double high = yarn_dimension(config.beta_slow, config, dims);
  if (config.truncates) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dims - 1.0);
  if (low == high) high += 0.001;
  return {low, high};
}

}  // namespace

std::vector<double> rope_frequencies(const RopeConfig& config, int dims) {
  std::vector<double> out(static_cast<size_t>(dims / 2));
  const Ramp ramp = config.scaling == RopeScaling::kYarn ? yarn_ramp(config, dims) : Ramp{0, 1};
  for (size_t i = 0; i < out.size(); ++i) {
    const double pair = static_cast<double>(i);
    const double plain = std::pow(config.theta, -2 * pair / dims);
    switch (config.scaling) {
      case RopeScaling::kNone:
        out[i] = plain;
        break;
      case RopeScaling::kLinear:
        out[i] = plain / config.factor;
        break;
      case RopeScaling::kLlama3:
        out[i] = llama3(plain, config);
        break;
      case RopeScaling::kYarn: {
        const double slow = std::clamp((pair - ramp.low) / (ramp.high - ramp.low), 0.0, 1.0);
        out[i] = plain / config.factor * slow + plain * (1 - slow);
        break;
      }
    }
  }
  return out;
}

}  // namespace weft
