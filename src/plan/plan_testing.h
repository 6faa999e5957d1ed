// For tests alone: cases from a few lines of TOML, the repository's catalog, and predictions.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "plan/prediction.h"
#include "sim/trace_testing.h"

namespace weft {

// Tests run in the root of the source tree.
inline const Catalog& repository() {
  static const Catalog kCatalog = [] {
    auto catalog = Catalog::open("catalog");
    CHECK(catalog.ok(), "the catalog can be read");
    return std::move(catalog).value();
  }();
  return kCatalog;
}

inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  CHECK(at != std::string::npos, "what a test replaces is there");
  return text.replace(at, from.size(), to);
}

// Steady steps: CM section 4.1, decode; Llama-3.1-8B on one H100, prompts.
inline constexpr char kDecodeCase[] = R"(
[[case]]
id = "decode"
hardware = "cloudmatrix384"
model = "deepseek-r1"
engine = "cloudmatrix-infer"
phase = "decode"
devices = 160
parallel = { dp = 320, tp = 1, ep = 320, pp = 1 }
precision = { weights = "int8", activations = "int8", kv = "bf16" }
batch_per_device = 96
input_tokens = 4096
output_tokens = 256
draft_tokens = 1
acceptance = 0.7
redundant_experts = 32
microbatches = 2
)";
inline constexpr char kPrefillCase[] = R"(
[[case]]
id = "prefill"
hardware = "h100-8"
model = "llama-3.1-8b"
engine = "vllm"
phase = "prefill"
devices = 1
precision = { weights = "bf16", activations = "bf16", kv = "bf16" }
tokens_per_device = 8192
input_tokens = 2048
)";
// A small run under load.
inline constexpr char kServeCase[] = R"(
[[case]]
id = "serve"
hardware = "h100-8"
model = "llama-3.1-8b"
engine = "vllm"
phase = "serve"
devices = 1
precision = { weights = "bf16", activations = "bf16", kv = "bf16" }
concurrency = 16
requests = 64
input_tokens = 512
output_tokens = 64
)";

// The one case of a text that is right.
inline Case case_from(const std::string& text) {
  auto file = parse_cases(text, "cases.toml");
  if (!file || file->cases.size() != 1) {
    ADD_FAILURE() << (file ? "not one case, or unusable: " : file.error().message)
                  << (file && !file->unusable.empty() ? file->unusable[0].message : "");
    return {};
  }
  return file->cases[0];
}

inline Prediction prediction_of(const std::string& text) {
  auto prediction = predict(case_from(text), repository());
  if (prediction) return *prediction;
  ADD_FAILURE() << prediction.error().message;
  return {};
}

// NaN, which no comparison holds for, where there is no such metric.
inline double metric(const Prediction& prediction, const std::string& name) {
  const double* value = prediction.find(name);
  return value != nullptr ? *value : std::nan("");
}

// One line that starts with the file and line and has each of the words.
inline void expect_error(const std::string& message, const std::vector<std::string>& words) {
  EXPECT_EQ(message.rfind("cases.toml:", 0), 0u) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  for (const std::string& word : words) {
    EXPECT_NE(message.find(word), std::string::npos) << "no " << word << " in " << message;
  }
}

// What predicting the one case of a text complains of.
inline void expect_refused(const std::string& text, const std::vector<std::string>& words) {
  const Case one = case_from(text);
  const auto prediction = predict(one, repository());
  ASSERT_FALSE(prediction.ok()) << words.front();
  expect_error(prediction.error().message, words);
  expect_error(prediction.error().message, {"case \"" + one.id + "\""});
}

}  // namespace weft
