// Plain loops.
#include "kernels/reference.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/check.h"

namespace weft::reference {
namespace {

float largest_of(std::span<const float> values) {
  float largest = 0;
  for (float value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

void through_int8(std::span<const float> from, std::span<float> to) {
  const float largest = largest_of(from);
  if (!(largest > 1e-30F)) return;  // `to` is zero
  const float scale = largest / 127, factor = 127 / largest;
  for (size_t i = 0; i < from.size(); ++i) to[i] = std::nearbyint(from[i] * factor) * scale;
}

// One group with one scale: the squared error of its values.
double error_of_scale(std::span<const float> group, double scale) {
  double error = 0;
  for (float value : group) {
    const double wrong = std::clamp(std::nearbyint(value / scale), -8.0, 7.0) * scale - value;
    error += wrong * wrong;
  }
  return error;
}

}  // namespace

float round_to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return value;
  const uint32_t even = (bits >> 16) & 1;
  return std::bit_cast<float>((bits + 0x7fff + even) & 0xffff0000);
}

std::vector<float> through_format(std::span<const float> w, int64_t n, int64_t k,
                                  WeightFormat format) {
  CHECK(format != WeightFormat::kInt4);
  std::vector<float> result(w.size(), 0.0F);
  for (int64_t row = 0; row < n; ++row) {
    const auto at = static_cast<size_t>(row * k), size = static_cast<size_t>(k);
    const std::span<const float> from = w.subspan(at, size);
    const std::span<float> to = std::span(result).subspan(at, size);
    if (format == WeightFormat::kF32) std::ranges::copy(from, to.begin());
    if (format == WeightFormat::kBf16) std::ranges::transform(from, to.begin(), round_to_bf16);
    if (format == WeightFormat::kInt8) through_int8(from, to);
  }
  return result;
}

std::vector<float> through_activations(std::span<const float> x, int64_t m, int64_t k,
                                       WeightFormat weights) {
  const bool int4 = weights == WeightFormat::kInt4;
  return through_format(x, m, k, int4 ? WeightFormat::kInt8 : weights);
}

double least_int4_error(std::span<const float> row) {
  const float step = largest_of(row) / 105;
  double total = 0;
  for (size_t at = 0; at < row.size(); at += 32) {
    const auto group = row.subspan(at, std::min<size_t>(32, row.size() - at));
    double least = error_of_scale(group, step);
    for (int m = 2; m <= 15; ++m) least = std::min(least, error_of_scale(group, double{step} * m));
    total += least;
  }
  return total;
}

std::vector<double> multiply(std::span<const float> x, std::span<const float> w, int64_t m,
                             int64_t n, int64_t k) {
  std::vector<double> y;
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t p = 0; p < k; ++p) {
        sum += double{x[static_cast<size_t>(i * k + p)]} * w[static_cast<size_t>(j * k + p)];
      }
      y.push_back(sum);
    }
  }
  return y;
}

std::vector<float> silu_mul(std::span<const float> gate_up) {
  const size_t k = gate_up.size() / 2;
  std::vector<float> result(k);
  for (size_t i = 0; i < k; ++i) {
    const double gate = gate_up[i];
    result[i] = static_cast<float>(gate / (1 + std::exp(-gate)) * gate_up[k + i]);
  }
  return result;
}

}  // namespace weft::reference
