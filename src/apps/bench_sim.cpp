// Cases, the processes that run them, and the bound.
#include "apps/bench_sim.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>

#include "apps/bench_cases.h"
#include "apps/output.h"
#include "hardware/catalog.h"
#include "sim/virtual_clock.h"
#include "sim/world.h"

namespace weft {

namespace {

using WallTime = std::chrono::steady_clock;

// Of this process's one thread: neighbours on a shared machine do not count.
double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double seconds_since(WallTime::time_point start) {
  return std::chrono::duration<double>(WallTime::now() - start).count();
}

// What a case's process sends back.
struct CaseResult {
  bool ok = false;
  char message[256] = {};
  double wall_s = 0;
  double cpu_s = 0;
  double simulated_s = 0;
  int64_t requests = 0;
  int64_t tokens = 0;  // prompt and output tokens of the requests that ended
  uint64_t events = 0;
  int64_t steps = 0;
  int64_t sequence_steps = 0;
  double peak_mib = 0;
  uint64_t digest = 0;
};

struct Counter {
  CaseResult& result;
  void request_ended(const RequestRecord& record) {
    ++result.requests;
    result.tokens += record.prompt + record.output;
  }
  void step_done(const StepReport& report) {
    ++result.steps;
    result.sequence_steps += static_cast<int64_t>(report.batch.work.size());
  }
};

Status run_case(const BenchCase& bench, CaseResult& result) {
  auto catalog = Catalog::open_default();
  if (!catalog) return catalog.error();
  auto scenario = parse_scenario(bench.scenario, bench.name, {});
  if (!scenario) return scenario.error();
  auto deployment = deploy(scenario->deployment, *catalog);
  if (!deployment) return deployment.error();
  Counter counter{result};
  VirtualClock clock;
  const auto start = WallTime::now();
  const double cpu_start = cpu_seconds();
  auto world = World::make(clock, *deployment, *scenario,
                           {Callback<const RequestRecord&>::to<&Counter::request_ended>(&counter),
                            Callback<const StepReport&>::to<&Counter::step_done>(&counter)});
  if (!world) return world.error();
  if (auto ran = (*world)->run(); !ran) return ran;
  result.wall_s = seconds_since(start);
  result.cpu_s = cpu_seconds() - cpu_start;
  result.simulated_s = (*world)->last_end().seconds();
  result.events = (*world)->loop().events();
  result.digest = (*world)->cluster().router().digest();
  return {};
}

// A process per case, so that each one's peak memory is its own.
CaseResult run_apart(const BenchCase& bench) {
  CaseResult result;
  int ends[2];
  if (pipe(ends) != 0) return result;
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    const Status status = run_case(bench, result);
    result.ok = status.ok();
    if (!status) std::strncpy(result.message, status.error().message.c_str(), 255);
    const ssize_t wrote = write(ends[1], &result, sizeof result);
    _exit(wrote == static_cast<ssize_t>(sizeof result) ? 0 : 1);
  }
  close(ends[1]);
  const ssize_t got = child < 0 ? 0 : read(ends[0], &result, sizeof result);
  close(ends[0]);
  rusage usage{};
  int status = 0;
  if (child > 0) wait4(child, &status, 0, &usage);
  if (got != static_cast<ssize_t>(sizeof result)) {
    result.ok = false;
    std::strcpy(result.message, "the case's process died");
  }
  result.peak_mib = static_cast<double>(usage.ru_maxrss) / 1024.0;
  return result;
}

struct Spinner {
  Spinner(Loop& on, int64_t step)
      : loop(on), gap(step), timer(on, Callback<>::to<&Spinner::fire>(this)) {}
  void fire() { timer.arm(loop.now() + nanoseconds(gap)); }
  Loop& loop;
  int64_t gap;
  Timer timer;
};

// Cost of one event of the bare loop: 400 timers that fire and arm themselves again.
double event_seconds() {
  VirtualClock clock;
  Loop loop(clock);
  std::vector<std::unique_ptr<Spinner>> spinners;
  for (int i = 0; i < 400; ++i) {
    spinners.push_back(std::make_unique<Spinner>(loop, 1000 + 7 * i));
    spinners.back()->timer.arm(Instant(i));
  }
  const double start = cpu_seconds();
  while (loop.events() < 4'000'000) loop.run_one_turn();
  return (cpu_seconds() - start) / static_cast<double>(loop.events());
}

// Cost of one sequence's part of a step, at the least: its entry in the batch, its output and its
// progress are each read and written once.
double sequence_seconds() {
  struct Progress {
    uint64_t id, first, last, generated, most;
  };
  std::vector<SequenceWork> work(512);
  std::vector<SequenceOutput> outputs(512);
  std::vector<Progress> progress(512);
  const double start = cpu_seconds();
  constexpr int kRounds = 20000;
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < work.size(); ++i) {
      outputs[i].tokens = 1 + (static_cast<int>(mix64(i, static_cast<uint64_t>(round)) & 1));
      work[i].context += Tokens(outputs[i].tokens);
      work[i].generated += outputs[i].tokens;
      progress[i].generated += static_cast<uint64_t>(outputs[i].tokens);
      progress[i].last = static_cast<uint64_t>(round);
    }
    asm volatile("" : : "r"(work.data()), "r"(progress.data()) : "memory");
  }
  return (cpu_seconds() - start) / (kRounds * 512.0);
}

void print_head(double event, double sequence) {
  fmt::print(
      "One thread; rates are per second of its CPU time, which is wall time on an idle machine.\n"
      "Bound: {:.0f} ns an event of the bare loop, {:.1f} ns a sequence in a step; share: bound "
      "over "
      "CPU time.\n\n",
      event * 1e9, sequence * 1e9);
  fmt::print("{:<32} {:>8} {:>7} {:>7} {:>9} {:>10} {:>9} {:>8} {:>8} {:>5} {:>6}\n", "case",
             "requests", "wall s", "CPU s", "x real", "requests/s", "tokens/s", "steps", "ns/step",
             "MiB", "share");
}

void print_row(const std::string& name, const CaseResult& r, double bound) {
  fmt::print(
      "{:<32} {:>8} {:>7.2f} {:>7.2f} {:>9.0f} {:>10.0f} {:>9.3g} {:>8} {:>8.0f} {:>5.0f} "
      "{:>5.0f}%\n",
      name, r.requests, r.wall_s, r.cpu_s, r.simulated_s / r.cpu_s,
      static_cast<double>(r.requests) / r.cpu_s, static_cast<double>(r.tokens) / r.cpu_s, r.steps,
      r.cpu_s / static_cast<double>(r.steps) * 1e9, r.peak_mib, 100 * bound / r.cpu_s);
  std::fflush(stdout);
}

}  // namespace

Status bench_sim(const BenchSimOptions& options) {
  const bool quiet = options.json == "-";
  const double event = event_seconds();
  const double sequence = sequence_seconds();
  if (!quiet) print_head(event, sequence);
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const BenchCase& bench : bench_cases(options.quick)) {
    if (bench.name.find(options.only) == std::string::npos) continue;
    const CaseResult r = run_apart(bench);
    if (!r.ok) {
      if (!quiet) fmt::print("{:<32} skipped: {}\n", bench.name, r.message);
      continue;
    }
    const double bound =
        event * static_cast<double>(r.events) + sequence * static_cast<double>(r.sequence_steps);
    if (!quiet) print_row(bench.name, r, bound);
    rows.push_back({{"case", bench.name},
                    {"requests", r.requests},
                    {"wall_s", r.wall_s},
                    {"cpu_s", r.cpu_s},
                    {"simulated_s", r.simulated_s},
                    {"requests_per_s", static_cast<double>(r.requests) / r.cpu_s},
                    {"tokens_per_s", static_cast<double>(r.tokens) / r.cpu_s},
                    {"events", r.events},
                    {"steps", r.steps},
                    {"sequence_steps", r.sequence_steps},
                    {"bound_s", bound},
                    {"peak_mib", r.peak_mib},
                    {"digest", fmt::format("{:016x}", r.digest)}});
  }
  return write_output(options.json, rows.dump(2) + "\n");
}

}  // namespace weft
