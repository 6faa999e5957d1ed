// Keeping steps within bounds, and writing them as trace events.
#include "report/timeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "report/html_report.h"
#include "report/text.h"

namespace weft {

namespace {

constexpr size_t kNone = static_cast<size_t>(-1);
constexpr int kRunProcess = 0;  // of the trace; pools follow, as roles

int process_of(Role role) { return 1 + static_cast<int>(role); }

Role role_of(const Deployment& deployment, size_t instance) {
  return deployment.groups[deployment.instances[instance].group].config.role;
}

// Trace events count microseconds.
std::string micros(int64_t ns) { return fmt::format("{}.{:03}", ns / 1000, ns % 1000); }

void write_name(std::string& out, std::string_view what, int process, size_t thread,
                std::string_view name) {
  fmt::format_to(std::back_inserter(out),
                 R"({{"ph":"M","name":"{}","pid":{},"tid":{},"args":{{"name":{}}}}},)"
                 "\n",
                 what, process, thread, json_string(name));
}

std::string_view step_name(const StepTotals& totals) {
  if (totals.decode_sequences == 0) return "prefill";
  return totals.prefill_sequences == 0 ? "decode" : "prefill and decode";
}

void write_counter(std::string& out, int process, std::string_view name, int64_t ns, double value) {
  fmt::format_to(std::back_inserter(out),
                 R"({{"ph":"C","pid":{},"name":"{}","ts":{},"args":{{"{}":{:.6g}}}}},)"
                 "\n",
                 process, name, micros(ns), name, value);
}

}  // namespace

Timeline::Timeline(const Deployment& deployment, size_t max_steps)
    : deployment_(deployment),
      series_(deployment),
      max_records_(max_steps),
      last_(deployment.instances.size(), kNone) {}

void Timeline::Record::merge(const Record& later) {
  end = later.end;
  busy += later.busy;
  totals += later.totals;
  steps += later.steps;
}

void Timeline::step_done(const StepReport& report) {
  const StepTotals totals = sum_up(report);
  series_.add_step(report, totals);
  ++steps_;
  if (max_records_ == 0) return;
  const uint32_t instance = report.node.value() - 1;  // the router is node 0
  add({report.start, report.start + report.took, report.took, totals, 1, instance});
}

// Into the instance's last record while that has room, else into a new one.
void Timeline::add(const Record& record) {
  size_t& last = last_[record.instance];
  if (last != kNone && records_[last].steps + record.steps <= steps_per_record_) {
    records_[last].merge(record);
    return;
  }
  // One record per instance always has a place, however low the bound.
  if (records_.size() >= std::max(max_records_, 2 * last_.size())) halve();
  last_[record.instance] = records_.size();
  records_.push_back(record);
}

// Joins the records of each instance two by two, in place.
void Timeline::halve() {
  steps_per_record_ *= 2;
  std::fill(last_.begin(), last_.end(), kNone);
  size_t kept = 0;
  for (const Record& record : records_) {
    size_t& last = last_[record.instance];
    if (last != kNone && records_[last].steps + record.steps <= steps_per_record_) {
      records_[last].merge(record);
    } else {
      last = kept;
      records_[kept++] = record;
    }
  }
  records_.resize(kept);
}

std::string Timeline::to_json() const {
  std::string out;
  constexpr size_t kBytesPerEvent = 240;
  out.reserve(records_.size() * kBytesPerEvent + (1 << 16));
  out += "{\"displayTimeUnit\":\"ms\",\"otherData\":";
  fmt::format_to(
      std::back_inserter(out),
      R"({{"steps":{},"events":{},"max_steps_per_event":{},"counter_s":{},"note":{}}},)", steps_,
      records_.size(), steps_per_record_, to_seconds(series_.width()),
      json_string(steps_per_record_ == 1
                      ? "one event per step"
                      : fmt::format("too many steps for one event each: an event is up to {} "
                                    "consecutive steps of an instance, pauses between them "
                                    "included; busy_ms leaves the pauses out",
                                    steps_per_record_)));
  out += "\n\"traceEvents\":[\n";
  write_names(out);
  write_marks(out);
  write_steps(out);
  write_counters(out);
  out.resize(out.size() - 2);  // the last comma and line end
  out += "\n]}\n";
  return out;
}

void Timeline::write_names(std::string& out) const {
  write_name(out, "process_name", kRunProcess, 0, "run");
  write_name(out, "thread_name", kRunProcess, 0, "faults");
  size_t counts[kRoles] = {};
  for (size_t i = 0; i < deployment_.instances.size(); ++i) {
    const Role role = role_of(deployment_, i);
    size_t& count = counts[static_cast<size_t>(role)];
    const int process = process_of(role);
    if (count == 0) write_name(out, "process_name", process, 0, role_name(role));
    write_name(out, "thread_name", process, i + 1, fmt::format("{}/{}", role_name(role), count++));
  }
}

void Timeline::write_marks(std::string& out) const {
  for (const Mark& mark : series_.marks()) {
    const Instant until = std::max(mark.from, std::min(mark.until, series_.end()));
    fmt::format_to(std::back_inserter(out),
                   R"({{"ph":"X","name":{},"pid":{},"tid":0,"ts":{},"dur":{}}},)"
                   "\n",
                   json_string(mark.label), kRunProcess, micros(mark.from.ns()),
                   micros((until - mark.from).count()));
  }
}

void Timeline::write_steps(std::string& out) const {
  for (const Record& record : records_) {
    const StepTotals& t = record.totals;
    fmt::format_to(
        std::back_inserter(out),
        R"({{"ph":"X","name":"{}","pid":{},"tid":{},"ts":{},"dur":{},"args":{{"tokens":{},)"
        R"("prefill_tokens":{},"decode_tokens":{},"output_tokens":{},"sequences":{:.6g},)"
        R"("decode_sequences":{:.6g})",
        step_name(t), process_of(role_of(deployment_, record.instance)), record.instance + 1,
        micros(record.start.ns()), micros((record.end - record.start).count()),
        t.prefill_tokens + t.decode_tokens, t.prefill_tokens, t.decode_tokens, t.output_tokens,
        static_cast<double>(t.prefill_sequences + t.decode_sequences) / record.steps,
        static_cast<double>(t.decode_sequences) / record.steps);
    if (record.steps > 1) {
      fmt::format_to(std::back_inserter(out), R"(,"steps":{},"busy_ms":{:.6g})", record.steps,
                     to_milliseconds(record.busy));
    }
    out += "}},\n";
  }
}

void Timeline::write_counters(std::string& out) const {
  const SeriesView view = series_.view(RunSeries::kMaxBuckets);
  int64_t in_flight = 0;
  for (size_t b = 0; b < view.buckets.size(); ++b) {
    const SeriesBucket& bucket = view.buckets[b];
    const int64_t at = view.start_of(b).ns();
    const double length = view.seconds_of(b);
    in_flight += bucket.arrived - bucket.completed - bucket.unserved;
    write_counter(out, kRunProcess, "requests in flight", view.end_of(b).ns(),
                  static_cast<double>(in_flight));
    for (const Role role : {Role::kPrefill, Role::kDecode, Role::kUnified}) {
      if (deployment_.packages(role) == 0 || !(length > 0)) continue;
      const PoolBucket& pool = bucket.pools[static_cast<size_t>(role)];
      const int process = process_of(role);
      write_counter(out, process, "sequences in steps", at, pool.sequence_s / length);
      write_counter(out, process, "context tokens in steps", at, pool.context_s / length);
      write_counter(out, process, "output tokens per s", at, pool.output_tokens / length);
    }
  }
}

std::string Timeline::to_html(const RunSummary& summary, const SloBounds& slo,
                              const std::string& title) const {
  return html_report({deployment_, series_, summary, slo, title});
}

}  // namespace weft
