// RunMetrics against sums and sorted lists made beside it.
#include "report/run_metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "node/cluster_testing.h"
#include "report/report_testing.h"

namespace weft {
namespace {

TestClusterConfig cluster_config(int unified, int prefill, int decode, int caches) {
  TestClusterConfig out;
  out.unified = unified;
  out.prefill = prefill;
  out.decode = decode;
  out.caches = caches;
  out.scheduler.block = Tokens(16);
  out.scheduler.blocks_per_rank = 512;
  out.scheduler.max_tokens_per_rank = 256;
  out.scheduler.max_sequences_per_rank = 16;
  out.scheduler.max_waiting = 64;
  return out;
}

// Nearest rank.
double percentile(std::vector<double> values, double p) {
  std::sort(values.begin(), values.end());
  const auto rank = std::ceil(p / 100 * static_cast<double>(values.size()));
  return values[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

void expect_spread(const Spread& spread, const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  const double mean = sum / static_cast<double>(values.size());
  EXPECT_NEAR(spread.mean, mean, 1e-5 * mean);
  EXPECT_NEAR(spread.p50, percentile(values, 50), 1e-5 * mean);
  EXPECT_NEAR(spread.p90, percentile(values, 90), 1e-5 * mean);
  EXPECT_NEAR(spread.p99, percentile(values, 99), 1e-5 * mean);
}

TEST(RunMetrics, PercentilesAreThoseOfTheSortedList) {
  const Deployment deployment = test_deployment(1, 0, 0);
  TestCluster idle(cluster_config(1, 0, 0, 0));
  Random random(1);
  for (const int count : {1, 2, 99, 100, 1001}) {
    RunMetrics metrics(deployment, {});
    std::vector<double> ttft;
    std::vector<double> tpot;
    for (int i = 0; i < count; ++i) {
      const Duration wait(static_cast<int64_t>(1000 + random.below(1'000'000'000)));
      const Duration gap(static_cast<int64_t>(1000 + random.below(50'000'000)));
      metrics.request_ended(completed(Instant() + seconds(i), wait, gap, 11));
      ttft.push_back(to_milliseconds(wait));
      tpot.push_back(to_milliseconds(gap));
    }
    const RunSummary out = metrics.summarize(idle.cluster, Instant() + seconds(count), 1);
    expect_spread(out.ttft_ms, ttft);
    expect_spread(out.tpot_ms, tpot);
  }
}

TEST(RunMetrics, AnEmptyRunIsAllZero) {
  const Deployment deployment = test_deployment(1, 0, 0);
  TestCluster idle(cluster_config(1, 0, 0, 0));
  const RunSummary out = RunMetrics(deployment, {100, 10}).summarize(idle.cluster, Instant(), 0);
  EXPECT_EQ(out.arrived, 0);
  EXPECT_EQ(out.ttft_ms.p99, 0);
  EXPECT_EQ(out.goodput_rps, 0);
  EXPECT_EQ(out.slo_attainment, 0);
  EXPECT_EQ(out.energy_j, 0);
  ASSERT_EQ(out.pools.size(), 1U);
  EXPECT_EQ(out.pools[0].utilization, 0);
}

TEST(RunMetrics, OnlyRequestsThatMeetEveryBoundAreGoodput) {
  const Deployment deployment = test_deployment(1, 0, 0);
  TestCluster idle(cluster_config(1, 0, 0, 0));
  RunMetrics metrics(deployment, {100, 10});
  const Instant at;
  metrics.request_ended(completed(at, milliseconds(100), milliseconds(10), 5));  // just
  metrics.request_ended(completed(at, milliseconds(101), milliseconds(10), 5));  // TTFT
  metrics.request_ended(completed(at, milliseconds(100), milliseconds(11), 5));  // TPOT
  metrics.request_ended(completed(at, milliseconds(50), Duration{}, 1));         // no TPOT
  metrics.request_ended(unserved(at, RequestEnd::kRejected));
  metrics.request_ended(unserved(at, RequestEnd::kExpired));
  metrics.request_ended(unserved(at, RequestEnd::kFailed));
  const RunSummary out = metrics.summarize(idle.cluster, Instant() + seconds(2), 1);
  EXPECT_EQ(out.arrived, 7);
  EXPECT_EQ(out.completed, 4);
  EXPECT_EQ(out.rejected, 1);
  EXPECT_EQ(out.failed, 2);
  EXPECT_DOUBLE_EQ(out.goodput_rps, 1.0);
  EXPECT_DOUBLE_EQ(out.slo_attainment, 2.0 / 7);
}

TEST(RunMetrics, EnergyAndCostFollowTheTimeAndTheWork) {
  const Deployment deployment = test_deployment(1, 0, 0);  // two packages: 20 W idle, 100 W busy
  TestCluster idle(cluster_config(1, 0, 0, 0));
  RunMetrics metrics(deployment, {});
  metrics.step_done(TestStep(0, Instant(), seconds(3), 10, 0).report());
  const RunSummary out = metrics.summarize(idle.cluster, Instant() + seconds(10), 1);
  EXPECT_NEAR(out.energy_j, 2 * (20.0 * 10 + 80.0 * 3), 1e-9);
  EXPECT_NEAR(out.cost_usd, 2 * 3.6 * 10 / 3600, 1e-12);
  EXPECT_NEAR(out.pools.at(0).utilization, 0.3, 1e-12);
}

TEST(RunMetrics, UnifiedInstancesCountForBothSides) {
  const Deployment deployment = test_deployment(1, 1, 1);
  TestCluster idle(cluster_config(1, 1, 1, 0));
  RunMetrics metrics(deployment, {});
  metrics.step_done(TestStep(0, Instant(), seconds(1), 100, 10).report());  // unified
  metrics.step_done(TestStep(1, Instant(), seconds(2), 300, 0).report());   // prefill
  metrics.step_done(TestStep(2, Instant(), seconds(4), 0, 30).report());    // decode
  const RunSummary out = metrics.summarize(idle.cluster, Instant() + seconds(4), 1);
  EXPECT_NEAR(out.prefill_tokens_per_s_per_device, 400.0 / (4 * 4), 1e-9);
  EXPECT_NEAR(out.decode_tokens_per_s_per_device, 40.0 / (4 * 4), 1e-9);
  EXPECT_NEAR(out.utilization_prefill, 3.0 / 8, 1e-9);
  EXPECT_NEAR(out.utilization_decode, 5.0 / 8, 1e-9);
  ASSERT_EQ(out.pools.size(), 3U);
  EXPECT_EQ(out.pools[0].role, "prefill");
  EXPECT_NEAR(out.pools[0].tokens_per_s_per_device, 300.0 / (4 * 2), 1e-9);
  EXPECT_NEAR(out.pools[1].tokens_per_s_per_device, 30.0 / (4 * 2), 1e-9);
}

// A whole cluster at work, with the metrics listening as a command's do.
struct Listened {
  explicit Listened(const TestClusterConfig& config, const Deployment& deployment)
      : metrics(deployment, SloBounds{}), test(config) {
    test.on_end = [this](const RequestRecord& record) { metrics.request_ended(record); };
    test.cluster.listen(Callback<const StepReport&>::to<&Listened::step_done>(this));
  }
  void step_done(const StepReport& report) {
    metrics.step_done(report);
    busy += report.took;
    ++steps;
  }
  RunMetrics metrics;
  TestCluster test;
  Duration busy;
  int64_t steps = 0;
};

TEST(RunMetrics, AWholeRunAddsUp) {
  const Deployment deployment = test_deployment(0, 2, 1);
  Listened run(cluster_config(0, 2, 1, 1), deployment);
  Random random(3);
  for (int i = 0; i < 120; ++i) {
    run.test.submit(static_cast<int64_t>(32 + random.below(200)),
                    static_cast<int64_t>(1 + random.below(40)), random.below(4), 64);
    run.test.run_for(microseconds(2));
  }
  run.test.run();
  const Instant end = run.test.loop.now();
  const RunSummary out = run.metrics.summarize(run.test.cluster, end, 1);
  int64_t prompt = 0;
  int64_t output = 0;
  int64_t cached = 0;
  std::vector<double> e2e;
  for (const auto& record : run.test.records) {
    ASSERT_TRUE(record.has_value());
    prompt += record->prompt;
    output += record->output;
    cached += record->cached;
    e2e.push_back(to_milliseconds(record->last_token - record->arrival));
  }
  EXPECT_EQ(out.arrived, 120);
  EXPECT_EQ(out.completed, run.test.count(RequestEnd::kCompleted));
  EXPECT_EQ(out.output_tokens, output);
  EXPECT_EQ(out.prompt_tokens, prompt);
  EXPECT_GT(cached, 0);
  EXPECT_NEAR(out.token_hit_rate, static_cast<double>(cached) / static_cast<double>(prompt), 1e-12);
  expect_spread(out.e2e_ms, e2e);
  int64_t steps = 0;
  double busy = 0;
  for (const PoolSummary& pool : out.pools) {
    EXPECT_LE(pool.utilization, 1.0);
    steps += pool.steps;
    busy += pool.utilization * pool.instances * end.seconds();
  }
  EXPECT_EQ(steps, run.steps);
  EXPECT_NEAR(busy, to_seconds(run.busy), 1e-9);
  ASSERT_EQ(out.tiers.size(), 1U);
  EXPECT_EQ(out.tiers[0].kind, "dram");
  EXPECT_GE(out.tiers[0].hit_rate, 0);
  EXPECT_LE(out.tiers[0].hit_rate, 1);
}

}  // namespace
}  // namespace weft
