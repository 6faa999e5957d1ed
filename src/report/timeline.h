// Timeline: a run as it went. Hears of every request and step, and shows them as trace events for
// chrome://tracing or Perfetto, written while the run goes, and as one HTML page. Its memory does
// not grow with the run.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "report/run_metrics.h"
#include "report/run_series.h"

namespace weft {

class Timeline {
 public:
  // After so many events of steps, each further one stands for twice as many consecutive steps of
  // an instance: a day's trace stays one that a viewer can open.
  static constexpr int64_t kEventsPerScale = 1 << 19;

  // `write` gets the trace piece by piece, the first before the constructor returns; without it
  // there is no trace.
  explicit Timeline(const Deployment& deployment, Callback<std::string_view> write = {},
                    int64_t events_per_scale = kEventsPerScale);

  void request_ended(const RequestRecord& record) { series_.add_request(record); }
  void step_done(const StepReport& report);
  void add_mark(Mark mark) { series_.add_mark(std::move(mark)); }

  // Writes what is left of the trace. Chrome's format: a process per pool, a thread per instance, a
  // complete event per step, counters per pool. "otherData" says how many steps an event stands
  // for. To be called once, after the last step.
  void finish_trace();
  // A whole page that needs no network. `title` may hold any text.
  [[nodiscard]] std::string to_html(const RunSummary& summary, const SloBounds& slo,
                                    const std::string& title) const;

 private:
  // Consecutive steps of an instance that become one event.
  struct Record {
    Instant start;
    Instant end;
    Duration busy;
    StepTotals totals;  // summed over the steps, sequences and context too
    int64_t steps = 0;
    void merge(const Record& later);
  };
  void write_head();
  void write_names();
  void write_record(size_t instance);
  void write_marks();
  void write_counters();
  void flush(size_t at_least);

  const Deployment& deployment_;
  RunSeries series_;
  Callback<std::string_view> write_;
  int64_t events_per_scale_;
  std::vector<Record> open_;  // by instance: steps that are not written yet
  std::string out_;           // events that are not written yet
  int64_t steps_per_event_ = 1;
  int64_t steps_ = 0;
  int64_t events_ = 0;
};

}  // namespace weft
