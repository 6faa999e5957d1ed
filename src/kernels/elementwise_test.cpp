// Every variant of the element-wise kernels against plain double, at odd widths; and that a row's
// result does not hang on where it lies or who its neighbours are.
#include "kernels/elementwise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/rope_table.h"
#include "kernels/vec_portable.h"

namespace weft {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
const int64_t kWidths[] = {1, 3, 7, 16, 31, 64, 100, 129, 1024};

std::vector<float> random_row(Random& random, int64_t n, double deviation = 1.0) {
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values) value = static_cast<float>(random.normal() * deviation);
  return values;
}

class ElementwiseTest : public ::testing::TestWithParam<Isa> {
 protected:
  const Elementwise& kernels_ = elementwise(GetParam());
  Random random_{3};
};

TEST_P(ElementwiseTest, rms_norm_equals_its_formula) {
  for (const int64_t width : kWidths) {
    const int64_t stride = width + 5;
    const std::vector<float> x = random_row(random_, 3 * stride, 4.0);
    const std::vector<float> weight = random_row(random_, width);
    std::vector<float> out(static_cast<size_t>(3 * width));
    kernels_.rms_norm(x.data(), stride, 3, width, weight.data(), 1e-5F, out.data(), width);
    for (int64_t row = 0; row < 3; ++row) {
      double squares = 0;
      const float* from = x.data() + row * stride;
      for (int64_t i = 0; i < width; ++i) squares += static_cast<double>(from[i]) * from[i];
      const double factor = 1 / std::sqrt(squares / static_cast<double>(width) + 1e-5);
      for (int64_t i = 0; i < width; ++i) {
        const double expected = from[i] * factor * weight[static_cast<size_t>(i)];
        EXPECT_NEAR(out[static_cast<size_t>(row * width + i)], expected,
                    1e-6 * std::fabs(expected) + 1e-12);
      }
    }
  }
}

TEST_P(ElementwiseTest, a_value_does_not_hang_on_its_lane) {
  const std::vector<float> x = random_row(random_, 100, 5.0);
  std::vector<float> whole(x), out(x.size());
  kernels_.sigmoid(whole.data(), 100);
  for (int64_t i = 0; i < 100; ++i) {
    for (const int64_t n : {1, 3, 9, 20}) {
      if (i + n > 100) continue;
      std::copy_n(x.data() + i, n, out.data());
      kernels_.sigmoid(out.data(), n);
      EXPECT_EQ(std::memcmp(out.data(), whole.data() + i, static_cast<size_t>(n) * 4), 0);
    }
  }
}

TEST_P(ElementwiseTest, add_add_scaled_and_sigmoid_equal_their_formulas) {
  for (const int64_t n : kWidths) {
    const std::vector<float> x = random_row(random_, n, 5.0), y = random_row(random_, n);
    std::vector<float> sum(x), scaled(x), sigmoid(x);
    kernels_.add(sum.data(), y.data(), n);
    kernels_.add_scaled(scaled.data(), y.data(), 0.3F, n);
    kernels_.sigmoid(sigmoid.data(), n);
    for (size_t i = 0; i < x.size(); ++i) {
      const double gate = 1 / (1 + std::exp(-static_cast<double>(x[i])));
      EXPECT_EQ(sum[i], x[i] + y[i]);
      EXPECT_EQ(scaled[i], x[i] + 0.3F * y[i]);
      EXPECT_NEAR(sigmoid[i], gate, 5e-7 * gate);
    }
  }
}

TEST_P(ElementwiseTest, softmax_equals_its_formula) {
  for (const int64_t n : kWidths) {
    const std::vector<float> x = random_row(random_, n, 20.0);
    double largest = -1e30, sum = 0;
    for (const float value : x) largest = std::max<double>(largest, value);
    for (const float value : x) sum += std::exp(value - largest);
    std::vector<float> softmax(x);
    kernels_.softmax(softmax.data(), n);
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(softmax[i], std::exp(x[i] - largest) / sum, 1e-5 * softmax[i] + 1e-36);
    }
  }
}

TEST_P(ElementwiseTest, argmax_takes_the_first_of_the_largest) {
  for (const int64_t n : kWidths) {
    for (int round = 0; round < 20; ++round) {
      std::vector<float> x(static_cast<size_t>(n));
      for (float& value : x) value = static_cast<float>(random_.below(6)) - 9.0F;
      if (round % 4 == 0) x[random_.below(x.size())] = std::nanf("");
      int64_t expected = 0;
      float best = -kInf;
      for (int64_t i = 0; i < n; ++i) {
        if (x[static_cast<size_t>(i)] > best) {
          best = x[static_cast<size_t>(i)];
          expected = i;
        }
      }
      EXPECT_EQ(kernels_.argmax(x.data(), n), expected);
    }
  }
}

TEST_P(ElementwiseTest, rotations_turn_pairs_by_position_times_frequency) {
  for (const int64_t dims : {2, 16, 34, 64, 128}) {
    std::vector<float> frequencies;
    for (int64_t i = 0; i < dims / 2; ++i) {
      frequencies.push_back(static_cast<float>(std::pow(1e4, -2.0 * double(i) / double(dims))));
    }
    for (const RopeStyle style : {RopeStyle::kHalves, RopeStyle::kPairs}) {
      RopeTable table(style, frequencies, 1.25F);
      table.extend(400);
      const float* angles[] = {table.row(7), table.row(399)};
      const int64_t stride = 3 * dims + 8, head_stride = dims + 4;
      const std::vector<float> before = random_row(random_, 2 * stride);
      std::vector<float> x(before);
      const auto rotate =
          style == RopeStyle::kHalves ? kernels_.rotate_halves : kernels_.rotate_pairs;
      rotate(x.data(), stride, 2, 2, head_stride, dims, angles);
      for (int64_t i = 0; i < 2 * stride; ++i) {
        const int64_t row = i / stride, in_head = i % stride % head_stride;
        if (in_head >= dims || i % stride >= 2 * head_stride) {
          EXPECT_EQ(x[static_cast<size_t>(i)], before[static_cast<size_t>(i)]);
          continue;
        }
        const bool halves = style == RopeStyle::kHalves;
        const int64_t pair = halves ? in_head % (dims / 2) : in_head / 2;
        const bool second = halves ? in_head >= dims / 2 : in_head % 2 == 1;
        const int64_t other = (second ? -1 : 1) * (halves ? dims / 2 : 1);
        const double angle = (row == 0 ? 7.0F : 399.0F) * frequencies[static_cast<size_t>(pair)];
        const double expected =
            1.25 * (before[static_cast<size_t>(i)] * std::cos(angle) +
                    (second ? 1 : -1) * before[static_cast<size_t>(i + other)] * std::sin(angle));
        EXPECT_NEAR(x[static_cast<size_t>(i)], expected, 1e-5);
      }
    }
  }
}

TEST_P(ElementwiseTest, bf16_rounds_to_nearest_even_and_back) {
  std::vector<float> x = random_row(random_, 1000, 1e3);
  for (const float edge :
       {0.0F, -0.0F, kInf, -kInf, 1.0F + 0x1p-8F, 1.0F + 0x3p-8F, 0x1p-133F, 3.4028234e38F}) {
    x.push_back(edge);
  }
  std::vector<uint16_t> halves(x.size());
  std::vector<float> back(x.size());
  const auto n = static_cast<int64_t>(x.size());
  kernels_.to_bf16(x.data(), n, halves.data());
  std::transform(halves.begin(), halves.end(), back.begin(), kernels::float_of);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(halves[i], kernels::bf16_of(x[i]));
    EXPECT_EQ(back[i], kernels::float_of(halves[i]));
    if (std::isfinite(back[i])) {
      EXPECT_NEAR(back[i], x[i], std::fabs(x[i]) * 0x1p-8);
    }
  }
  EXPECT_EQ(back[1004], 1.0F);
  EXPECT_EQ(back[1005], 1.0F + 0x1p-6F);
  const float nan = std::nanf("");
  kernels_.to_bf16(&nan, 1, halves.data());
  EXPECT_TRUE(std::isnan(kernels::float_of(halves[0])));
}

TEST_P(ElementwiseTest, heads_are_normed_one_by_one) {
  const std::vector<float> before = random_row(random_, 2 * 30), weight = random_row(random_, 8);
  std::vector<float> x(before), expected(before);
  rms_norm_heads(kernels_, x.data(), 30, 2, 3, 8, weight.data(), 1e-6F);
  for (const size_t at : {0, 8, 16, 30, 38, 46}) {
    kernels_.rms_norm(before.data() + at, 8, 1, 8, weight.data(), 1e-6F, expected.data() + at, 8);
  }
  EXPECT_EQ(x, expected);
}

INSTANTIATE_TEST_SUITE_P(Isas, ElementwiseTest, ::testing::ValuesIn(available_isas()),
                         [](const auto& test) { return std::string(isa_name(test.param)); });

}  // namespace
}  // namespace weft
