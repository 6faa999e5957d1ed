// Tables for people and the JSON that scripts depend on.
#include "report/run_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "report/report_testing.h"

namespace weft {
namespace {

using nlohmann::json;

TEST(RunReport, JsonHoldsTheKeysOfTheContract) {
  RunSummary summary;
  summary.tiers.push_back({"dram", 0.25, 1e9});
  summary.digest = 0x12ab;
  const std::string text = run_json(summary);
  EXPECT_EQ(text.back(), '\n');
  const json out = json::parse(text);
  for (const char* key : {"arrived", "completed", "rejected", "failed"}) {
    EXPECT_TRUE(out.at("requests").at(key).is_number_integer()) << key;
  }
  for (const char* key : {"ttft_ms", "tpot_ms", "itl_ms", "e2e_ms"}) {
    for (const char* part : {"mean", "p50", "p90", "p99"}) {
      EXPECT_TRUE(out.at(key).at(part).is_number()) << key << "." << part;
    }
  }
  for (const char* key : {"simulated_s", "wall_s", "output_tokens_per_s",
                          "prefill_tokens_per_s_per_device", "decode_tokens_per_s_per_device",
                          "goodput_rps", "slo_attainment", "energy_j", "cost_usd"}) {
    EXPECT_TRUE(out.at(key).is_number()) << key;
  }
  EXPECT_TRUE(out.at("utilization").at("prefill").is_number());
  EXPECT_TRUE(out.at("utilization").at("decode").is_number());
  EXPECT_TRUE(out.at("cache").at("token_hit_rate").is_number());
  const json tier = out.at("cache").at("tiers").at(0);
  EXPECT_EQ(tier, json({{"kind", "dram"}, {"hit_rate", 0.25}, {"used_bytes", 1e9}}));
  EXPECT_EQ(out.at("digest"), "00000000000012ab");
}

TEST(RunReport, AnEmptyRunHasNumbersEverywhere) {
  const json out = json::parse(run_json(RunSummary{}));
  EXPECT_EQ(out.dump().find("null"), std::string::npos);
  EXPECT_EQ(run_table(RunSummary{}, {}).find("nan"), std::string::npos);
}

TEST(RunReport, TheTableNamesTheBoundsThatAreSet) {
  RunSummary summary;
  EXPECT_EQ(run_table(summary, {}).find("SLO"), std::string::npos);
  const std::string one = run_table(summary, {2000, 0});
  EXPECT_NE(one.find("TTFT <= 2000 ms"), std::string::npos);
  EXPECT_EQ(one.find("TPOT <="), std::string::npos);
  EXPECT_EQ(one.find("moved by faults"), std::string::npos);
  summary.retried = 2;
  EXPECT_NE(run_table(summary, {}).find("2 moved by faults"), std::string::npos);
}

TEST(RunReport, TheDeploymentIsShownBeforeTheRun) {
  const std::string table = deployment_table(test_deployment(0, 2, 1));
  EXPECT_NE(table.find("test-model on test-box, 6 packages in use"), std::string::npos);
  EXPECT_EQ(count_of(table, "prefill "), 1U);
  EXPECT_EQ(count_of(table, "decode "), 1U);
  EXPECT_NE(table.find("1024"), std::string::npos);  // KV tokens per rank
}

}  // namespace
}  // namespace weft
