// TraceLoad: a recorded trace as a workload: cut, sped up, or with other arrival times.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sim/segments.h"
#include "sim/trace.h"
#include "sim/workload_arrivals.h"
#include "sim/workload_spec.h"

namespace weft {

class TraceLoad {
 public:
  static Result<TraceLoad> open(const WorkloadSpec& spec, uint64_t seed);

  // Fills all of `out` but id; priority and deadline are the row's (0: it says nothing).
  Result<bool> next(Arrival& out);

  [[nodiscard]] double progress() const;
  [[nodiscard]] bool has_contents() const { return reader_.has_contents(); }
  [[nodiscard]] std::vector<std::string> notes() const;

 private:
  TraceLoad(const WorkloadSpec& spec, TraceReader reader, uint64_t seed);
  Result<bool> next_row();  // of the wanted span, into row_
  [[nodiscard]] Instant played(int64_t at_ns) const;

  std::string path_;
  TraceOptions options_;
  TraceReader reader_;
  TraceRow row_;
  double speedup_;
  int64_t start_ns_;
  int64_t end_ns_;
  Instant end_;  // as played
  Instant last_;
  std::optional<ArrivalTimes> times_;
  bool repeat_;
  uint64_t pass_ = 0;   // how often the file was read to its end
  TraceNotes passed_;   // notes of the passes before
  bool found_ = false;  // a row of the wanted span, in this pass
};

}  // namespace weft
