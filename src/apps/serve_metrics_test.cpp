// Numbers out of instants, and what the reader is told of them.
#include "apps/serve_metrics.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/serve_report.h"

namespace weft {

namespace {

Instant at_ms(int64_t ms) { return Instant(ms * 1'000'000); }

// Planned at `planned`, sent 2 ms later, tokens from +100 ms on, each 10 ms.
ServeRecord record_of(int64_t planned, int64_t tokens) {
  ServeRecord out;
  out.planned = at_ms(planned);
  out.sent = at_ms(planned + 2);
  out.first = at_ms(planned + 100);
  out.last = at_ms(planned + 100 + 10 * (tokens - 1));
  out.end = at_ms(planned + 100 + 10 * tokens);
  out.chunks = (tokens + 1) / 2;  // two tokens a chunk
  out.asked_prompt = 50;
  out.asked_output = tokens;
  out.prompt_tokens = 60;
  out.output_tokens = tokens;
  out.cached_tokens = 30;
  return out;
}

TEST(ServeMetrics, LatenciesCountFromThePlan) {
  ServeMetrics metrics({}, true);
  metrics.completed(record_of(0, 11));
  metrics.chunk_gap(milliseconds(20));
  const ServeSummary s = metrics.summarize();
  EXPECT_NEAR(s.ttft_ms.mean, 100, 1e-3);
  EXPECT_NEAR(s.tpot_ms.p50, 10, 1e-3) << "by the server's count, not by chunks";
  EXPECT_NEAR(s.e2e_ms.p99, 200, 1e-3);
  EXPECT_NEAR(s.itl_ms.mean, 20, 1e-3);
  EXPECT_NEAR(s.lateness_ms.p99, 2, 1e-3);
  EXPECT_NEAR(s.most_lateness_ms, 2, 1e-3);
}

TEST(ServeMetrics, RatesAreOverTheTimeFromTheFirstPlanToTheLastEnd) {
  ServeMetrics metrics({.ttft_ms = 150, .tpot_ms = 9.5}, true);
  metrics.completed(record_of(1000, 1));  // one token: no TPOT to miss
  metrics.completed(record_of(2000, 11));
  metrics.rejected(record_of(2500, 0), 3);
  metrics.failed(record_of(2790, 1), "timeout", "no end");
  metrics.failed(record_of(2890, 1), "timeout", "no end either");
  const ServeSummary s = metrics.summarize();
  EXPECT_NEAR(s.wall_s, 2.0, 1e-9);
  EXPECT_EQ(s.arrived, 5);
  EXPECT_EQ(s.completed, 2);
  EXPECT_EQ(s.rejected, 1);
  EXPECT_EQ(s.failed, 2);
  EXPECT_NEAR(s.goodput_rps, 0.5, 1e-9);
  EXPECT_NEAR(s.slo_attainment, 0.2, 1e-9);
  EXPECT_NEAR(s.output_tokens_per_s, 14 / 2.0, 1e-9);
  EXPECT_NEAR(s.total_tokens_per_s, (14 + 120) / 2.0, 1e-9);
  EXPECT_NEAR(s.offered_rps, 4 / 1.89, 1e-9);
  EXPECT_EQ(s.failures.kinds.at("timeout"), 2);
  EXPECT_EQ(s.failures.said.at("timeout"), "no end");
  EXPECT_EQ(s.retry_after_given, 1);
  EXPECT_EQ(s.retry_after_s.p50, 3);
}

TEST(ServeMetrics, WithoutTheServersCountAChunkIsAToken) {
  ServeRecord record = record_of(0, 11);
  record.output_tokens = record.prompt_tokens = -1;
  ServeMetrics metrics({}, false);
  metrics.completed(record);
  const ServeSummary s = metrics.summarize();
  EXPECT_EQ(s.output_tokens, 6);
  EXPECT_NEAR(s.tpot_ms.p50, 20, 1e-3);
  EXPECT_EQ(s.uncounted, 1);
  EXPECT_EQ(s.prompt_tokens, 50);
  const auto warnings = serve_warnings(s, {});
  ASSERT_GE(warnings.size(), 2u);
  EXPECT_NE(warnings[0].find("usage.prompt_tokens"), std::string::npos);
  EXPECT_NE(warnings[1].find("usage.completion_tokens"), std::string::npos);
}

TEST(ServeMetrics, AnEmptyRunIsAllZeros) {
  const ServeSummary s = ServeMetrics({}, true).summarize();
  EXPECT_EQ(s.arrived, 0);
  EXPECT_EQ(s.wall_s, 0);
  EXPECT_TRUE(serve_warnings(s, {}).empty());
  EXPECT_EQ(nlohmann::json::parse(serve_json(s, {}))["requests"]["arrived"], 0);
}

TEST(ServeReport, WarnsWhereTheClientMattersAndOnlyThere) {
  ServeMetrics late({}, true);
  ServeRecord record = record_of(0, 11);
  record.sent = at_ms(30);
  record.prompt_tokens = 50;
  late.completed(record);
  ServeContext context;
  auto warnings = serve_warnings(late.summarize(), context);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("30.0 ms"), std::string::npos) << warnings[0];
  ServeMetrics timely({}, true);
  record.sent = at_ms(1);
  timely.completed(record);
  EXPECT_TRUE(serve_warnings(timely.summarize(), context).empty());
  context.cpu_s = 0.9 * timely.summarize().wall_s;
  EXPECT_EQ(serve_warnings(timely.summarize(), context).size(), 1u);
}

TEST(ServeReport, JsonHoldsTheContractsKeysWhateverTheServerSays) {
  ServeMetrics metrics({.ttft_ms = 100}, true);
  metrics.completed(record_of(0, 11));
  metrics.failed(record_of(0, 0), "bad reply", "\xff\xfe");
  const auto json = nlohmann::json::parse(serve_json(metrics.summarize(), ServeContext()));
  for (const char* key : {"arrived", "completed", "rejected", "failed"}) {
    EXPECT_TRUE(json["requests"].contains(key)) << key;
  }
  for (const char* key : {"ttft_ms", "tpot_ms", "itl_ms", "e2e_ms", "lateness_ms"}) {
    for (const char* of : {"mean", "p50", "p90", "p99"}) {
      EXPECT_TRUE(json[key][of].is_number()) << key << " " << of;
    }
  }
  for (const char* key : {"wall_s", "output_tokens_per_s", "goodput_rps", "slo_attainment"}) {
    EXPECT_TRUE(json[key].is_number()) << key;
  }
  EXPECT_EQ(json["cache"]["token_hit_rate"], 0.5);
}

}  // namespace

}  // namespace weft
