// A scheduler and an instance that run together without a loop. Included by tests only.
#pragma once

#include <map>
#include <vector>

#include "base/random.h"
#include "engine/instance.h"
#include "sched/scheduler.h"

namespace weft {

class InstanceRunner {
 public:
  InstanceRunner(const CpuModel& model, const EngineInstanceConfig& config, int64_t chunk,
                 int64_t blocks)
      : instance_(model, config), scheduler_(scheduler_config(config, chunk, blocks)) {}

  static SchedulerConfig scheduler_config(const EngineInstanceConfig& config, int64_t chunk,
                                          int64_t blocks) {
    SchedulerConfig out;
    out.block = Tokens(config.block_tokens);
    out.blocks_per_rank = blocks;
    out.max_tokens_per_rank = chunk;
    out.max_sequences_per_rank = config.max_sequences;
    out.draft_tokens = config.draft_tokens;
    return out;
  }

  static SamplingParams greedy() {
    SamplingParams params;
    params.temperature = 0;
    return params;
  }

  void add(uint64_t id, const std::vector<int32_t>& prompt, int64_t max_output,
           SamplingParams sampling = greedy()) {
    TokenSequence sequence;
    sequence.tokens = prompt;
    sequence.prompt = static_cast<int64_t>(prompt.size());
    sequence.max_output = max_output;
    sequence.sampling = std::move(sampling);
    book_.open(RequestId(id), std::move(sequence));
    Request request;
    request.id = RequestId(id);
    request.prompt = Tokens(static_cast<int64_t>(prompt.size()));
    request.max_output = Tokens(max_output);
    request.blocks = hashes_[id] = hash(prompt);
    CHECK(scheduler_.add(request, 0, 0) == Scheduler::Add::kAccepted);
  }

  // One step; false when there is none to do.
  bool step() {
    Effects effects;
    const Batch* batch = scheduler_.plan(Instant{}, effects);
    if (batch == nullptr) return false;
    std::vector<EnginePart> parts;
    for (const SequenceWork& work : batch->work) {
      if (work.tokens == 0) continue;
      parts.push_back({.sequence = book_.use(work.request),
                       .context = work.context.count(),
                       .tokens = work.tokens,
                       .decode = work.decode,
                       .samples = work.samples,
                       .table = work.table,
                       .output = {}});
    }
    instance_.step(parts);
    std::vector<SequenceOutput> outputs;
    size_t next = 0;
    for (const SequenceWork& work : batch->work) {
      outputs.push_back(work.tokens == 0 ? SequenceOutput{} : parts[next++].output);
      if (work.tokens > 0) book_.leave(work.request);
      drafted_ += work.decode ? work.tokens - 1 : 0;
      accepted_ += work.decode ? outputs.back().tokens - 1 : 0;
    }
    ++steps_;
    scheduler_.apply({outputs, {}}, effects);
    for (const Event& event : effects.events) cached_ += event.cached;
    return true;
  }

  std::vector<int32_t> output(uint64_t id) {
    const auto output = book_.find(RequestId(id))->output();
    return {output.begin(), output.end()};
  }
  [[nodiscard]] int64_t steps() const { return steps_; }
  [[nodiscard]] int64_t drafted() const { return drafted_; }
  [[nodiscard]] int64_t accepted() const { return accepted_; }
  [[nodiscard]] int64_t cached() const { return cached_; }
  [[nodiscard]] int64_t preemptions() const { return scheduler_.preemptions(); }

 private:
  // Chained hashes of the full blocks.
  [[nodiscard]] std::vector<BlockHash> hash(const std::vector<int32_t>& tokens) const {
    const auto block = static_cast<size_t>(scheduler_.config().block.count());
    std::vector<BlockHash> out;
    uint64_t chain = 0;
    for (size_t i = 0; i < tokens.size(); ++i) {
      chain = mix64(chain + static_cast<uint64_t>(tokens[i]) + 1);
      if ((i + 1) % block == 0) out.emplace_back(chain);
    }
    return out;
  }

  EngineInstance instance_;
  Scheduler scheduler_;
  TokenBook book_;
  std::map<uint64_t, std::vector<BlockHash>> hashes_;
  int64_t steps_ = 0;
  int64_t drafted_ = 0;
  int64_t accepted_ = 0;
  int64_t cached_ = 0;
};

}  // namespace weft
