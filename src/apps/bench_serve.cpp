// Options into a workload, then probe, play and report.
#include "apps/bench_serve.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "apps/load_player.h"
#include "apps/output.h"
#include "apps/serve_probe.h"
#include "apps/serve_report.h"
#include "sim/trace_paths.h"

namespace weft {

namespace {

constexpr uint64_t kDefaultRequests = 200;
constexpr int64_t kOtherFiles = 32;  // open files that are no connections

struct Plan {
  WorkloadSpec spec;
  SloBounds slo;
};

Error wrong(const std::string& message) { return bad_input("bench serve: " + message); }

ArrivalSpec arrivals_of(const BenchServeOptions& options) {
  ArrivalSpec out;
  if (options.concurrency) {
    out.process = ArrivalSpec::Process::kClosed;
    out.concurrency = *options.concurrency;
    return out;
  }
  out.rate = options.rate.value_or(0);
  out.cv = options.cv;
  if (options.process == "gamma") out.process = ArrivalSpec::Process::kGamma;
  if (options.process == "fixed") out.process = ArrivalSpec::Process::kFixed;
  return out;
}

LengthSpec fixed_length(int64_t tokens) {
  LengthSpec out;
  out.mean = static_cast<double>(tokens);
  return out;
}

// The [workload] table of a scenario, or a file that is one; a scenario's [slo] comes along.
Result<Plan> read_workload_file(const std::string& path) {
  auto file = ConfigFile::load(path);
  if (!file) return file.error();
  ConfigTable root = file->root();
  const std::string folder = std::filesystem::path(path).parent_path().string();
  Plan plan;
  if (auto slo = root.find_table("slo")) {
    plan.slo.ttft_ms = slo->number("ttft_ms", 0.0, {.min = 0});
    plan.slo.tpot_ms = slo->number("tpot_ms", 0.0, {.min = 0});
    if (auto error = slo->finish()) return *error;
  }
  auto table = root.find_table("workload");
  auto spec = read_workload_spec(table ? *table : root, folder);
  if (!spec) return spec.error();
  plan.spec = std::move(*spec);
  return plan;
}

Result<Plan> base_plan(const BenchServeOptions& options) {
  if (!options.workload.empty()) return read_workload_file(options.workload);
  Plan plan;
  if (!options.trace.empty()) {
    auto path = find_trace_file(options.trace, "");
    if (!path) return path.error();
    plan.spec.kind = WorkloadSpec::Kind::kTrace;
    plan.spec.path = plan.spec.name = *path;
    return plan;
  }
  plan.spec.name = "bench serve";
  plan.spec.input = fixed_length(options.input_tokens);
  plan.spec.output = fixed_length(options.output_tokens);
  if (!options.duration_s) plan.spec.requests = kDefaultRequests;
  return plan;
}

// What the command line says goes over what the file says.
Result<Plan> make_plan(const BenchServeOptions& options) {
  auto plan = base_plan(options);
  if (!plan) return plan;
  WorkloadSpec& spec = plan->spec;
  if (options.requests) spec.requests = options.requests;
  if (options.duration_s) spec.duration_s = options.duration_s;
  if (options.prefix_reuse > 0) spec.prefix.share = options.prefix_reuse;
  if (options.rate && spec.kind == WorkloadSpec::Kind::kServegen) {
    spec.rate = *options.rate;
  } else if (options.rate || options.concurrency) {
    if (spec.kind == WorkloadSpec::Kind::kServegen) {
      return wrong("found --concurrency for a ServeGen workload, expected --rate");
    }
    spec.arrivals = arrivals_of(options);
  }
  if (options.speedup) {
    if (spec.kind == WorkloadSpec::Kind::kMade || spec.arrivals) {
      return wrong("found --speedup without recorded arrival times, expected --rate");
    }
    spec.speedup = *options.speedup;
  }
  if (spec.kind == WorkloadSpec::Kind::kMade && !spec.arrivals) {
    return wrong("found no load, expected --rate R or --concurrency N (or --workload or --trace)");
  }
  const bool closed = spec.arrivals && spec.arrivals->process == ArrivalSpec::Process::kClosed;
  if (closed && spec.duration_s) {
    return wrong("found a closed loop with a duration, expected --requests N alone");
  }
  if (options.slo_ttft_ms) plan->slo.ttft_ms = *options.slo_ttft_ms;
  if (options.slo_tpot_ms) plan->slo.tpot_ms = *options.slo_tpot_ms;
  return plan;
}

std::string load_text(const WorkloadSpec& spec) {
  using Process = ArrivalSpec::Process;
  if (!spec.arrivals) {
    return spec.speedup == 1 ? fmt::format("{} as recorded", spec.name)
                             : fmt::format("{} at {:g} times its rate", spec.name, spec.speedup);
  }
  const ArrivalSpec& arrivals = *spec.arrivals;
  if (arrivals.process == Process::kClosed)
    return fmt::format("{} at a time", arrivals.concurrency);
  const char* process = arrivals.process == Process::kPoisson   ? "poisson"
                        : arrivals.process == Process::kGamma   ? "gamma"
                        : arrivals.process == Process::kWeibull ? "weibull"
                                                                : "fixed";
  return fmt::format("{:g} requests/s ({})", arrivals.rate, process);
}

Result<LoadPromptsConfig> prompts_config(const BenchServeOptions& options) {
  LoadPromptsConfig out;
  out.model = options.model;
  out.chat = options.endpoint == "chat";
  out.seed = options.seed;
  if (!options.token_ids) {
    if (!options.token_range.empty()) return wrong("found --token-range without --token-ids");
    return out;
  }
  if (out.chat) return wrong("found --token-ids with chat, expected --endpoint completions");
  out.token_ids.emplace();
  if (options.token_range.empty()) return out;
  *out.token_ids = {options.token_range[0], options.token_range[1]};
  if (out.token_ids->low >= 0 && out.token_ids->high > out.token_ids->low) return out;
  return wrong(
      fmt::format("--token-range: found {} {}, expected the first id and one past the last",
                  out.token_ids->low, out.token_ids->high));
}

Result<std::unique_ptr<LoadClient>> connect(const BenchServeOptions& options, HttpUrl url) {
  for (const char c : options.api_key) {
    if (c <= ' ' || c > '~') return wrong("--api-key: found a blank or control character in it");
  }
  return LoadClient::make({std::move(url), options.api_key, seconds(options.timeout_s)});
}

double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

void show_progress(const Workload& workload, const ServeMetrics& metrics, int64_t in_flight) {
  fmt::print(stderr, "\r\033[K{:>3.0f}%  {} ended, {} completed, {} in flight, {} output tokens ",
             100 * workload.progress(), metrics.ended(), metrics.completed(), in_flight,
             metrics.output_tokens());
  std::fflush(stderr);
}

LoadClientCounters since(const LoadClientCounters& after, const LoadClientCounters& before) {
  return {after.connections - before.connections, after.resent - before.resent,
          after.reads - before.reads, after.bytes - before.bytes, after.chunks - before.chunks};
}

Status none_completed(const ServeSummary& summary, const std::string& url) {
  std::string why = fmt::format("{} rejected", summary.rejected);
  for (const auto& [kind, count] : summary.failures.kinds) {
    why += fmt::format("; {} x {}: {}", count, kind, summary.failures.said.at(kind));
  }
  return Error{ErrorCode::kUnavailable,
               fmt::format("{}: none of {} requests was completed: {}", url, summary.arrived, why)};
}

class BenchServe {
 public:
  BenchServe(const BenchServeOptions& options, std::string base, Plan plan, LoadClient& client,
             Workload workload)
      : options_(options),
        base_(std::move(base)),
        plan_(std::move(plan)),
        client_(client),
        workload_(std::move(workload)),
        metrics_(plan_.slo, workload_.concurrency() == 0) {}

  Status run(const ProbedServer& server) {
    for (const std::string& note : server.notes) fmt::print(stderr, "note: {}\n", note);
    const int64_t most = client_.most_open_files() - kOtherFiles;
    if (workload_.concurrency() > most) {
      return wrong(
          fmt::format("found --concurrency {}, expected at most {}: this process may open "
                      "no more files (ulimit -n)",
                      workload_.concurrency(), most));
    }
    LoadPlayerConfig config{options_.shared_prefix, true, {}};
    const bool terminal = isatty(STDERR_FILENO) != 0;
    if (terminal) {
      config.progress = [this] { show_progress(workload_, metrics_, client_.in_flight()); };
    }
    const LoadClientCounters before = client_.counters();
    LoadPlayer player(client_, workload_, server.prompts, metrics_, std::move(config));
    const double cpu = thread_seconds();
    Status played = player.run();
    if (terminal) fmt::print(stderr, "\r\033[K");
    if (!played) return played;
    ServeContext context;
    context.cpu_s = thread_seconds() - cpu;
    context.client = since(client_.counters(), before);
    context.most_in_flight = player.most_in_flight();
    context.interrupted = player.interrupted();
    return report(server.prompts, std::move(context));
  }

 private:
  Status report(const LoadPrompts& prompts, ServeContext context) {
    context.url = base_;
    context.model = prompts.config().model;
    context.path = prompts.path();
    context.load = load_text(plan_.spec);
    context.seed = options_.seed;
    context.slo = plan_.slo;
    context.token_ids = prompts.config().token_ids.has_value();
    const ServeSummary summary = metrics_.summarize();
    if (options_.json != "-") fmt::print("{}", serve_table(summary, context));
    for (const std::string& line : workload_.notes()) fmt::print(stderr, "note: {}\n", line);
    for (const std::string& line : serve_warnings(summary, context)) {
      fmt::print(stderr, "warning: {}\n", line);
    }
    if (auto written = write_output(options_.json, serve_json(summary, context)); !written) {
      return written;
    }
    return summary.completed == 0 ? none_completed(summary, base_) : Status{};
  }

  const BenchServeOptions& options_;
  std::string base_;  // of the server's URL
  Plan plan_;
  LoadClient& client_;
  Workload workload_;
  ServeMetrics metrics_;
};

}  // namespace

Status bench_serve(const BenchServeOptions& options) {
  if (auto writable = check_output(options.json); !writable) return writable;
  auto plan = make_plan(options);
  if (!plan) return plan.error();
  auto prompts = prompts_config(options);
  if (!prompts) return prompts.error();
  auto workload = Workload::from_spec(plan->spec, options.seed);
  if (!workload) return workload.error();
  auto url = parse_http_url(options.url);
  if (!url) return url.error();
  const std::string base = url->base();
  auto client = connect(options, std::move(*url));
  if (!client) return client.error();
  auto server = probe_server(**client, base, std::move(*prompts));
  if (!server) return server.error();
  return BenchServe(options, base, std::move(*plan), **client, std::move(*workload)).run(*server);
}

}  // namespace weft
