// Fitting: constants that made figures up are found again from the figures, what the cases do not
// determine stays, and a family that is left out has no say.
#include "plan/engine_fit.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "plan/plan_testing.h"

namespace weft {
namespace {

// A catalog whose engine "mine" says what a test wants of it; the rest is the repository's.
class EngineFit : public testing::Test {
 protected:
  EngineFit() {
    namespace fs = std::filesystem;
    for (const char* part : {"chips", "supernodes", "models", "kernels", "networks"}) {
      fs::create_directory_symlink(fs::absolute("catalog") / part, fs::path(folder_.path()) / part);
    }
  }
  Catalog with_engine(const std::string& figures) {
    folder_.write("engines/mine.toml", "title = \"Mine\"\n" + figures);
    auto catalog = Catalog::open(folder_.path());
    CHECK(catalog.ok(), "the catalog can be read");
    return std::move(catalog).value();
  }
  TemporaryFolder folder_;
};

constexpr char kUnfitted[] =
    "host_step_us = { value = 500, grade = \"fitted\", source = \"s\" }\n"
    "small_kernel_us = { value = 2.5, grade = \"fitted\", source = \"s\" }\n";

Case decode(int batch, int context, const std::string& family) {
  std::string text = replaced(kPrefillCase, "\"vllm\"", "\"mine\"");
  text = replaced(text, "phase = \"prefill\"", "phase = \"decode\"");
  text = replaced(text, "tokens_per_device = 8192", "batch_per_device = " + std::to_string(batch));
  text = replaced(text, "input_tokens = 2048", "input_tokens = " + std::to_string(context));
  Case one = case_from(text);
  one.family = family;
  one.id = family + " " + std::to_string(batch) + " x " + std::to_string(context);
  return one;
}

// The big model's layers tell small kernels from the host's part of a step.
std::vector<Case> cases(const std::string& family) {
  std::vector<Case> out;
  for (const int batch : {1, 8, 64}) {
    for (const int context : {128, 1024}) out.push_back(decode(batch, context, family));
  }
  const size_t small = out.size();
  for (size_t i = 0; i < small; ++i) {
    out.push_back(out[i]);
    out.back().model = "llama-3.1-70b";
    out.back().layout.packages = out.back().layout.parallel.tp = 8;
  }
  return out;
}

// Publishes what these constants predict.
void publish(std::vector<Case>& all, const Catalog& catalog, const EngineCosts& costs) {
  Engine engine = catalog.engine("mine").value();
  engine.spec.costs = costs;
  for (Case& one : all) {
    auto prediction = predict(one, catalog, engine);
    ASSERT_TRUE(prediction.ok()) << prediction.error().message;
    one.published = {{"tpot_ms", metric(*prediction, "tpot_ms")}};
  }
}

// Where a constant makes up most of a step, so that the pull towards the start is weak beside it.
TEST_F(EngineFit, AConstantThatMadeFiguresUpIsFoundAgain) {
  const Catalog catalog =
      with_engine("host_step_us = { value = 10000, grade = \"fitted\", source = \"s\" }\n");
  EngineCosts truth = catalog.engine("mine")->spec.costs;
  for (const double host_step : {6e-3, 20e-3}) {
    truth.host_step = host_step;
    std::vector<Case> all = cases("f");
    publish(all, catalog, truth);
    const auto fitted = fit_engine(all, catalog, "mine");
    ASSERT_TRUE(fitted.ok()) << fitted.error().message;
    ASSERT_EQ(fitted->constants, std::vector<std::string>{"host_step_us"});
    EXPECT_GT(fitted->before.mean_abs, 0.1);
    EXPECT_LT(fitted->after.mean_abs, 0.03);
    EXPECT_NEAR(fitted->engine.spec.costs.host_step / host_step, 1, 0.05);
    EXPECT_EQ(fitted->engine.spec.costs.sampling, truth.sampling) << "not to be fitted";
    const std::string text = constants_text(*fitted);
    EXPECT_NE(text.find("host_step_us = "), std::string::npos) << text;
    EXPECT_NE(text.find("12 rows"), std::string::npos) << text;
  }
}

TEST_F(EngineFit, SeveralConstantsTogetherComeNearer) {
  const Catalog catalog = with_engine(kUnfitted);
  EngineCosts truth = catalog.engine("mine")->spec.costs;
  truth.host_step = 1e-3;
  truth.small_kernel = 4e-6;
  std::vector<Case> all = cases("f");
  publish(all, catalog, truth);
  const auto fitted = fit_engine(all, catalog, "mine");
  ASSERT_TRUE(fitted.ok()) << fitted.error().message;
  EXPECT_LT(fitted->after.mean_abs, fitted->before.mean_abs / 2);
  EXPECT_GT(fitted->engine.spec.costs.host_step, 0.5e-3);
  EXPECT_GT(fitted->engine.spec.costs.small_kernel, 2.5e-6);
}

TEST_F(EngineFit, WhatTheCasesDoNotDetermineStays) {
  const Catalog catalog =
      with_engine(std::string(kUnfitted) +
                  "request_us = { value = 2000, grade = \"fitted\", source = \"s\" }\n"
                  "expert_imbalance = { value = 1.5, grade = \"fitted\", source = "
                  "\"s\" }\n");
  EngineCosts truth = catalog.engine("mine")->spec.costs;
  truth.host_step = 3e-3;
  std::vector<Case> all = cases("f");
  publish(all, catalog, truth);
  const auto fitted = fit_engine(all, catalog, "mine");
  ASSERT_TRUE(fitted.ok());
  EXPECT_NEAR(fitted->engine.spec.costs.request, 2e-3, 1e-6) << "decodes do not show it";
  EXPECT_NEAR(fitted->engine.spec.costs.expert_imbalance, 1.5, 1e-3) << "nor do dense models";
}

TEST_F(EngineFit, ConstantsStayWithinWhatIsPossible) {
  const Catalog catalog = with_engine(kUnfitted);
  std::vector<Case> all = cases("f");
  publish(all, catalog, catalog.engine("mine")->spec.costs);
  for (const double factor : {0.01, 1000.0}) {
    std::vector<Case> wild = all;
    for (Case& one : wild) one.published[0].value *= factor;
    const auto fitted = fit_engine(wild, catalog, "mine");
    ASSERT_TRUE(fitted.ok());
    for (const EngineConstant& constant : engine_constants()) {
      const double value = fitted->engine.spec.costs.*constant.member;
      if (std::ranges::count(fitted->constants, constant.key) == 0) continue;
      EXPECT_GE(value, constant.least * (1 - 1e-9)) << constant.key;
      EXPECT_LE(value, constant.most * (1 + 1e-9)) << constant.key;
    }
  }
}

TEST_F(EngineFit, AnEngineWithoutCasesOrConstantsIsLeftAsItIs) {
  const Catalog catalog = with_engine("");
  EXPECT_EQ(fit_engine({}, catalog, "mine").error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(fit_engine({}, catalog, "yours").ok());
  std::vector<Case> all = cases("f");
  publish(all, catalog, catalog.engine("mine")->spec.costs);
  const auto fitted = fit_engine(all, catalog, "mine");
  ASSERT_TRUE(fitted.ok());
  EXPECT_TRUE(fitted->constants.empty());
  EXPECT_EQ(fitted->engine.spec.costs.host_step, EngineCosts{}.host_step);
}

// Two families made up with different constants: each is predicted with the other's alone.
TEST_F(EngineFit, AFamilyThatIsLeftOutHasNoSay) {
  const Catalog catalog = with_engine(kUnfitted);
  EngineCosts slow = catalog.engine("mine")->spec.costs;
  slow.host_step = 4e-3;
  std::vector<Case> left = cases("left");
  std::vector<Case> right = cases("right");
  publish(left, catalog, slow);
  publish(right, catalog, catalog.engine("mine")->spec.costs);
  std::vector<Case> all = left;
  all.insert(all.end(), right.begin(), right.end());
  std::vector<std::string> families;
  const auto result =
      leave_one_out(all, catalog, [&](const std::string& family) { families.push_back(family); });
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(families, (std::vector<std::string>{"left", "right"}));
  ASSERT_EQ(result->rows.size(), all.size());

  // Whatever the left family publishes, its own predictions do not change.
  for (size_t i = 0; i < left.size(); ++i) all[i].published[0].value *= 7;
  const auto again = leave_one_out(all, catalog, [](const std::string&) {});
  ASSERT_TRUE(again.ok());
  bool right_moved = false;
  for (size_t i = 0; i < all.size(); ++i) {
    const Comparison& was = result->rows[i];
    const Comparison& is = again->rows[i];
    ASSERT_EQ(was.id, is.id);
    if (was.family == "left") {
      EXPECT_EQ(was.predicted, is.predicted) << was.id;
      EXPECT_LT(was.error(), 0) << "the right family's host is the faster one";
    }
    right_moved = right_moved || (was.family == "right" && was.predicted != is.predicted);
  }
  EXPECT_TRUE(right_moved);
}

// Not even by the catalog's constants, which were fitted on it.
TEST_F(EngineFit, WithoutOtherCasesAnEngineBeginsAtTheDefaults) {
  const Catalog catalog = with_engine(replaced(kUnfitted, "500", "40000"));
  std::vector<Case> all = cases("alone");
  publish(all, catalog, catalog.engine("mine")->spec.costs);
  const auto result = leave_one_out(all, catalog, [](const std::string&) {});
  ASSERT_TRUE(result.ok());
  Engine defaults = catalog.engine("mine").value();
  reset_fitted(defaults);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(result->rows[i].predicted, metric(*predict(all[i], catalog, defaults), "tpot_ms"));
  }
}

}  // namespace
}  // namespace weft
