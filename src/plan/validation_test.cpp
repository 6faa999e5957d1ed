// Predictions beside published figures: signs of errors, summaries by hand, families in order, and
// cases that cannot be predicted beside those that can.
#include "plan/validation.h"

#include <gtest/gtest.h>

#include "plan/plan_testing.h"

namespace weft {
namespace {

Comparison row(const std::string& id, const std::string& family, double published,
               double predicted) {
  return {id, family, "tpot_ms", published, predicted, false};
}

TEST(Comparison, ErrorsArePositiveWherePredictionsAreTooHigh) {
  EXPECT_NEAR(row("a", "f", 50, 55).error(), 0.1, 1e-12);
  EXPECT_NEAR(row("a", "f", 50, 40).error(), -0.2, 1e-12);
}

TEST(Summary, IsWhatAHandCounts) {
  const ErrorSummary sum =
      summarize({row("a", "f", 100, 110), row("b", "f", 100, 60), row("c", "g", 100, 120)});
  EXPECT_EQ(sum.rows, 3);
  EXPECT_NEAR(sum.mean_abs, 0.7 / 3, 1e-12);
  EXPECT_NEAR(sum.median_abs, 0.2, 1e-12);
  EXPECT_NEAR(sum.max_abs, 0.4, 1e-12);
  EXPECT_NEAR(sum.bias, -0.1 / 3, 1e-12);
  EXPECT_EQ(sum.worst, "b tpot_ms");
  EXPECT_NEAR(summarize({row("a", "f", 1, 1.1), row("b", "f", 1, 1.3)}).median_abs, 0.2, 1e-12);
  EXPECT_EQ(summarize({}).rows, 0);
  EXPECT_EQ(summarize({}).mean_abs, 0);
}

TEST(Families, AreInTheOrderOfTheirNamesWithTheirRowsInOrder) {
  const auto families = by_family({row("a", "z", 1, 1), row("b", "y", 1, 1), row("c", "z", 1, 1)});
  ASSERT_EQ(families.size(), 2u);
  EXPECT_EQ(families.begin()->first, "y");
  ASSERT_EQ(families.at("z").size(), 2u);
  EXPECT_EQ(families.at("z")[0].id, "a");
  EXPECT_EQ(families.at("z")[1].id, "c");
}

std::vector<Case> cases_of(const std::string& text) {
  auto file = parse_cases(text, "cases.toml");
  if (file) return file->cases;
  ADD_FAILURE() << file.error().message;
  return {};
}

TEST(Validation, ComparesEveryPublishedMetricInItsOwnUnit) {
  const std::string text =
      std::string(kDecodeCase) + "[case.published]\ntpot_ms = 50\ntokens_per_s_per_device = 2000\n";
  const Validation result = validate(cases_of(text), repository());
  EXPECT_TRUE(result.unusable.empty());
  ASSERT_EQ(result.rows.size(), 2u);
  const Prediction p = prediction_of(kDecodeCase);
  EXPECT_EQ(result.rows[0].metric, "tpot_ms");
  EXPECT_EQ(result.rows[0].published, 50);
  EXPECT_EQ(result.rows[0].predicted, metric(p, "tpot_ms"));
  EXPECT_EQ(result.rows[1].predicted, metric(p, "tokens_per_s_per_device"));
  EXPECT_EQ(result.rows[1].id, "decode");
  EXPECT_EQ(result.rows[1].family, "cases");
}

TEST(Validation, ACaseThatCannotBePredictedLeavesTheOthers) {
  const std::string published = "[case.published]\ntokens_per_s_per_device = 2000\n";
  const std::string text =
      replaced(kDecodeCase, "deepseek-r1", "deepseek-r9") + published + kPrefillCase + published;
  std::vector<size_t> done;
  const Validation result =
      validate(cases_of(text), repository(), {}, [&](size_t n) { done.push_back(n); });
  ASSERT_EQ(result.rows.size(), 1u);
  EXPECT_EQ(result.rows[0].id, "prefill");
  ASSERT_EQ(result.unusable.size(), 1u);
  expect_error(result.unusable[0].message, {"case \"decode\"", "deepseek-r9"});
  EXPECT_EQ(done, (std::vector<size_t>{1, 2}));
}

TEST(Validation, AMetricThatThePhaseHasNotGotIsOneLineAndTheRestIsCompared) {
  const std::string text =
      std::string(kDecodeCase) + "[case.published]\nttft_ms = 50\ntpot_ms = 50\n";
  const Validation result = validate(cases_of(text), repository());
  ASSERT_EQ(result.rows.size(), 1u);
  EXPECT_EQ(result.rows[0].metric, "tpot_ms");
  ASSERT_EQ(result.unusable.size(), 1u);
  expect_error(result.unusable[0].message, {"case \"decode\"", "published.ttft_ms", "decode"});
}

TEST(Validation, AnEngineThatIsGivenReplacesTheCatalogs) {
  const std::vector<Case> cases =
      cases_of(std::string(kPrefillCase) + "[case.published]\nttft_ms = 50\n");
  Engine slow = repository().engine("vllm").value();
  slow.spec.costs.request += 1;
  const double usual = validate(cases, repository()).rows.at(0).predicted;
  const Validation result = validate(cases, repository(), [&](const Case&) { return &slow; });
  EXPECT_NEAR(result.rows.at(0).predicted, usual + 1000, 1e-6);
}

}  // namespace
}  // namespace weft
