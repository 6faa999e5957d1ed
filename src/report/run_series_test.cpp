// RunSeries: nothing is lost when buckets are merged, and it stays small.
#include "report/run_series.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "report/report_testing.h"

namespace weft {
namespace {

SeriesBucket sum(const std::vector<SeriesBucket>& buckets) {
  SeriesBucket out;
  for (const SeriesBucket& bucket : buckets) out.merge(bucket);
  return out;
}

const PoolBucket& pool(const SeriesBucket& bucket, Role role) {
  return bucket.pools[static_cast<size_t>(role)];
}

void add(RunSeries& series, const TestStep& step) {
  series.add_step(step.report(), sum_up(step.report()));
}

void expect_same(const PoolBucket& a, const PoolBucket& b) {
  EXPECT_NEAR(a.busy_s, b.busy_s, 1e-9);
  EXPECT_NEAR(a.steps, b.steps, 1e-9);
  EXPECT_NEAR(a.sequence_s, b.sequence_s, 1e-9);
  EXPECT_NEAR(a.context_s, b.context_s, 1e-6);
  EXPECT_NEAR(a.output_tokens, b.output_tokens, 1e-9);
}

void expect_same(const SeriesBucket& a, const SeriesBucket& b) {
  EXPECT_EQ(a.arrived, b.arrived);
  EXPECT_EQ(a.completed, b.completed);
  EXPECT_EQ(a.unserved, b.unserved);
  EXPECT_EQ(a.cached_tokens, b.cached_tokens);
  EXPECT_EQ(a.computed_tokens, b.computed_tokens);
  EXPECT_EQ(a.ttft.count(), b.ttft.count());
  EXPECT_EQ(a.tpot.count(), b.tpot.count());
  for (size_t r = 0; r < kRoles; ++r) expect_same(a.pools[r], b.pools[r]);
}

// What happens in a second of a run, over and over.
void play(RunSeries& series, int64_t seconds_long, uint64_t seed) {
  Random random(seed);
  for (int64_t s = 0; s < seconds_long; ++s) {
    const Instant at = Instant() + milliseconds(1000 * s + static_cast<int64_t>(random.below(999)));
    series.add_request(completed(at, milliseconds(200), milliseconds(20), 10, 100, 40));
    const Duration took = milliseconds(1 + static_cast<int64_t>(random.below(3000)));
    add(series, TestStep(random.below(2), at, took, 50, 8));
  }
}

TEST(RunSeries, TheWidthGrowsWithTheRunAndNothingIsLost) {
  const Deployment deployment = test_deployment(0, 1, 1);
  for (const int64_t length : {1, 30, 700, 20000}) {
    RunSeries series(deployment);
    play(series, length, 1);
    EXPECT_LE(series.buckets().size(), RunSeries::kMaxBuckets);
    const SeriesBucket all = sum(series.buckets());
    EXPECT_EQ(all.arrived, length);
    EXPECT_EQ(all.completed, length);
    EXPECT_EQ(all.ttft.count(), length);
    EXPECT_EQ(all.tpot.count(), length);
    EXPECT_EQ(all.cached_tokens, 40 * length);
    EXPECT_EQ(all.computed_tokens, 60 * length);
    const double steps = pool(all, Role::kPrefill).steps + pool(all, Role::kDecode).steps;
    EXPECT_NEAR(steps, static_cast<double>(length), 1e-6);
    EXPECT_GE(2 * series.buckets().size() * series.width().count(), series.end().ns());
  }
}

TEST(RunSeries, MergedBucketsAreThoseOfASeriesThatBeganWide) {
  const Deployment deployment = test_deployment(0, 1, 1);
  const TestStep last(0, Instant() + seconds(5000), milliseconds(10), 1, 0);
  RunSeries grown(deployment);
  play(grown, 400, 2);
  add(grown, last);
  RunSeries wide(deployment);
  add(wide, last);
  play(wide, 400, 2);
  EXPECT_EQ(grown.width(), wide.width());
  ASSERT_EQ(grown.buckets().size(), wide.buckets().size());
  for (size_t i = 0; i < wide.buckets().size(); ++i) {
    expect_same(grown.buckets()[i], wide.buckets()[i]);
  }
}

TEST(RunSeries, AStepCountsWhereItsTimeLies) {
  RunSeries series(test_deployment(1, 0, 0));
  const Duration width = RunSeries::kFirstWidth;
  add(series, TestStep(0, Instant() + width / 2, 2 * width, 0, 4));
  ASSERT_EQ(series.buckets().size(), 3U);
  const double shares[] = {0.25, 0.5, 0.25};
  for (size_t b = 0; b < 3; ++b) {
    const PoolBucket& at = pool(series.buckets()[b], Role::kUnified);
    EXPECT_NEAR(at.steps, shares[b], 1e-6);
    EXPECT_NEAR(at.busy_s, 2 * shares[b] * to_seconds(width), 1e-9);
    EXPECT_NEAR(at.output_tokens, 4 * shares[b], 1e-5);
    EXPECT_NEAR(at.sequence_s, 4 * at.busy_s, 1e-9);
    EXPECT_NEAR(at.context_s, 404 * at.busy_s, 1e-9);
  }
}

TEST(RunSeries, AStepThatTakesNoTimeStillCounts) {
  RunSeries series(test_deployment(1, 0, 0));
  add(series, TestStep(0, Instant() + seconds(1), Duration{}, 0, 4));
  EXPECT_EQ(pool(sum(series.buckets()), Role::kUnified).steps, 1);
  EXPECT_EQ(pool(sum(series.buckets()), Role::kUnified).output_tokens, 4);
}

TEST(RunSeries, UnservedRequestsEndNow) {
  RunSeries series(test_deployment(1, 0, 0));
  add(series, TestStep(0, Instant() + milliseconds(500), milliseconds(1), 10, 0));
  series.add_request(unserved(Instant() + milliseconds(100), RequestEnd::kExpired));
  series.add_request(unserved(Instant() + milliseconds(800), RequestEnd::kRejected));
  const SeriesView view = series.view(600);
  std::vector<std::pair<int64_t, int64_t>> ends;
  for (size_t b = 0; b < view.buckets.size(); ++b) {
    if (view.buckets[b].unserved > 0) ends.emplace_back(view.end_of(b).ns() / 1'000'000, b);
  }
  ASSERT_EQ(ends.size(), 2U);
  EXPECT_NEAR(static_cast<double>(ends[0].first), 501, 2);
  EXPECT_NEAR(static_cast<double>(ends[1].first), 800, 2);
}

TEST(RunSeries, AViewCoversTheRunWithFewerPoints) {
  RunSeries series(test_deployment(0, 1, 1));
  play(series, 100, 3);
  for (const size_t points : {1, 7, 24, 600}) {
    const SeriesView view = series.view(points);
    EXPECT_LE(view.buckets.size(), points);
    expect_same(sum(view.buckets), sum(series.buckets()));
    double length = 0;
    for (size_t b = 0; b < view.buckets.size(); ++b) length += view.seconds_of(b);
    EXPECT_NEAR(length, series.end().seconds(), 1e-9);
    const double last = view.seconds_of(view.buckets.size() - 1);
    EXPECT_GE(last, view.buckets.size() == 1 ? 0 : 0.5 * to_seconds(view.width));
    EXPECT_LE(last, 1.5 * to_seconds(view.width));
  }
}

TEST(RunSeries, AnEmptyRunHasAnEmptyView) {
  const RunSeries series(test_deployment(1, 0, 0));
  EXPECT_TRUE(series.view(24).buckets.empty());
}

}  // namespace
}  // namespace weft
