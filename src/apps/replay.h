// Replay: a recorded run (real/run_recorder.h) played again on a clock that goes where the recorded
// one went: the same router and schedulers, the same arrivals and step outputs at the same
// instants.
#pragma once

#include <string>

#include "base/result.h"

namespace weft {

struct ReplaySummary {
  uint64_t requests = 0;  // that arrived
  uint64_t steps = 0;
  uint64_t turns = 0;
  double seconds = 0;       // from the first turn to the last
  uint64_t digest = 0;      // of every decision and its instant, as played
  bool has_digest = false;  // the record was ended; otherwise it was cut off
  uint64_t recorded = 0;    // the digest that was recorded
  [[nodiscard]] bool is_identical() const { return has_digest && digest == recorded; }
};

// kBadInput, with file and line, for what is no record; kInternal where a step is recorded that the
// scheduler did not plan.
Result<ReplaySummary> replay_run(const std::string& path);

}  // namespace weft
