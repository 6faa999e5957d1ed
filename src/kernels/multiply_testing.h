// For tests of products: random matrices, products from floats to floats, and the error of one
// random case of every format on every instruction set of this machine.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/random.h"
#include "kernels/multiply.h"
#include "kernels/reference.h"

namespace weft::testing {

inline constexpr WeightFormat kFormats[] = {WeightFormat::kF32, WeightFormat::kBf16,
                                            WeightFormat::kInt8, WeightFormat::kInt4};

inline std::vector<float> normal_values(int64_t count, Random& random) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

inline PackedMatrix pack(WeightFormat format, Isa isa, int64_t n, int64_t k,
                         const std::vector<float>& w, Workers& workers) {
  return PackedMatrix::pack(
      format, isa, n, k,
      [&](int64_t first, int64_t rows, float* out) {
        std::memcpy(out, w.data() + first * k, static_cast<size_t>(rows * k) * sizeof(float));
      },
      workers);
}

// One product from floats to floats; y has a stride of its own and starts as `before`.
inline std::vector<float> product(const std::vector<float>& x, const PackedMatrix& w, Isa isa,
                                  int64_t m, Workers& workers, bool accumulate = false,
                                  float before = -7) {
  Activations activations;
  activations.set(x.data(), m, w.k(), w.k(), w.format(), isa, workers);
  const int64_t stride = w.n() + 3;
  std::vector<float> wide(static_cast<size_t>(m * stride), before);
  multiply(w, activations, {wide.data(), stride, accumulate ? Epilogue::kAdd : Epilogue::kSet},
           workers);
  std::vector<float> y;
  for (int64_t i = 0; i < m; ++i) {
    const float* row = wide.data() + i * stride;
    y.insert(y.end(), row, row + w.n());
    for (int64_t j = w.n(); j < stride; ++j) EXPECT_EQ(row[j], before) << "written past a row";
  }
  return y;
}

inline std::vector<float> read_rows(const PackedMatrix& w) {
  std::vector<float> rows(static_cast<size_t>(w.n() * w.k()));
  for (int64_t i = 0; i < w.n(); ++i) w.read_row(i, rows.data() + i * w.k());
  return rows;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// The largest error of a sum of k rounded products, over the mean size of such a sum: sqrt(k) for
// normal values. F32's sums lose at most about k ulps, typically sqrt(k) of them.
inline double error_of(const std::vector<float>& y, const std::vector<double>& expected,
                       int64_t k) {
  double error = 0;
  for (size_t i = 0; i < y.size(); ++i) error = std::max(error, std::abs(y[i] - expected[i]));
  return error / std::sqrt(static_cast<double>(k));
}

// The largest error_of() of products of [m, k] by [k, n], all variants.
inline double worst_error(int64_t m, int64_t n, int64_t k, Random& random) {
  const std::vector<float> x = normal_values(m * k, random), w = normal_values(n * k, random);
  Workers workers(2, false);
  double worst = 0;
  for (WeightFormat format : kFormats) {
    const std::vector<double> expected =
        reference::multiply(reference::through_activations(x, m, k, format),
                            read_rows(pack(format, Isa::kPortable, n, k, w, workers)), m, n, k);
    for (Isa isa : available_isas()) {
      const PackedMatrix packed = pack(format, isa, n, k, w, workers);
      EXPECT_TRUE(packed.finite());
      const double error = error_of(product(x, packed, isa, m, workers), expected, k);
      worst = error > worst || std::isnan(error) ? error : worst;
    }
  }
  return worst;
}

}  // namespace weft::testing
