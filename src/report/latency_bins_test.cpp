// LatencyBins against a sorted list.
#include "report/latency_bins.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace weft {
namespace {

// From a microsecond to an hour, evenly over the orders of magnitude.
Duration draw(Random& random) {
  const double exponent = 3.0 + 9.5 * static_cast<double>(random.below(1 << 20)) / (1 << 20);
  return Duration(static_cast<int64_t>(std::pow(10.0, exponent)));
}

TEST(LatencyBins, PercentilesAreNearThoseOfTheSortedList) {
  Random random(1);
  for (int round = 0; round < 20; ++round) {
    LatencyBins bins;
    std::vector<double> sorted;
    for (uint64_t i = 0; i < 1 + random.below(500); ++i) {
      const Duration value = draw(random);
      bins.add(value);
      sorted.push_back(to_milliseconds(value));
    }
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(bins.count(), static_cast<int64_t>(sorted.size()));
    for (const double p : {0.1, 50.0, 90.0, 99.0, 100.0}) {
      const auto rank = std::ceil(p / 100 * static_cast<double>(sorted.size()));
      const double exact = sorted[static_cast<size_t>(std::max(rank, 1.0)) - 1];
      EXPECT_NEAR(bins.percentile_ms(p), exact, 0.008 * exact + 0.00103) << "p" << p;
    }
  }
}

TEST(LatencyBins, MergingIsTheSameAsAddingAll) {
  Random random(2);
  LatencyBins all;
  LatencyBins parts[2];
  for (int i = 0; i < 1000; ++i) {
    const Duration value = draw(random);
    all.add(value);
    parts[random.below(2)].add(value);
  }
  parts[0].merge(parts[1]);
  EXPECT_EQ(parts[0].count(), all.count());
  const auto merged = parts[0].cumulative();
  const auto direct = all.cumulative();
  ASSERT_EQ(merged.size(), direct.size());
  for (size_t i = 0; i < direct.size(); ++i) {
    EXPECT_EQ(merged[i].ms, direct[i].ms);
    EXPECT_EQ(merged[i].below, direct[i].below);
  }
}

TEST(LatencyBins, TheDistributionIsFlatWhereNothingLies) {
  LatencyBins bins;
  bins.add(milliseconds(1));
  bins.add(milliseconds(1));
  bins.add(milliseconds(100));
  const auto edges = bins.cumulative();
  ASSERT_EQ(edges.size(), 4U);
  EXPECT_EQ(edges[0].below, 0);
  EXPECT_EQ(edges[1].below, 2);
  EXPECT_EQ(edges[2].below, 2);
  EXPECT_EQ(edges[3].below, 3);
  EXPECT_LE(edges[0].ms, 1.0);
  EXPECT_GT(edges[1].ms, 1.0);
  EXPECT_LE(edges[2].ms, 100.0);
  EXPECT_GT(edges[3].ms, 100.0);
}

TEST(LatencyBins, HoldsNothingZeroAndTheLongest) {
  LatencyBins bins;
  EXPECT_TRUE(bins.cumulative().empty());
  bins.add(Duration(-5));
  bins.add(Duration(0));
  EXPECT_LT(bins.percentile_ms(100), 0.002);
  bins.add(Duration(std::numeric_limits<int64_t>::max()));
  EXPECT_GT(bins.percentile_ms(100), 9e12);
}

}  // namespace
}  // namespace weft
