// Random numbers and digests: golden values from an independent program, and the moments of every
// distribution. The seeds are fixed, so a tolerance of five standard errors never fails by chance.
#include "base/random.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <set>

#include "base/digest.h"

namespace weft {
namespace {

TEST(Random, GoldenBits) {
  const std::array<std::array<uint64_t, 4>, 3> want{{
      {0x53175d61490b23df, 0x61da6f3dc380d507, 0x5c0fdf91ec9a7bfc, 0x02eebf8c3bbe5e1a},
      {0xcfc5d07f6f03c29b, 0xbf424132963fe08d, 0x19a37d5757aaf520, 0xbf08119f05cd56d6},
      {0x8641253f8fed82d1, 0x4b7eeec62af66af9, 0x3e595fe9cf746b2a, 0x6bf1aa430346476c},
  }};
  const std::array<uint64_t, 3> seeds{0, 1, 2024};
  for (size_t s = 0; s < seeds.size(); ++s) {
    Random random(seeds[s]);
    for (const uint64_t value : want[s]) EXPECT_EQ(random.bits(), value) << "seed " << seeds[s];
  }
}

// The published test vector of splitmix64 with seed 1234567.
TEST(Random, Mix64IsSplitmix64) {
  EXPECT_EQ(mix64(1234567), 6457827717110365317u);
  EXPECT_EQ(mix64(1234567 + 0x9e3779b97f4a7c15u), 3203168211198807973u);
  EXPECT_NE(mix64(1, 2), mix64(2, 1));
}

TEST(Random, UniformIsTheTopBitsInTheUnitInterval) {
  Random random(1);
  EXPECT_EQ(random.uniform(), 0.8116121588818848);
  EXPECT_EQ(random.uniform(), 0.7471047161582187);
  EXPECT_EQ(unit_interval(0), 0.0);
  EXPECT_LT(unit_interval(~uint64_t{0}), 1.0);
}

TEST(Random, BelowIsUniformOverEveryBound) {
  Random random(5);
  for (const uint64_t bound : {1u, 2u, 3u, 7u, 10u}) {
    std::array<int, 10> counts{};
    constexpr int kDraws = 20000;
    for (int i = 0; i < kDraws; ++i) ++counts[random.below(bound)];
    const double mean = double{kDraws} / static_cast<double>(bound);
    for (uint64_t v = 0; v < counts.size(); ++v) {
      const double want = v < bound ? mean : 0;
      EXPECT_NEAR(counts[v], want, 5 * std::sqrt(want) + 1e-9);
    }
  }
}

// With a bound of 3/4 of the range, taking the remainder alone would make the lower third twice as
// likely as the rest.
TEST(Random, BelowHasNoModuloBias) {
  Random random(6);
  const uint64_t bound = uint64_t{3} << 62;
  int low = 0;
  constexpr int kDraws = 30000;
  for (int i = 0; i < kDraws; ++i) low += random.below(bound) < (uint64_t{1} << 62) ? 1 : 0;
  EXPECT_NEAR(low, kDraws / 3, 5 * std::sqrt(kDraws * 2.0 / 9.0));
}

struct Moments {
  double mean = 0;
  double variance = 0;
};

constexpr int kSamples = 200000;

template <class Draw>
Moments measure(Draw draw) {
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kSamples; ++i) {
    const double x = draw();
    sum += x;
    squares += x * x;
  }
  const double mean = sum / kSamples;
  return {mean, squares / kSamples - mean * mean};
}

// `variance` is the distribution's own; its sampling error is taken as 3 %.
void expect_moments(const Moments& got, double mean, double variance) {
  EXPECT_NEAR(got.mean, mean, 5 * std::sqrt(variance / kSamples));
  EXPECT_NEAR(got.variance, variance, 0.03 * variance);
}

TEST(Random, DistributionsHaveTheirMoments) {
  Random random(7);
  expect_moments(measure([&] { return random.uniform(); }), 0.5, 1.0 / 12);
  expect_moments(measure([&] { return random.exponential(3.0); }), 3.0, 9.0);
  expect_moments(measure([&] { return random.normal(); }), 0.0, 1.0);
  expect_moments(measure([&] { return random.gamma(4.0, 0.5); }), 2.0, 1.0);
  expect_moments(measure([&] { return random.gamma(0.5, 2.0); }), 1.0, 2.0);
  const double sigma = 0.5;
  const double factor = std::exp(sigma * sigma) - 1;
  expect_moments(measure([&] { return random.lognormal(10.0, sigma); }), 10.0, 100.0 * factor);
  const double k = 1.5;
  const double first = std::tgamma(1 + 1 / k);
  const double second = std::tgamma(1 + 2 / k);
  expect_moments(measure([&] { return random.weibull(k, 2.0); }), 2.0 * first,
                 4.0 * (second - first * first));
}

TEST(Random, EqualSeedsGiveEqualStreamsAndOthersDiffer) {
  std::set<uint64_t> firsts;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    Random a(seed);
    Random b(seed);
    const uint64_t first = a.bits();
    EXPECT_EQ(first, b.bits());
    firsts.insert(first);
  }
  EXPECT_EQ(firsts.size(), 1000u);
}

TEST(Digest, GoldenValues) {
  Digest digest;
  EXPECT_EQ(digest.value(), 0x2cb0f69f4abea221u);
  for (const uint64_t value : {1u, 2u, 3u}) digest.add(uint64_t{value});
  EXPECT_EQ(digest.value(), 0xe60159d9ed5cb93fu);
}

TEST(Digest, DependsOnEveryValueAndTheirOrder) {
  const auto of = [](std::initializer_list<int64_t> values) {
    Digest digest;
    for (const int64_t value : values) digest.add(value);
    return digest.value();
  };
  const std::set<uint64_t> all{of({}),     of({0}),    of({0, 0}), of({1, 2}),
                               of({2, 1}), of({1, 3}), of({-1}),   of({1, 2, 0})};
  EXPECT_EQ(all.size(), 8u);
}

}  // namespace
}  // namespace weft
