// Steady steps: the loads that a case describes, the identities between its metrics, and one line
// for what cannot be.
#include <gtest/gtest.h>

#include "plan/plan_testing.h"

namespace weft {
namespace {

std::string with(const std::string& text, const std::string& key, const std::string& value) {
  const size_t at = text.find("\n" + key + " = ");
  if (at == std::string::npos) return text + key + " = " + value + "\n";
  const size_t end = text.find('\n', at + 1);
  return std::string(text).replace(at + 1, end - at - 1, key + " = " + value);
}

RankLoad load_of(const std::string& text) { return steady_loads(case_from(text)).front(); }

TEST(SteadyLoads, EveryRankDecodesItsPartOfThePackagesBatch) {
  const auto loads = steady_loads(case_from(kDecodeCase));
  ASSERT_EQ(loads.size(), 320u);
  for (const RankLoad& load : loads) EXPECT_EQ(load, loads.front());
  EXPECT_EQ(loads[0].decode_sequences, 48) << "96 per package of two dies";
  EXPECT_EQ(loads[0].decode_tokens, 96) << "one draft token beside each";
  EXPECT_EQ(loads[0].decode_context, 48 * (4096 + 128));
  EXPECT_EQ(loads[0].sampled, 48);
  EXPECT_EQ(loads[0].prefill_tokens, 0);
  EXPECT_EQ(load_of(with(kDecodeCase, "batch_per_device", "97")).decode_sequences, 49)
      << "the fullest rank sets the step";
  EXPECT_EQ(load_of(with(kDecodeCase, "batch_per_device", "0.1")).decode_sequences, 1);
}

TEST(SteadyLoads, APrefillStepHoldsWholePrompts) {
  const RankLoad load = load_of(kPrefillCase);
  EXPECT_EQ(load.prefill_tokens, 8192);
  EXPECT_EQ(load.prefill_sequences, 4);
  EXPECT_EQ(load.prefill_products, 4 * 2048.0 * 2049 / 2) << "each token sees those before it";
  EXPECT_EQ(load.prefill_context, 0);
  EXPECT_EQ(load.prefill_longest, 2048);
  EXPECT_EQ(load.sampled, 4);
  EXPECT_EQ(load.decode_tokens, 0);
}

TEST(SteadyLoads, TokensThatAreFoundAreReadAndNotComputed) {
  const RankLoad load = load_of(with(kPrefillCase, "reuse", "0.5"));
  EXPECT_EQ(load.prefill_tokens, 4096);
  EXPECT_EQ(load.prefill_sequences, 4);
  EXPECT_EQ(load.prefill_context, 4 * 1024);
  EXPECT_EQ(load.prefill_products, 4096 * (1024 + 1025.0 / 2));
  EXPECT_EQ(load.prefill_longest, 2048);
}

// The chunks of a prompt together see what the whole prompt sees, and read what lies before them.
TEST(SteadyLoads, AChunkIsTheMeanOfItsPromptsChunks) {
  const RankLoad chunk = load_of(with(kPrefillCase, "input_tokens", "32768"));
  EXPECT_EQ(chunk.prefill_tokens, 8192);
  EXPECT_EQ(chunk.prefill_sequences, 1);
  EXPECT_EQ(4 * chunk.prefill_products, 32768.0 * 32769 / 2);
  EXPECT_EQ(chunk.prefill_context, (0 + 8192 + 16384 + 24576) / 4);
  EXPECT_EQ(chunk.prefill_longest, 32768);
}

TEST(TokensPerStep, IsOneAndWhatEveryDraftAddsWhenThoseBeforeItWereTaken) {
  EXPECT_EQ(tokens_per_step(0, 0.7), 1);
  EXPECT_DOUBLE_EQ(tokens_per_step(1, 0.7), 1.7);
  EXPECT_DOUBLE_EQ(tokens_per_step(3, 0.5), 1.875);
  EXPECT_EQ(tokens_per_step(4, 1), 5);
  EXPECT_EQ(tokens_per_step(4, 0), 1);
}

TEST(SteadyStep, ADecodeGainsOneTokenAndTheAcceptedDraft) {
  const Prediction p = prediction_of(kDecodeCase);
  EXPECT_GT(p.step_ms, 0);
  EXPECT_DOUBLE_EQ(metric(p, "itl_ms"), p.step_ms);
  EXPECT_DOUBLE_EQ(metric(p, "tpot_ms") * 1.7, p.step_ms);
  EXPECT_DOUBLE_EQ(metric(p, "tokens_per_s_per_device") * metric(p, "tpot_ms"), 96e3);
  EXPECT_DOUBLE_EQ(metric(p, "output_tokens_per_s"), 160 * metric(p, "tokens_per_s_per_device"));
  EXPECT_EQ(p.find("ttft_ms"), nullptr);
}

TEST(SteadyStep, AcceptanceChangesTheTokensAndNotTheStep) {
  const Prediction half = prediction_of(with(kDecodeCase, "acceptance", "0.5"));
  const Prediction all = prediction_of(with(kDecodeCase, "acceptance", "1"));
  EXPECT_EQ(half.step_ms, all.step_ms);
  EXPECT_DOUBLE_EQ(metric(half, "tpot_ms") * 1.5, metric(all, "tpot_ms") * 2);
}

TEST(SteadyStep, TermsAddUpAndNoStepBeatsTheBound) {
  for (const char* text : {kDecodeCase, kPrefillCase}) {
    const Prediction p = prediction_of(text);
    double sum = 0;
    for (const Term& term : p.terms) sum += term.seconds * 1e3;
    EXPECT_NEAR(sum, p.step_ms, 1e-3 * p.step_ms);
    EXPECT_GT(p.bound_ms, 0);
    EXPECT_GE(p.step_ms, p.bound_ms);
    EXPECT_TRUE(p.memory.has_value());
  }
}

TEST(SteadyStep, PromptsArePaidByTheToken) {
  const Prediction p = prediction_of(kPrefillCase);
  EXPECT_DOUBLE_EQ(metric(p, "tokens_per_s_per_device") * p.step_ms, 8192e3);
  EXPECT_DOUBLE_EQ(metric(p, "input_tokens_per_s"), metric(p, "tokens_per_s_per_device"));
  EXPECT_GE(metric(p, "ttft_ms"), p.step_ms);
  EXPECT_EQ(p.find("tpot_ms"), nullptr);
}

TEST(SteadyStep, TheFirstTokenWaitsForEveryChunk) {
  const auto steps = [](const std::string& text) {
    const Prediction p = prediction_of(text);
    const EngineCosts costs = repository().engine("vllm")->spec.costs;
    const double front = 1e3 * (costs.request + costs.request_token * 32768);
    return (metric(p, "ttft_ms") - front) / p.step_ms;
  };
  const std::string chunks = with(kPrefillCase, "input_tokens", "32768");
  EXPECT_NEAR(steps(chunks), 4, 1e-9);
  EXPECT_NEAR(steps(with(chunks, "reuse", "0.5")), 4, 1e-9)
      << "tokens_per_device counts what is found";
}

TEST(SteadyStep, KnownEffectsComeOutOfIt) {
  const auto step = [](const std::string& text) { return prediction_of(text).step_ms; };
  EXPECT_LT(step(with(kDecodeCase, "batch_per_device", "8")), step(kDecodeCase));
  EXPECT_LT(step(kDecodeCase), step(with(kDecodeCase, "context_tokens", "8192")));
  EXPECT_LT(step(with(kDecodeCase, "expert_balance", "\"perfect\"")),
            step(with(kDecodeCase, "expert_balance", "3.0")));
  EXPECT_LT(step(with(kPrefillCase, "reuse", "0.5")), step(kPrefillCase));
  EXPECT_LE(step(kDecodeCase), step(with(kDecodeCase, "microbatches", "1")))
      << "nobody must use the micro-batches that are allowed";
}

TEST(SteadyStep, SaysWhenItLeavesWhatItsConstantsWereFittedOn) {
  const Prediction borrowed = prediction_of(with(kPrefillCase, "hardware", "\"mi300x-8\""));
  ASSERT_FALSE(borrowed.outside.empty());
  EXPECT_NE(borrowed.outside[0].find("MI300X"), std::string::npos) << borrowed.outside[0];
  const std::string prompt = with(kPrefillCase, "tokens_per_device", "400000");
  const Prediction far = prediction_of(with(prompt, "input_tokens", "400000"));
  ASSERT_FALSE(far.outside.empty());
  EXPECT_NE(far.outside.back().find("outside the range"), std::string::npos);
}

TEST(SteadyStep, ABatchThatDoesNotFitInMemorySaysWhatWould) {
  expect_refused(with(kDecodeCase, "batch_per_device", "960"),
                 {"batch_per_device", "KV in flight", "memory holds", "missing"});
  expect_refused(with(with(kPrefillCase, "model", "\"llama-3.1-70b\""), "devices", "1"),
                 {"memory"});
  expect_refused(with(kDecodeCase, "context_tokens", "200000"), {"batch_per_device", "KV"});
}

TEST(SteadyStep, UnknownNamesAreNamed) {
  expect_refused(with(kDecodeCase, "model", "\"deepseek-r9\""), {"model", "deepseek-r9"});
  expect_refused(with(kDecodeCase, "hardware", "\"cloudmatrix385\""), {"cloudmatrix385"});
  expect_refused(with(kDecodeCase, "hardware", "\"h101-8\""), {"h101"});
  expect_refused(with(kDecodeCase, "engine", "\"vlm\""), {"engine", "vlm", "vllm"});
}

TEST(SteadyStep, AFormatThatTheChipLacksSaysWhatItHas) {
  const std::string int8 = "{ weights = \"int8\", activations = \"int8\", kv = \"bf16\" }";
  expect_refused(with(with(kPrefillCase, "precision", int8), "hardware", "\"mi355x-8\""),
                 {"precision", "does not compute in int8", "it has", "bf16", "fp8"});
  const std::string fp8 = "{ weights = \"fp8\", activations = \"fp8\", kv = \"bf16\" }";
  expect_refused(with(kDecodeCase, "precision", fp8), {"Ascend 910C", "fp8", "bf16", "int8"});
}

TEST(SteadyStep, ImpossibleDegreesAreNamed) {
  expect_refused(with(kDecodeCase, "devices", "100"), {"dp", "320", "100"});
  expect_refused(with(kDecodeCase, "devices", "500"), {"500"});
  expect_refused(with(kDecodeCase, "redundant_experts", "100"), {"ep = 320", "would fit"});
  expect_refused(with(kPrefillCase, "parallel", "{ tp = 3 }"), {"tp"});
  expect_refused(with(kPrefillCase, "parallel", "{ ep = 2 }"), {"ep = 2", "no experts"});
  expect_refused(with(kPrefillCase, "draft_tokens", "1"), {"draft_tokens", "no MTP"});
  expect_refused(with(kPrefillCase, "parallel", "{ dp = 1048576, tp = 1048576 }"), {"dp"});
}

}  // namespace
}  // namespace weft
