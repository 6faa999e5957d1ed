// Histogram: percentiles against the exact ones of a sorted list.
#include "base/histogram.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <limits>

#include "base/random.h"

namespace weft {
namespace {

// Nearest rank, in whole numbers: the smallest value with at least p % of all at or below it.
int64_t exact(std::vector<int64_t> values, int64_t p) {
  std::sort(values.begin(), values.end());
  const auto count = static_cast<int64_t>(values.size());
  const int64_t rank = std::max<int64_t>(1, (p * count + 99) / 100);
  return values[static_cast<size_t>(rank - 1)];
}

// Half a bucket: 1 part in 256, and half a nanosecond where buckets are one nanosecond wide.
double tolerance(int64_t value) { return 0.5 + static_cast<double>(value) / 256; }

RC_GTEST_PROP(Histogram, PercentilesAreExactToHalfABucket, ()) {
  const auto sizes =
      *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 62)));
  const auto low = *rc::gen::arbitrary<uint64_t>();
  std::vector<int64_t> values;
  Histogram histogram;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const uint64_t mask = (uint64_t{1} << sizes[i]) - 1;
    values.push_back(static_cast<int64_t>(mix64(low, i) & mask));
    histogram.add(nanoseconds(values.back()));
  }
  for (const int64_t p : {1, 7, 14, 28, 50, 55, 90, 99, 100}) {
    const int64_t want = exact(values, p);
    const double got = histogram.percentile_ns(static_cast<double>(p));
    RC_ASSERT(std::abs(got - static_cast<double>(want)) <= tolerance(want));
  }
}

// 7 / 100 * 100 is a little more than 7 in binary fractions; the rank must still be 7.
TEST(Histogram, RanksAreNotRoundedUpByBinaryFractions) {
  Histogram histogram;
  for (int i = 1; i <= 100; ++i) histogram.add(nanoseconds(i));
  for (int p = 1; p <= 100; ++p) EXPECT_EQ(histogram.percentile_ns(p), p);
}

TEST(Histogram, CountsAndMeanAreExact) {
  Histogram histogram;
  EXPECT_EQ(histogram.count(), 0);
  EXPECT_EQ(histogram.mean_ns(), 0.0);
  EXPECT_EQ(histogram.percentile_ns(50), 0.0);
  histogram.add(nanoseconds(1000), 3);
  histogram.add(nanoseconds(5000));
  EXPECT_EQ(histogram.count(), 4);
  EXPECT_EQ(histogram.mean_ns(), 2000.0);
}

TEST(Histogram, HoldsTheLongestAndTakesNegativeAsNone) {
  Histogram histogram;
  histogram.add(nanoseconds(-5));
  EXPECT_EQ(histogram.percentile_ns(100), 0.0);
  const int64_t longest = std::numeric_limits<int64_t>::max();
  histogram.add(nanoseconds(longest));
  EXPECT_NEAR(histogram.percentile_ns(100), static_cast<double>(longest), tolerance(longest));
}

}  // namespace
}  // namespace weft
