// MadeLoad: requests from an arrival process and length distributions, single or as the turns of
// conversations.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "sim/segments.h"
#include "sim/workload_arrivals.h"
#include "sim/workload_lengths.h"
#include "sim/workload_prefixes.h"
#include "sim/workload_spec.h"

namespace weft {

// Each purpose (gaps, prompts, answers, turns) draws from its own stream of the seed, so that a
// change of one leaves the others as they were.
class MadeLoad {
 public:
  static Result<MadeLoad> make(const WorkloadSpec& spec, uint64_t seed);

  // Fills all of `out` but id, priority and deadline. False when duration_s has passed.
  Result<bool> next(Arrival& out);

  [[nodiscard]] double progress() const;  // share of duration_s, 0 without one
  [[nodiscard]] bool has_span() const { return end_ != Instant::never(); }

 private:
  struct Turn {
    Instant at;
    uint64_t conversation;
    int64_t number;  // from 1
    int64_t prefix;  // shared tokens in front of the conversation's own
    uint64_t prefix_content;
    int64_t prompt;  // all of it
  };

  MadeLoad(const WorkloadSpec& spec, LengthDistribution input, LengthDistribution output,
           uint64_t seed);
  bool next_turn(Arrival& out);
  Turn first_turn();
  void follow(const Turn& turn, Tokens output);
  static bool later(const Turn& a, const Turn& b);

  LengthDistribution input_, output_;
  ArrivalTimes times_;
  Random input_random_, output_random_, turn_random_;
  SharedPrefixes prefixes_;
  uint64_t content_seed_;
  Instant end_;
  Instant last_;
  // Conversations.
  std::optional<ConversationSpec> conversations_;
  int concurrency_;
  std::optional<Instant> next_start_;  // of the next conversation
  uint64_t started_ = 0;
  int64_t order_ = 0;        // closed loop: turns take their place in line by it
  std::vector<Turn> turns_;  // the next turn of every live conversation: a heap, earliest on top
};

}  // namespace weft
