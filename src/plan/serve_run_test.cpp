// Runs under load: what a small one must add up to, the same run twice, and a closed loop whose
// steady state is the decode step that an estimate gives.
#include <gtest/gtest.h>

#include "plan/plan_testing.h"

namespace weft {
namespace {

std::string arriving(const std::string& how) {
  return replaced(kServeCase, "concurrency = 16", how);
}

TEST(ServeRun, ItsRatesAddUp) {
  const Prediction p = prediction_of(kServeCase);
  const double span = metric(p, "makespan_s");
  EXPECT_GT(span, 0);
  EXPECT_NEAR(metric(p, "requests_per_s") * span, 64, 1e-6);
  EXPECT_NEAR(metric(p, "output_tokens_per_s") * span, 64 * 64, 1e-6);
  EXPECT_NEAR(metric(p, "input_tokens_per_s") * span, 64 * 512, 1e-6);
  EXPECT_NEAR(metric(p, "total_tokens_per_s") * span, 64 * 576, 1e-6);
  EXPECT_DOUBLE_EQ(metric(p, "tokens_per_s_per_device"), metric(p, "output_tokens_per_s"));
  EXPECT_NEAR(metric(p, "e2e_ms"), metric(p, "ttft_ms") + 63 * metric(p, "tpot_ms"),
              0.01 * metric(p, "e2e_ms"));
  EXPECT_LE(metric(p, "ttft_p50_ms"), metric(p, "ttft_p99_ms"));
  EXPECT_LE(metric(p, "tpot_p50_ms"), metric(p, "tpot_p99_ms"));
  EXPECT_TRUE(p.memory.has_value());
}

TEST(ServeRun, TwoRunsAreTheSameToTheLastDigit) {
  for (const std::string& how : {std::string("concurrency = 16"), std::string("rate = 20.0")}) {
    const Prediction first = prediction_of(arriving(how));
    const Prediction second = prediction_of(arriving(how));
    ASSERT_EQ(first.metrics.size(), second.metrics.size());
    for (const Published& one : first.metrics) {
      EXPECT_EQ(one.value, metric(second, one.metric)) << one.metric;
    }
  }
}

TEST(ServeRun, AllAtOnceWaitLongestAndEndSoonest) {
  const Prediction once = prediction_of(arriving("arrivals = \"at_once\""));
  const Prediction closed = prediction_of(kServeCase);
  const Prediction slow = prediction_of(arriving("rate = 2.0"));
  EXPECT_GT(metric(once, "ttft_ms"), metric(closed, "ttft_ms"));
  EXPECT_GT(metric(closed, "ttft_ms"), metric(slow, "ttft_ms"));
  EXPECT_LT(metric(once, "makespan_s"), metric(closed, "makespan_s"));
  EXPECT_GT(metric(slow, "makespan_s"), 15) << "64 requests at two a second";
  EXPECT_LT(metric(slow, "tpot_ms"), metric(closed, "tpot_ms"));
}

TEST(ServeRun, MoreInFlightIsMoreThroughputAndASlowerToken) {
  const Prediction few = prediction_of(arriving("concurrency = 2"));
  const Prediction many = prediction_of(arriving("concurrency = 32"));
  EXPECT_GT(metric(many, "output_tokens_per_s"), 3 * metric(few, "output_tokens_per_s"));
  EXPECT_GT(metric(many, "tpot_ms"), metric(few, "tpot_ms"));
}

TEST(ServeRun, LimitsOfACaseReachTheScheduler) {
  const Prediction free = prediction_of(kServeCase);
  const Prediction one_by_one = prediction_of(std::string(kServeCase) + "max_batch = 1\n");
  EXPECT_GT(metric(one_by_one, "makespan_s"), 4 * metric(free, "makespan_s"));
  const Prediction chunked = prediction_of(std::string(kServeCase) + "max_tokens_per_step = 64\n");
  EXPECT_GT(metric(chunked, "ttft_ms"), metric(free, "ttft_ms"));
}

// A log's KV of 1,200 tokens holds two requests of 576.
TEST(ServeRun, TokensOfKvThatALogNamesAreAllThereAre) {
  const Prediction free = prediction_of(kServeCase);
  const Prediction tight = prediction_of(std::string(kServeCase) + "kv_tokens = 1200\n");
  EXPECT_GT(metric(tight, "makespan_s"), 2 * metric(free, "makespan_s"));
}

TEST(ServeRun, ReuseShortensTheFirstTokenUnlessCachingIsOff) {
  const std::string shared = std::string(kServeCase) + "reuse = 0.9\n";
  const Prediction found = prediction_of(shared);
  const Prediction off = prediction_of(shared + "prefix_caching = false\n");
  EXPECT_LT(metric(found, "ttft_ms"), metric(off, "ttft_ms"));
}

// Prompts so short, and outputs so long, that nearly every step is a decode of the whole loop.
TEST(ServeRun, AClosedLoopsSteadyStateIsTheDecodeEstimate) {
  const std::string output = "output_tokens = 1024";
  std::string run = replaced(arriving("concurrency = 32"), "output_tokens = 64", output);
  run = replaced(run, "requests = 64", "requests = 32");
  run = replaced(run, "input_tokens = 512", "input_tokens = 16");
  std::string decode = replaced(kPrefillCase, "phase = \"prefill\"", "phase = \"decode\"");
  decode = replaced(decode, "tokens_per_device = 8192", "batch_per_device = 32\n" + output);
  decode = replaced(decode, "input_tokens = 2048", "input_tokens = 16");
  const double played = metric(prediction_of(run), "tpot_ms");
  const double estimated = metric(prediction_of(decode), "tpot_ms");
  EXPECT_NEAR(played / estimated, 1, 0.03);
}

TEST(ServeRun, WhatCannotRunIsOneLine) {
  expect_refused(replaced(kServeCase, "llama-3.1-8b", "llama-3.1-70b"), {"fit"});
  expect_refused(replaced(kServeCase, "llama-3.1-8b", "llama-9"), {"llama-9"});
  expect_refused(replaced(kServeCase, "h100-8", "h900-8"), {"h900"});
  expect_refused(replaced(kServeCase, "\"vllm\"", "\"vlm\""), {"vlm"});
  expect_refused(replaced(kServeCase, "input_tokens = 512", "input_tokens = 10000000"), {"fit"});
}

}  // namespace
}  // namespace weft
