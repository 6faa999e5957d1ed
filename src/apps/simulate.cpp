// weft simulate: plays a scenario on the virtual clock and prints what it came to.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <memory>

#include "apps/commands.h"
#include "apps/output.h"
#include "apps/replay.h"
#include "report/run_report.h"
#include "report/timeline.h"
#include "sim/virtual_clock.h"
#include "sim/world.h"

namespace weft {

namespace {

struct SimulateOptions {
  std::string scenario;
  std::vector<std::string> sets;
  std::optional<uint64_t> seed;
  std::string json;
  std::string report;
  std::string timeline;
  int64_t check = 0;
  std::string replay;
};

// Hears of everything in the run and passes it on.
struct Listener {
  RunMetrics metrics;
  std::unique_ptr<OutputFile> trace;  // where the timeline goes
  std::unique_ptr<Timeline> timeline;

  void request_ended(const RequestRecord& record) {
    metrics.request_ended(record);
    if (timeline != nullptr) timeline->request_ended(record);
  }
  void step_done(const StepReport& report) {
    metrics.step_done(report);
    if (timeline != nullptr) timeline->step_done(report);
  }
};

void show_progress(const World& world, const Workload& workload, const RunMetrics& metrics) {
  fmt::print(stderr, "\r{:>3.0f}%  {} requests ended, {:.0f} s simulated ",
             100 * workload.progress(), metrics.ended(),
             const_cast<World&>(world).loop().now().seconds());
  std::fflush(stderr);
}

Mark mark_of(const FaultConfig& fault) {
  const bool ends = fault.lasts > Duration{};
  const Instant until = ends ? fault.at + fault.lasts : Instant::never();
  switch (fault.kind) {
    case FaultKind::kInstanceDown:
    case FaultKind::kTierDown:
      break;
    case FaultKind::kLinkSlow:
      return {
          fault.at, until,
          fmt::format("link of {} at {:g} % of its bandwidth", fault.target, 100 * fault.factor)};
    case FaultKind::kDieSlow:
      return {fault.at, until,
              fmt::format("{} takes {:g} times as long", fault.target, fault.factor)};
  }
  return {fault.at, until, fmt::format("{} down", fault.target)};
}

// Nothing when neither a report nor a timeline is wanted. The trace goes to its file as it comes: a
// long run's is hundreds of megabytes.
Status open_timeline(const SimulateOptions& options, const Deployment& deployment,
                     const Scenario& scenario, Listener& listener) {
  if (options.timeline.empty() && options.report.empty()) return {};
  Callback<std::string_view> write;
  if (!options.timeline.empty()) {
    auto file = OutputFile::create(options.timeline);
    if (!file) return file.error();
    listener.trace = std::move(*file);
    write = Callback<std::string_view>::to<&OutputFile::append>(listener.trace.get());
  }
  listener.timeline = std::make_unique<Timeline>(deployment, write);
  for (const FaultConfig& fault : scenario.faults) listener.timeline->add_mark(mark_of(fault));
  return {};
}

Status close_timeline(const SimulateOptions& options, Listener& listener, const RunSummary& summary,
                      const SloBounds& slo, const std::string& title) {
  if (listener.timeline == nullptr) return {};
  listener.timeline->finish_trace();
  if (listener.trace != nullptr) {
    if (auto done = listener.trace->keep(); !done) return done;
  }
  if (options.report.empty()) return {};
  return write_output(options.report, listener.timeline->to_html(summary, slo, title));
}

Status simulate(const SimulateOptions& options) {
  if (options.scenario.empty())
    return bad_input("simulate: expected a scenario or --replay FILE; --help says what there is");
  for (const std::string& path : {options.json, options.report, options.timeline}) {
    if (auto writable = check_output(path); !writable) return writable.error();
  }
  auto catalog = Catalog::open_default();
  if (!catalog) return catalog.error();
  auto scenario = load_scenario(options.scenario, {options.sets, options.seed});
  if (!scenario) return scenario.error();
  auto deployment = deploy(scenario->deployment, *catalog);
  if (!deployment) return deployment.error();
  const SloBounds slo{scenario->slo.ttft_ms, scenario->slo.tpot_ms};
  Listener listener{RunMetrics(*deployment, slo), {}, {}};
  if (auto opened = open_timeline(options, *deployment, *scenario, listener); !opened) {
    return opened;
  }
  VirtualClock clock;
  auto world = World::make(clock, *deployment, *scenario,
                           {Callback<const RequestRecord&>::to<&Listener::request_ended>(&listener),
                            Callback<const StepReport&>::to<&Listener::step_done>(&listener)});
  if (!world) return world.error();
  const bool quiet = options.json == "-";
  if (!quiet) fmt::print("{}\n", deployment_table(*deployment));
  (*world)->set_integrity_checks(options.check);
  const auto started = std::chrono::steady_clock::now();
  const bool terminal = isatty(STDERR_FILENO) != 0;
  auto ran = (*world)->run([&] {
    if (terminal) show_progress(**world, *scenario->workload, listener.metrics);
  });
  if (terminal) fmt::print(stderr, "\r\033[K");
  if (!ran) return ran.error();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - started;
  const RunSummary summary =
      listener.metrics.summarize((*world)->cluster(), (*world)->last_end(), wall.count());
  if (!quiet) fmt::print("{}", run_table(summary, slo));
  for (const std::string& note : scenario->workload->notes()) fmt::print(stderr, "{}\n", note);
  if (auto done = write_output(options.json, run_json(summary)); !done) return done.error();
  return close_timeline(options, listener, summary, slo,
                        scenario->title.empty() ? scenario->path : scenario->title);
}

// The recorded run on a virtual clock; fails where a decision is not what it was.
Status replay(const SimulateOptions& options) {
  const auto played = replay_run(options.replay);
  if (!played) return played.error();
  fmt::print("{}: {} requests, {} steps, {} turns in {:.3f} s; digest {:016x}\n", options.replay,
             played->requests, played->steps, played->turns, played->seconds, played->digest);
  if (!played->has_digest) {
    fmt::print("the record was cut off: there is no digest to compare with\n");
    return {};
  }
  if (played->is_identical()) {
    fmt::print("every decision is the recorded one, at the same instant\n");
    return {};
  }
  return Error{ErrorCode::kInternal, fmt::format("{}: the record says {:016x}: decisions differ",
                                                 options.replay, played->recorded)};
}

}  // namespace

void add_simulate(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<SimulateOptions>();
  CLI::App* command = app.add_subcommand("simulate", "plays a workload on modelled hardware");
  auto* scenario = command->add_option("scenario", options->scenario, "the scenario, a TOML file");
  command
      ->add_option("--replay", options->replay,
                   "instead: plays what weft serve --record wrote, and compares every decision")
      ->excludes(scenario);
  command->add_option("--set", options->sets, "key=value: overrides one value of the scenario");
  command->add_option("--seed", options->seed, "overrides the scenario's seed");
  command->add_option("--json", options->json, "writes the results as JSON (- is standard output)");
  command->add_option("--report", options->report, "writes the results as one HTML page");
  command->add_option("--timeline", options->timeline,
                      "writes every step for chrome://tracing or Perfetto");
  command->add_option("--check", options->check,
                      "checks the invariants after every event, every block at each N-th (slow)");
  command->footer("Example:\n  weft simulate scenarios/hello.toml --set workload.requests=500");
  command->callback([options, &exit_code] {
    exit_code = report_status(options->replay.empty() ? simulate(*options) : replay(*options));
  });
}

}  // namespace weft
