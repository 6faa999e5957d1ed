// Steps as trace events, written as they come.
#include "report/timeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "report/html_report.h"
#include "report/text.h"

namespace weft {

namespace {

constexpr size_t kPiece = 1 << 16;  // bytes that are written at a time, about
constexpr int kRunProcess = 0;      // of the trace; pools follow, as roles

int process_of(Role role) { return 1 + static_cast<int>(role); }

Role role_of(const Deployment& deployment, size_t instance) {
  return deployment.groups[deployment.instances[instance].group].config.role;
}

// Trace events count microseconds.
std::string micros(int64_t ns) { return fmt::format("{}.{:03}", ns / 1000, ns % 1000); }

void write_name(std::string& out, std::string_view what, int process, size_t thread,
                std::string_view name) {
  fmt::format_to(std::back_inserter(out),
                 ",\n"
                 R"({{"ph":"M","name":"{}","pid":{},"tid":{},"args":{{"name":{}}}}})",
                 what, process, thread, json_string(name));
}

std::string_view step_name(const StepTotals& totals) {
  if (totals.decode_sequences == 0) return "prefill";
  return totals.prefill_sequences == 0 ? "decode" : "prefill and decode";
}

void write_counter(std::string& out, int process, std::string_view name, int64_t ns, double value) {
  fmt::format_to(std::back_inserter(out),
                 ",\n"
                 R"({{"ph":"C","pid":{},"name":"{}","ts":{},"args":{{"{}":{:.6g}}}}})",
                 process, name, micros(ns), name, value);
}

}  // namespace

Timeline::Timeline(const Deployment& deployment, Callback<std::string_view> write,
                   int64_t events_per_scale)
    : deployment_(deployment),
      series_(deployment),
      write_(write),
      events_per_scale_(events_per_scale),
      open_(deployment.instances.size()) {
  CHECK(events_per_scale > 0);
  if (!write_) return;
  write_head();
  flush(0);
}

void Timeline::Record::merge(const Record& later) {
  if (steps == 0) start = later.start;
  end = later.end;
  busy += later.busy;
  totals += later.totals;
  steps += later.steps;
}

void Timeline::step_done(const StepReport& report) {
  const StepTotals totals = sum_up(report);
  series_.add_step(report, totals);
  ++steps_;
  if (!write_) return;
  const size_t instance = report.node.value() - 1;  // the router is node 0
  Record& open = open_[instance];
  open.merge({report.start, report.start + report.took, report.took, totals, 1});
  if (open.steps < steps_per_event_) return;
  write_record(instance);
  if (events_ % events_per_scale_ == 0) steps_per_event_ *= 2;
  flush(kPiece);
}

void Timeline::flush(size_t at_least) {
  if (out_.size() < at_least) return;
  write_(out_);
  out_.clear();
}

void Timeline::finish_trace() {
  if (!write_) return;
  for (size_t i = 0; i < open_.size(); ++i) {
    if (open_[i].steps > 0) write_record(i);
    flush(kPiece);
  }
  write_marks();
  write_counters();
  const std::string note =
      steps_per_event_ == 1
          ? "one event per step"
          : fmt::format(
                "too many steps for one event each: towards the end an event is up to {} "
                "consecutive steps of an instance, pauses between them included; busy_ms "
                "leaves the pauses out",
                steps_per_event_);
  fmt::format_to(std::back_inserter(out_),
                 "\n],\n"
                 R"("otherData":{{"steps":{},"events":{},"max_steps_per_event":{},)"
                 R"("counter_s":{},"note":{}}}}})"
                 "\n",
                 steps_, events_, steps_per_event_, to_seconds(series_.width()), json_string(note));
  flush(0);
}

// The first event goes without a comma before it; the others bring theirs.
void Timeline::write_head() {
  out_ += "{\"displayTimeUnit\":\"ms\",\n\"traceEvents\":[";
  const size_t comma = out_.size();
  write_names();
  out_.erase(comma, 1);
}

void Timeline::write_names() {
  write_name(out_, "process_name", kRunProcess, 0, "run");
  write_name(out_, "thread_name", kRunProcess, 0, "faults");
  size_t counts[kRoles] = {};
  for (size_t i = 0; i < deployment_.instances.size(); ++i) {
    const Role role = role_of(deployment_, i);
    size_t& count = counts[static_cast<size_t>(role)];
    const int process = process_of(role);
    if (count == 0) write_name(out_, "process_name", process, 0, role_name(role));
    write_name(out_, "thread_name", process, i + 1, fmt::format("{}/{}", role_name(role), count++));
  }
}

void Timeline::write_marks() {
  for (const Mark& mark : series_.marks()) {
    const Instant until = std::max(mark.from, std::min(mark.until, series_.end()));
    fmt::format_to(std::back_inserter(out_),
                   ",\n"
                   R"({{"ph":"X","name":{},"pid":{},"tid":0,"ts":{},"dur":{}}})",
                   json_string(mark.label), kRunProcess, micros(mark.from.ns()),
                   micros((until - mark.from).count()));
  }
}

// Writes the instance's open record and begins the next.
void Timeline::write_record(size_t instance) {
  const Record& record = open_[instance];
  const StepTotals& t = record.totals;
  const auto steps = static_cast<double>(record.steps);
  fmt::format_to(
      std::back_inserter(out_),
      ",\n"
      R"({{"ph":"X","name":"{}","pid":{},"tid":{},"ts":{},"dur":{},"args":{{"tokens":{},)"
      R"("prefill_tokens":{},"decode_tokens":{},"output_tokens":{},"sequences":{:.6g},)"
      R"("decode_sequences":{:.6g})",
      step_name(t), process_of(role_of(deployment_, instance)), instance + 1,
      micros(record.start.ns()), micros((record.end - record.start).count()),
      t.prefill_tokens + t.decode_tokens, t.prefill_tokens, t.decode_tokens, t.output_tokens,
      static_cast<double>(t.prefill_sequences + t.decode_sequences) / steps,
      static_cast<double>(t.decode_sequences) / steps);
  if (record.steps > 1) {
    fmt::format_to(std::back_inserter(out_), R"(,"steps":{},"busy_ms":{:.6g})", record.steps,
                   to_milliseconds(record.busy));
  }
  out_ += "}}";
  ++events_;
  open_[instance] = Record{};
}

void Timeline::write_counters() {
  const SeriesView view = series_.view(RunSeries::kMaxBuckets);
  int64_t in_flight = 0;
  for (size_t b = 0; b < view.buckets.size(); ++b) {
    const SeriesBucket& bucket = view.buckets[b];
    const int64_t at = view.start_of(b).ns();
    const double length = view.seconds_of(b);
    in_flight += bucket.arrived - bucket.completed - bucket.unserved;
    write_counter(out_, kRunProcess, "requests in flight", view.end_of(b).ns(),
                  static_cast<double>(in_flight));
    for (const Role role : {Role::kPrefill, Role::kDecode, Role::kUnified}) {
      if (deployment_.packages(role) == 0 || !(length > 0)) continue;
      const PoolBucket& pool = bucket.pools[static_cast<size_t>(role)];
      const int process = process_of(role);
      write_counter(out_, process, "sequences in steps", at, pool.sequence_s / length);
      write_counter(out_, process, "context tokens in steps", at, pool.context_s / length);
      write_counter(out_, process, "output tokens per s", at, pool.output_tokens / length);
    }
    flush(kPiece);
  }
}

std::string Timeline::to_html(const RunSummary& summary, const SloBounds& slo,
                              const std::string& title) const {
  return html_report({deployment_, series_, summary, slo, title});
}

}  // namespace weft
