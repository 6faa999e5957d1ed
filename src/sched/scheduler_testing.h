// For the scheduler's tests: requests that own their hashes, and a device that answers at once.
#pragma once

#include <deque>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "sched/scheduler.h"

namespace weft {

// Makes requests and keeps their block hashes where they stay valid.
class RequestMaker {
 public:
  explicit RequestMaker(int64_t block) : block_(block) {}

  // The first `shared` tokens of the prompt are those of every prompt of that family.
  Request make(int64_t prompt, int64_t output, uint64_t family = 0, int64_t shared = 0) {
    Request request;
    request.id = RequestId(++made_);
    request.prompt = Tokens(prompt);
    request.max_output = Tokens(output);
    auto& blocks = blocks_.emplace_back();
    for (int64_t i = 0; i < prompt / block_; ++i) {
      const bool common = (i + 1) * block_ <= shared;
      blocks.push_back(BlockHash(mix64(common ? family : ~made_, static_cast<uint64_t>(i))));
    }
    request.blocks = blocks;
    return request;
  }

 private:
  int64_t block_;
  uint64_t made_ = 0;
  std::deque<std::vector<BlockHash>> blocks_;
};

// A scheduler whose steps are computed here: one token wherever one is due, or `gain` of a decode.
struct SchedulerBench {
  explicit SchedulerBench(const SchedulerConfig& config)
      : scheduler(config), maker(config.block.count()) {}

  // Plans and applies one step. False when there was nothing to compute.
  bool step(int32_t gain = 1) {
    if (plan() == nullptr) return false;
    apply(gain);
    return true;
  }
  const Batch* plan() {
    effects.clear();
    batch = scheduler.plan(now, effects);
    scheduler.check_integrity(true);
    return batch;
  }
  void apply(int32_t gain = 1, bool end = false) {
    std::vector<SequenceOutput> outputs;
    for (const SequenceWork& work : batch->work) {
      const int32_t tokens = work.decode && work.tokens > 0 ? gain : (work.samples ? 1 : 0);
      outputs.push_back({tokens, end && work.samples});
    }
    scheduler.apply({outputs, Duration{}}, effects);
    scheduler.check_integrity(true);
    for (const Event& event : effects.events) events.push_back(event);
  }
  // Steps until nothing is left to do; how many there were.
  int64_t run(int64_t limit = 100000) {
    int64_t steps = 0;
    while (step()) CHECK(++steps < limit, "the scheduler comes to an end");
    return steps;
  }
  [[nodiscard]] const Event* find(SequenceEvent kind, RequestId id) const {
    for (const Event& event : events) {
      if (event.kind == kind && event.request.id == id) return &event;
    }
    return nullptr;
  }
  // The part of the step under way that belongs to a request.
  [[nodiscard]] const SequenceWork* work(RequestId id) const {
    for (const SequenceWork& one : batch->work) {
      if (one.request == id) return &one;
    }
    return nullptr;
  }

  Scheduler scheduler;
  RequestMaker maker;
  Effects effects;            // of the last step
  std::vector<Event> events;  // of all steps
  const Batch* batch = nullptr;
  Instant now;
};

}  // namespace weft
