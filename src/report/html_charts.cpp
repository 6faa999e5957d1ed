// From buckets to curves, and curves to JSON.
#include "report/html_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>

#include "report/text.h"

namespace weft {

namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

// One value for each bucket.
std::vector<double> curve(const SeriesView& view,
                          const std::function<double(const SeriesBucket&, double seconds)>& value) {
  std::vector<double> out;
  out.reserve(view.buckets.size());
  for (size_t b = 0; b < view.buckets.size(); ++b) {
    out.push_back(value(view.buckets[b], view.seconds_of(b)));
  }
  return out;
}

std::vector<double> rate(const SeriesView& view,
                         const std::function<double(const SeriesBucket&)>& count) {
  return curve(view, [&](const SeriesBucket& b, double s) { return s > 0 ? count(b) / s : 0; });
}

bool any(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(), [](double v) { return v > 0; });
}

Chart make_chart(std::string title, std::string unit, std::string note, std::string empty) {
  Chart out;
  out.title = std::move(title);
  out.unit = std::move(unit);
  out.note = std::move(note);
  out.empty = std::move(empty);
  return out;
}

struct Pool {
  Role role = Role::kUnified;
  ChartColor color = ChartColor::kFirst;
  int instances = 0;
  double kv_tokens = 0;  // that fit into the memory of all its instances
};

std::vector<Pool> pools_of(const Deployment& deployment) {
  std::vector<Pool> out{{Role::kPrefill, ChartColor::kFirst, 0, 0},
                        {Role::kDecode, ChartColor::kSecond, 0, 0},
                        {Role::kUnified, ChartColor::kThird, 0, 0}};
  for (const InstancePlace& place : deployment.instances) {
    const DeployedGroup& group = deployment.groups[place.group];
    Pool& pool = out[static_cast<size_t>(group.config.role)];
    ++pool.instances;
    pool.kv_tokens += static_cast<double>(group.scheduler.blocks_per_rank) *
                      static_cast<double>(group.scheduler.ranks) *
                      group.scheduler.block.as_double();
  }
  std::erase_if(out, [](const Pool& pool) { return pool.instances == 0; });
  return out;
}

// One line for each pool.
Chart pool_chart(const HtmlInput& input, const SeriesView& view, std::string title,
                 std::string unit, std::string note,
                 const std::function<double(const Pool&, const PoolBucket&, double)>& value) {
  Chart out =
      make_chart(std::move(title), std::move(unit), std::move(note), "No step was computed.");
  for (const Pool& pool : pools_of(input.deployment)) {
    auto values = curve(view, [&](const SeriesBucket& bucket, double seconds) {
      return seconds > 0 ? value(pool, bucket.pools[static_cast<size_t>(pool.role)], seconds) : 0;
    });
    out.lines.push_back({std::string(role_name(pool.role)), pool.color, std::move(values)});
  }
  return out;
}

Chart requests_chart(const SeriesView& view) {
  Chart out = make_chart("Requests", "requests/s", "by when they arrived and ended",
                         "No request arrived, or no time passed.");
  const auto arrived = [](const SeriesBucket& b) { return static_cast<double>(b.arrived); };
  const auto completed = [](const SeriesBucket& b) { return static_cast<double>(b.completed); };
  const auto unserved = [](const SeriesBucket& b) { return static_cast<double>(b.unserved); };
  out.lines.push_back({"arrived", ChartColor::kFirst, rate(view, arrived)});
  out.lines.push_back({"completed", ChartColor::kThird, rate(view, completed)});
  auto bad = rate(view, unserved);
  if (any(bad)) out.lines.push_back({"rejected or failed", ChartColor::kBad, std::move(bad)});
  return out;
}

Chart in_flight_chart(const SeriesView& view) {
  Chart out = make_chart("Requests in flight", "requests",
                         "arrived and not yet ended, in queues too", "No request arrived.");
  double before = 0;
  out.lines.push_back(
      {"in flight", ChartColor::kFirst, curve(view, [&](const SeriesBucket& b, double) {
         const double after = before + static_cast<double>(b.arrived - b.completed - b.unserved);
         const double mean = 0.5 * (before + after);
         before = after;
         return mean;
       })});
  return out;
}

Chart output_chart(const HtmlInput& input, const SeriesView& view) {
  const bool again = input.summary.retried > 0;
  Chart out =
      make_chart("Output tokens", "tokens/s",
                 again ? "of all pools, those made again after faults included" : "of all pools",
                 "No token was made.");
  out.lines.push_back({"output", ChartColor::kSecond, rate(view, [](const SeriesBucket& b) {
                         double sum = 0;
                         for (const PoolBucket& pool : b.pools) sum += pool.output_tokens;
                         return sum;
                       })});
  return out;
}

Chart prompt_chart(const SeriesView& view) {
  Chart out = make_chart("Prompt tokens", "tokens/s",
                         "of completed requests, counted when the first token came out",
                         "No request was completed.");
  out.kind = ChartKind::kStack;
  const auto computed = [](const SeriesBucket& b) {
    return static_cast<double>(b.computed_tokens);
  };
  const auto cached = [](const SeriesBucket& b) { return static_cast<double>(b.cached_tokens); };
  out.lines.push_back({"computed", ChartColor::kFirst, rate(view, computed)});
  out.lines.push_back({"from the cache", ChartColor::kThird, rate(view, cached)});
  return out;
}

// What is drawn of TTFT, or of TPOT.
struct Latency {
  std::string name;
  LatencyBins SeriesBucket::*bins;
  double limit;
  std::string note;  // of the chart over time
  std::string empty;
};

Chart latency_chart(const SeriesView& view, const Latency& latency) {
  Chart out = make_chart(latency.name + " over time", "ms", latency.note, latency.empty);
  out.limit = latency.limit;
  const auto add = [&](const char* name, double p, ChartColor color) {
    out.lines.push_back({name, color, curve(view, [&](const SeriesBucket& bucket, double) {
                           const LatencyBins& bins = bucket.*latency.bins;
                           return bins.count() > 0 ? bins.percentile_ms(p) : kNothing;
                         })});
  };
  add("p50", 50, ChartColor::kFirst);
  add("p99", 99, ChartColor::kSecond);
  return out;
}

Chart distribution_chart(const SeriesView& view, const Latency& latency) {
  constexpr size_t kMaxPoints = 400;
  Chart out = make_chart(latency.name + " distribution", "ms",
                         "share of completed requests at or below", latency.empty);
  out.limit = latency.limit;
  out.kind = ChartKind::kDistribution;
  LatencyBins all;
  for (const SeriesBucket& bucket : view.buckets) all.merge(bucket.*latency.bins);
  const auto edges = all.cumulative();
  const size_t stride = edges.size() / kMaxPoints + 1;
  ChartLine line{"requests", ChartColor::kFirst, {}};
  for (size_t i = 0; i < edges.size(); ++i) {
    if (i % stride != 0 && i + 1 != edges.size()) continue;
    out.x.push_back(edges[i].ms);
    line.values.push_back(100.0 * static_cast<double>(edges[i].below) /
                          static_cast<double>(all.count()));
  }
  out.lines.push_back(std::move(line));
  return out;
}

ChartSection latency_section(const HtmlInput& input, const SeriesView& view) {
  const Latency ttft{"TTFT", &SeriesBucket::ttft, input.slo.ttft_ms,
                     "arrival to first token, by when the first token came out",
                     "No request was completed."};
  const Latency tpot{"TPOT", &SeriesBucket::tpot, input.slo.tpot_ms,
                     "mean time per token after the first, by when the last came out",
                     "No request was completed with more than one token."};
  return {"",  // under the table of latencies
          {latency_chart(view, ttft), latency_chart(view, tpot), distribution_chart(view, ttft),
           distribution_chart(view, tpot)}};
}

ChartSection pool_section(const HtmlInput& input, const SeriesView& view) {
  ChartSection out{"Pools", {}};
  out.charts.push_back(pool_chart(input, view, "Busy", "%",
                                  "share of the time in which an instance computed",
                                  [](const Pool& pool, const PoolBucket& b, double seconds) {
                                    return 100 * b.busy_s / (seconds * pool.instances);
                                  }));
  out.charts.push_back(pool_chart(
      input, view, "Sequences in steps", "sequences", "all instances of a pool together",
      [](const Pool&, const PoolBucket& b, double seconds) { return b.sequence_s / seconds; }));
  out.charts.push_back(pool_chart(input, view, "Step time", "ms", "mean of the steps",
                                  [](const Pool&, const PoolBucket& b, double) {
                                    return b.steps > 0 ? 1e3 * b.busy_s / b.steps : kNothing;
                                  }));
  out.charts.push_back(pool_chart(input, view, "Context in steps", "% of KV room",
                                  "a prefix that sequences share counts for each of them",
                                  [](const Pool& pool, const PoolBucket& b, double seconds) {
                                    return pool.kv_tokens > 0
                                               ? 100 * b.context_s / (seconds * pool.kv_tokens)
                                               : kNothing;
                                  }));
  return out;
}

void append_numbers(std::string& out, const std::vector<double>& values) {
  out += '[';
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    if (std::isfinite(values[i])) {
      fmt::format_to(std::back_inserter(out), "{:.5g}", values[i]);
    } else {
      out += "null";
    }
  }
  out += ']';
}

void append_chart(std::string& out, const Chart& chart) {
  constexpr const char* kKinds[] = {"lines", "stack", "distribution"};
  fmt::format_to(std::back_inserter(out),
                 R"({{"title":{},"unit":{},"empty":{},"kind":"{}","limit":{:.6g},"x":)",
                 json_string(chart.title), json_string(chart.unit), json_string(chart.empty),
                 kKinds[static_cast<size_t>(chart.kind)], chart.limit);
  append_numbers(out, chart.x);
  out += ",\"lines\":[";
  for (size_t i = 0; i < chart.lines.size(); ++i) {
    const ChartLine& line = chart.lines[i];
    fmt::format_to(std::back_inserter(out), R"({}{{"name":{},"color":{},"values":)",
                   i == 0 ? "" : ",", json_string(line.name), static_cast<int>(line.color));
    append_numbers(out, line.values);
    out += '}';
  }
  out += "]}";
}

}  // namespace

SeriesView chart_view(const HtmlInput& input) {
  constexpr int64_t kRequestsPerPoint = 100;
  const int64_t points = std::clamp<int64_t>(input.summary.completed / kRequestsPerPoint, 24, 160);
  return input.series.view(static_cast<size_t>(points));
}

std::vector<ChartSection> run_charts(const HtmlInput& input, const SeriesView& view) {
  std::vector<ChartSection> out;
  out.push_back(latency_section(input, view));
  out.push_back({"Load",
                 {requests_chart(view), in_flight_chart(view), output_chart(input, view),
                  prompt_chart(view)}});
  out.push_back(pool_section(input, view));
  return out;
}

std::string charts_json(const std::vector<ChartSection>& sections, const SeriesView& view,
                        const std::vector<Mark>& marks) {
  std::string out = fmt::format(R"({{"width":{},"end":{},"count":{},"marks":[)",
                                to_seconds(view.width), view.end.seconds(), view.buckets.size());
  for (size_t i = 0; i < marks.size(); ++i) {
    const Instant until = std::min(marks[i].until, view.end);
    fmt::format_to(std::back_inserter(out), R"({}{{"from":{},"until":{},"label":{}}})",
                   i == 0 ? "" : ",", marks[i].from.seconds(), until.seconds(),
                   json_string(marks[i].label));
  }
  out += "],\"charts\":[";
  bool first = true;
  for (const ChartSection& section : sections) {
    for (const Chart& chart : section.charts) {
      if (!first) out += ",\n";
      first = false;
      append_chart(out, chart);
    }
  }
  return out + "]}";
}

}  // namespace weft
