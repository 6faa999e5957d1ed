// weft validate as a person or a script runs it: JSON by contract, exit codes, one line for each
// mistake, and cases that run beside a broken one.
#include "apps/command_testing.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace weft {
namespace {

std::string decode(const std::string& id, const std::string& hardware, double tpot_ms) {
  return fmt::format(
      "[[case]]\nid = \"{}\"\nhardware = \"{}\"\nmodel = \"llama-3.1-8b\"\nengine = \"vllm\"\n"
      "phase = \"decode\"\ndevices = 1\nbatch_per_device = 32\ninput_tokens = 1000\n"
      "precision = {{ weights = \"bf16\", activations = \"bf16\", kv = \"bf16\" }}\n"
      "[case.published]\ntpot_ms = {}\n",
      id, hardware, tpot_ms);
}

class ValidateCommand : public CommandTest {
 protected:
  ValidateCommand() {
    write("c.toml", "family = \"fam\"\n" + decode("a", "h100-8", 10) + decode("b", "h100-8", 1e6));
  }

  [[nodiscard]] Ended validate(const std::string& options = "") const {
    return run("validate --cases " + path("c.toml") + " " + options);
  }
};

TEST_F(ValidateCommand, PrintsPredictionsBesideWhatWasPublished) {
  const Ended ended = validate();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(ended.err, "");
  for (const char* words : {"fam", "a ", "tpot_ms", " %", "mean |err|", "all"}) {
    EXPECT_NE(ended.out.find(words), std::string::npos) << words << "\n" << ended.out;
  }
  const Ended summary = validate("--summary");
  EXPECT_NE(summary.out.find("fam"), std::string::npos);
  EXPECT_LT(summary.out.size(), ended.out.size());
}

// The keys of the contract, which scripts depend on.
TEST_F(ValidateCommand, JsonOnStandardOutputIsPure) {
  const Ended ended = validate("--json -");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(ended.err, "");
  const auto json = nlohmann::json::parse(ended.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << ended.out;
  ASSERT_EQ(json["cases"].size(), 2u);
  double sum = 0;
  double most = 0;
  for (const auto& row : json["cases"]) {
    EXPECT_TRUE(row["id"].is_string());
    EXPECT_EQ(row["metric"], "tpot_ms");
    const double error = row["error"];
    EXPECT_NEAR(error, row["predicted"].get<double>() / row["published"].get<double>() - 1, 1e-9);
    sum += std::abs(error);
    most = std::max(most, std::abs(error));
  }
  EXPECT_EQ(json["cases"][0]["id"], "a");
  EXPECT_EQ(json["cases"][0]["published"], 10);
  EXPECT_NEAR(json["mean_abs_error"].get<double>(), sum / 2, 1e-9);
  EXPECT_NEAR(json["max_abs_error"].get<double>(), most, 1e-9);
  EXPECT_EQ(json["families"]["fam"]["rows"], 2);
}

TEST_F(ValidateCommand, OtherCasesRunBesideAnUnusableOne) {
  for (const std::string& text : {decode("bad", "h999-8", 1) + decode("good", "h100-8", 10),
                                  decode("good", "h100-8", 10) + decode("bad", "h999-8", 1)}) {
    write("c.toml", text);
    const Ended ended = validate("--json -");
    expect_one_line(ended, {"c.toml:", "case \"bad\"", "h999"});
    const auto json = nlohmann::json::parse(ended.out, nullptr, false);
    ASSERT_TRUE(json.is_object()) << ended.out;
    ASSERT_EQ(json["cases"].size(), 1u);
    EXPECT_EQ(json["cases"][0]["id"], "good");
  }
}

TEST_F(ValidateCommand, ACaseOfTheUsersWhoseTraceIsNotHereIsUnusable) {
  write("c.toml",
        decode("good", "h100-8", 10) +
            "[[case]]\nid = \"t\"\nhardware = \"h100-8\"\nmodel = \"llama-3.1-8b\"\n"
            "engine = \"vllm\"\nphase = \"serve\"\ndevices = 1\ntrace = \"no-such-trace.csv\"\n"
            "precision = { weights = \"bf16\", activations = \"bf16\", kv = \"bf16\" }\n"
            "[case.published]\ntpot_ms = 3\n");
  const Ended ended = validate();
  expect_one_line(ended, {"case \"t\"", "trace", "no-such-trace.csv"});
  EXPECT_NE(ended.out.find("good"), std::string::npos);
}

TEST_F(ValidateCommand, WithoutPublishedFiguresThereAreNoRowsAndThatIsWritten) {
  std::string text = decode("a", "h100-8", 10);
  write("c.toml", text.erase(text.find("[case.published]")));
  const Ended ended = validate("--json -");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  const auto json = nlohmann::json::parse(ended.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << ended.out;
  EXPECT_TRUE(json["cases"].is_array() && json["cases"].empty());
  EXPECT_EQ(json["mean_abs_error"], 0);
}

TEST_F(ValidateCommand, OnlyChoosesByIdAndFamily) {
  const auto rows = [this](const std::string& only) {
    const auto json =
        nlohmann::json::parse(validate("--json - --only " + only).out, nullptr, false);
    return json.is_object() ? json["cases"].size() : 99;
  };
  EXPECT_EQ(rows("fam"), 2u);
  EXPECT_EQ(rows("b"), 1u);
  expect_refused(validate("--only nothing-like-it"), {"--only nothing-like-it"});
}

TEST_F(ValidateCommand, TheCatalogsOwnCasesAreTheDefault) {
  const Ended ended = run("validate --only cloudmatrix384-operators --json -");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  const auto json = nlohmann::json::parse(ended.out, nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_GE(json["cases"].size(), 30u);
}

TEST_F(ValidateCommand, FitsAndLeavesOut) {
  const Ended fitted = validate("--fit vllm");
  EXPECT_EQ(fitted.exit_code, 0) << fitted.err;
  EXPECT_NE(fitted.out.find("2 rows"), std::string::npos) << fitted.out;
  expect_refused(validate("--fit sglang"), {"sglang"});
  const Ended left = validate("--leave-one-out --json -");
  EXPECT_EQ(left.exit_code, 0) << left.err;
  EXPECT_EQ(nlohmann::json::parse(left.out, nullptr, false)["cases"].size(), 2u);
}

TEST_F(ValidateCommand, MistakesAreOneLine) {
  expect_refused(run("validate --cases /no/such.toml"), {"/no/such.toml: cannot be opened"});
  expect_refused(validate("--jsn x"), {"--jsn", "--help"});
  expect_refused(validate("--json /no/such/folder/x"), {"/no/such/folder/x: cannot be written"});
  write("c.toml", "[[case\n");
  expect_refused(validate(), {"c.toml:1: not TOML"});
}

TEST_F(ValidateCommand, HelpHasAnExample) {
  const Ended ended = run("validate --help");
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_NE(ended.out.find("weft validate --only cloudmatrix"), std::string::npos);
}

}  // namespace
}  // namespace weft
