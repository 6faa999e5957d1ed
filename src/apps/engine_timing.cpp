// Steps of made-up tokens, timed one by one.
#include "apps/engine_timing.h"

#include <algorithm>
#include <chrono>

#include "base/random.h"

namespace weft {

namespace {

constexpr int64_t kBlock = 16;

int64_t blocks_of(const LocalModel& local, const EngineTimingConfig& config) {
  const int64_t drafts = 1 + local.draft_tokens;
  const int64_t decoded = config.prompt + (config.steps + 1) * drafts + drafts;
  return ceil_div(std::max(config.longest + drafts, decoded), kBlock);
}

EngineInstanceConfig instance_config(const LocalModel& local, const EngineTimingConfig& config) {
  EngineInstanceConfig out = local.instance_config();
  out.block_tokens = kBlock;
  out.max_sequences = *std::ranges::max_element(config.batches);
  out.max_tokens =
      std::max({config.prompt, config.longest, out.max_sequences * (1 + out.draft_tokens)});
  out.blocks = out.max_sequences * blocks_of(local, config);
  return out;
}

StepSeconds of(const std::vector<double>& seconds) {
  return {.median = quantile(seconds, 0.5), .quick = quantile(seconds, 0.2)};
}

}  // namespace

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double quantile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  const auto at = static_cast<size_t>(share * static_cast<double>(values.size()));
  return values[std::min(at, values.size() - 1)];
}

EngineTiming::EngineTiming(const LocalModel& local, const EngineTimingConfig& config)
    : local_(local), config_(config), instance_(local.model, instance_config(local, config)) {}

int64_t EngineTiming::kv_bytes() {
  const auto layers = static_cast<int64_t>(local_.model.weights().layers.size() +
                                           local_.model.weights().mtp.size());
  return instance_.kv().blocks() * layers * kv_layout().block_bytes();
}

StepSeconds EngineTiming::prompt(int64_t tokens, int repeats) {
  std::vector<double> seconds;
  for (int r = 0; r < repeats + 1; ++r) {
    start(1, tokens);
    const double begin = now_seconds();
    prefill(0);
    const double took = now_seconds() - begin;
    if (r > 0) seconds.push_back(took);
    if (first_prompt_seconds_ == 0) first_prompt_seconds_ = took;
  }
  StepSeconds out = of(seconds);
  out.tokens = 1;
  return out;
}

StepSeconds EngineTiming::decode(int64_t batch) {
  start(batch, config_.prompt);
  for (size_t s = 0; s < sequences_.size(); ++s) prefill(s);
  std::vector<double> seconds;
  int64_t tokens = 0;
  for (int64_t step = 0; step < config_.steps; ++step) {
    const double begin = now_seconds();
    tokens += decode_step();
    seconds.push_back(now_seconds() - begin);
  }
  StepSeconds out = of(seconds);
  out.tokens = static_cast<double>(tokens) / static_cast<double>(config_.steps);
  out.context = static_cast<double>(config_.prompt) +
                out.tokens / static_cast<double>(batch) * static_cast<double>(config_.steps) / 2;
  return out;
}

void EngineTiming::start(int64_t batch, int64_t prompt) {
  Random random(7);
  const auto vocab = static_cast<uint64_t>(local_.model.shape().vocab);
  sequences_.clear();
  sequences_.resize(static_cast<size_t>(batch));
  tables_.assign(static_cast<size_t>(batch), {});
  uint32_t block = 0;
  for (size_t s = 0; s < sequences_.size(); ++s) {
    for (int64_t i = 0; i < prompt; ++i) {
      sequences_[s].tokens.push_back(static_cast<int32_t>(random.below(vocab)));
    }
    sequences_[s].prompt = prompt;
    sequences_[s].max_output = int64_t{1} << 40;
    sequences_[s].sampling.temperature = 0;
    for (int64_t b = 0; b < blocks_of(local_, config_); ++b) {
      tables_[s].push_back(BlockId(block++));
    }
  }
}

void EngineTiming::prefill(size_t sequence) {
  EnginePart part{.sequence = &sequences_[sequence],
                  .context = 0,
                  .tokens = sequences_[sequence].prompt,
                  .decode = false,
                  .samples = true,
                  .table = tables_[sequence],
                  .output = {}};
  instance_.step({&part, 1});
}

int64_t EngineTiming::decode_step() {
  parts_.clear();
  for (size_t s = 0; s < sequences_.size(); ++s) {
    const auto known = static_cast<int64_t>(sequences_[s].tokens.size());
    parts_.push_back({.sequence = &sequences_[s],
                      .context = known - 1,
                      .tokens = 1 + local_.draft_tokens,
                      .decode = true,
                      .samples = true,
                      .table = tables_[s],
                      .output = {}});
  }
  instance_.step(parts_);
  int64_t tokens = 0;
  for (const EnginePart& part : parts_) tokens += part.output.tokens;
  return tokens;
}

}  // namespace weft
