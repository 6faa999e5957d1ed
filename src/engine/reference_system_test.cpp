// The forward pass beside transformers, for every architecture.
#include "engine/reference_testing.h"

#include <algorithm>
#include <cmath>

#include "engine/forward.h"

namespace weft {
namespace {

constexpr int64_t kBlock = 16;

// Largest difference over the largest logit.
double relative_error(std::span<const float> found, std::span<const float> expected) {
  double worst = 0;
  double largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::abs(double{found[i]} - double{expected[i]}));
    largest = std::max(largest, std::abs(double{expected[i]}));
  }
  return worst / largest;
}

// Logits of every token of one sequence, in chunks.
std::vector<std::vector<float>> all_logits(const CpuModel& model, KvFormat kv,
                                           std::span<const int32_t> tokens, int64_t chunk) {
  Workers workers(1, false);
  const int64_t blocks = ceil_div(static_cast<int64_t>(tokens.size()), kBlock);
  KvMemory memory(*kv_layout(model.shape(), model.architecture(), kBlock, kv),
                  model.shape().layers + 1, blocks);
  Forward forward(model, {.tokens = chunk, .sequences = 1, .logit_rows = chunk}, memory, workers);
  std::vector<uint32_t> table;
  for (int64_t b = blocks; b-- > 0;) table.push_back(static_cast<uint32_t>(b));
  std::vector<std::vector<float>> out;
  for (size_t at = 0; at < tokens.size(); at += static_cast<size_t>(chunk)) {
    const size_t count = std::min(static_cast<size_t>(chunk), tokens.size() - at);
    const ForwardPart part{tokens.subspan(at, count), static_cast<int64_t>(at),
                           static_cast<int64_t>(count), table};
    forward.run({{part}});
    for (size_t i = 0; i < count; ++i) {
      const auto logits = forward.logits(static_cast<int64_t>(i));
      out.emplace_back(logits.begin(), logits.end());
    }
  }
  return out;
}

double worst_error(const CpuModel& model, KvFormat kv, const Reference& reference) {
  double worst = 0;
  for (size_t p = 0; p < reference.prompts.size(); ++p) {
    std::vector<int32_t> tokens = reference.prompts[p].tokens;
    const auto& greedy = reference.prompts[p].greedy;
    tokens.insert(tokens.end(), greedy.begin(), greedy.end() - 1);
    const auto logits = all_logits(model, kv, tokens, 64);
    for (const ReferenceLogits& expected : reference.logits) {
      if (expected.prompt != p) continue;
      worst = std::max(
          worst, relative_error(logits[static_cast<size_t>(expected.position)], expected.values));
    }
  }
  return worst;
}

struct Case {
  WeightFormat weights;
  KvFormat kv;
  double bound;
};

// INT8 and INT4 products are the same on every instruction set. Weights of these models are noise
// of a single scale, and layers are 64 wide: published models lose less.
std::vector<Case> cases(Isa isa) {
  std::vector<Case> out = {{WeightFormat::kF32, KvFormat::kF32, 1e-5},
                           {WeightFormat::kBf16, KvFormat::kBf16, 0.05}};
  if (isa != best_isa()) return out;
  out.push_back({WeightFormat::kInt8, KvFormat::kInt8, 0.15});
  out.push_back({WeightFormat::kInt4, KvFormat::kBf16, 1});
  return out;
}

class ReferenceModels : public testing::TestWithParam<std::string> {};

TEST_P(ReferenceModels, LogitsAreThoseOfTransformers) {
  const Reference reference = read_reference(GetParam());
  const TemporaryFolder folder("weft_logits_" + GetParam());
  Workers workers(1, false);
  for (const Isa isa : available_isas()) {
    for (const Case& c : cases(isa)) {
      auto model = load_reference(reference, folder, {.weights = c.weights}, isa, workers);
      EXPECT_LT(worst_error(model, c.kv, reference), c.bound)
          << isa_name(isa) << ", " << format_name(c.weights);
    }
  }
}

// The module's place p takes the hidden state at p and the token at p + 1.
double worst_mtp_error(const CpuModel& model, const Reference& reference) {
  double worst = 0;
  for (const ReferenceLogits& expected : reference.mtp) {
    const std::span<const int32_t> tokens = reference.prompts[expected.prompt].tokens;
    const auto count = static_cast<int64_t>(tokens.size());
    Workers workers(1, false);
    KvMemory memory(*kv_layout(model.shape(), model.architecture(), kBlock, KvFormat::kF32),
                    model.shape().layers + 1, ceil_div(count, kBlock));
    Forward forward(model, {.tokens = count, .sequences = 1, .logit_rows = count}, memory, workers);
    std::vector<uint32_t> table;
    for (int64_t b = 0; b < memory.blocks(); ++b) table.push_back(static_cast<uint32_t>(b));
    forward.run({{{.tokens = tokens, .table = table}}});
    const int64_t first_row = 0;
    forward.run_mtp({{{.tokens = tokens.subspan(1), .logit_rows = count - 1, .table = table}}},
                    {&first_row, 1});
    worst = std::max(worst, relative_error(forward.logits(expected.position), expected.values));
  }
  return worst;
}

TEST_P(ReferenceModels, MtpLogitsAreThoseOfTransformers) {
  const Reference reference = read_reference(GetParam());
  if (reference.mtp.empty()) return;  // this architecture has no such module
  const TemporaryFolder folder("weft_mtp_" + GetParam());
  Workers workers(1, false);
  const EngineFormat format = {.weights = WeightFormat::kF32, .loads_mtp = true};
  const CpuModel model = load_reference(reference, folder, format, best_isa(), workers);
  EXPECT_LT(worst_mtp_error(model, reference), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(All, ReferenceModels, testing::ValuesIn(reference_names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace weft
