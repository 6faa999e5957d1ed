// Timeline: a run as it went. Hears of every request and step, and shows them as trace events for
// chrome://tracing or Perfetto, and as one HTML page. Its memory does not grow with the run.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "report/run_metrics.h"
#include "report/run_series.h"

namespace weft {

class Timeline {
 public:
  // Above this many, events of the trace stand for 2, 4, 8, … consecutive steps of one instance.
  static constexpr size_t kMaxSteps = 1'000'000;

  // `max_steps` bounds what is kept for to_json(); 0 keeps no steps, for to_html() alone.
  explicit Timeline(const Deployment& deployment, size_t max_steps = kMaxSteps);

  void request_ended(const RequestRecord& record) { series_.add_request(record); }
  void step_done(const StepReport& report);
  void add_mark(Mark mark) { series_.add_mark(std::move(mark)); }

  // Chrome's trace-event format: a process per pool, a thread per instance, a complete event per
  // step, counters per pool. "otherData" says how many steps an event stands for.
  [[nodiscard]] std::string to_json() const;
  // A whole page that needs no network. `title` may hold any text.
  [[nodiscard]] std::string to_html(const RunSummary& summary, const SloBounds& slo,
                                    const std::string& title) const;

 private:
  // One or more consecutive steps of an instance.
  struct Record {
    Instant start;
    Instant end;
    Duration busy;
    StepTotals totals;  // summed over the steps, sequences and context too
    uint32_t steps = 0;
    uint32_t instance = 0;
    void merge(const Record& later);
  };
  void add(const Record& record);
  void halve();
  void write_names(std::string& out) const;
  void write_marks(std::string& out) const;
  void write_steps(std::string& out) const;
  void write_counters(std::string& out) const;

  const Deployment& deployment_;
  RunSeries series_;
  size_t max_records_;
  std::vector<Record> records_;  // by the end of their first step
  std::vector<size_t> last_;     // by instance: its last record, kNone before the first
  uint32_t steps_per_record_ = 1;
  int64_t steps_ = 0;
};

}  // namespace weft
