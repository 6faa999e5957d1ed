// The [workload] table, key by key.
#include "sim/workload_spec.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "sim/trace_paths.h"

namespace weft {
namespace {

using Kind = WorkloadSpec::Kind;

constexpr double kLeastRate = 1e-9;  // requests per second
constexpr double kMostRate = 1e7;
constexpr double kLongestSeconds = 3.15576e9;  // a hundred years
constexpr double kMostLiveConversations = 1e7;

const char* kind_name(Kind kind) {
  switch (kind) {
    case Kind::kTrace:
      return "trace";
    case Kind::kServegen:
      return "servegen";
    case Kind::kMade:
      return "made";
  }
  return "";
}

// Which keys go with which kind of load; those of all kinds are not listed.
struct KeyUse {
  const char* key;
  bool trace, made, servegen;
};

constexpr KeyUse kUses[] = {
    {"arrivals", true, true, false},       {"input_tokens", false, true, false},
    {"output_tokens", false, true, false}, {"conversations", false, true, false},
    {"speedup", true, false, true},        {"start_s", true, false, true},
    {"end_s", true, false, true},          {"repeat", true, false, false},
    {"lengths", true, false, false},       {"hash_tokens", true, false, false},
    {"rate", false, false, true},          {"clients", false, false, true},
};

void check_keys(ConfigTable& table, Kind kind) {
  for (const KeyUse& use : kUses) {
    const bool fits = kind == Kind::kTrace  ? use.trace
                      : kind == Kind::kMade ? use.made
                                            : use.servegen;
    if (fits || !table.has(use.key)) continue;
    std::vector<std::string> owners;
    if (use.trace) owners.emplace_back("a trace");
    if (use.made) owners.emplace_back("a made load (arrivals, input_tokens, output_tokens)");
    if (use.servegen) owners.emplace_back("servegen");
    table.fail(use.key, fmt::format("found in a {} workload, expected only in {}", kind_name(kind),
                                    join_alternatives(owners)));
  }
}

std::string read_path(ConfigTable& table, std::string_view key, const std::string& base_folder) {
  std::string name = table.text(key);
  if (name.empty()) {
    table.fail(key, "found \"\", expected a file name");
    return name;
  }
  auto path = find_trace_file(name, base_folder);
  if (path) return *path;
  table.fail(key, path.error().message);
  return name;
}

ArrivalSpec read_arrivals(ConfigTable table) {
  using Process = ArrivalSpec::Process;
  ArrivalSpec spec;
  if (table.has("concurrency")) {
    spec.process = Process::kClosed;
    spec.concurrency = static_cast<int>(table.integer("concurrency", {1, 100'000'000}));
    return spec;
  }
  const std::string process =
      table.choice("process", {"poisson", "gamma", "weibull", "fixed"}, "poisson");
  spec.rate = table.number("rate", {.min = kLeastRate, .max = kMostRate});
  if (process == "gamma") {
    spec.process = Process::kGamma;
    spec.cv = table.number("cv", {.min = 0.01, .max = 100});
  } else if (process == "weibull") {
    spec.process = Process::kWeibull;
    spec.shape = table.number("shape", {.min = 0.05, .max = 100});
  } else if (process == "fixed") {
    spec.process = Process::kFixed;
  }
  return spec;
}

void read_empirical(ConfigTable& table, LengthSpec& spec) {
  spec.kind = LengthSpec::Kind::kEmpirical;
  spec.values = table.numbers("values");
  spec.weights = table.numbers("weights");
  if (spec.values.empty()) table.fail("values", "found none, expected an array of token counts");
  for (const double value : spec.values) {
    if (value < 0 || value > static_cast<double>(kMostTokens)) {
      table.fail("values", fmt::format("found {}, expected 0 to {}", value, kMostTokens));
    }
  }
  if (spec.weights.empty()) return;
  double sum = 0;
  for (const double weight : spec.weights) {
    if (weight < 0) table.fail("weights", fmt::format("found {}, expected 0 or more", weight));
    sum += weight;
  }
  if (spec.weights.size() != spec.values.size()) {
    table.fail("weights", fmt::format("found {} for {} values, expected as many",
                                      spec.weights.size(), spec.values.size()));
  }
  if (!(sum > 0) || !std::isfinite(sum))
    table.fail("weights", "found a sum of 0 or past all bounds");
}

LengthSpec read_lengths(ConfigTable table, const std::string& base_folder) {
  using K = LengthSpec::Kind;
  const NumberRange tokens = {.min = 1, .max = static_cast<double>(kMostTokens)};
  LengthSpec spec;
  const std::string dist = table.choice(
      "dist", {"fixed", "uniform", "lognormal", "exponential", "empirical", "file"}, "fixed");
  if (dist == "fixed") {
    spec.mean = table.number("value", tokens);
  } else if (dist == "uniform") {
    spec.kind = K::kUniform;
    spec.min = table.integer("min", IntegerRange{1, kMostTokens});
    spec.max = table.integer("max", IntegerRange{1, kMostTokens});
  } else if (dist == "lognormal") {
    spec.kind = K::kLognormal;
    spec.mean = table.number("mean", tokens);
    spec.sigma = table.number("sigma", {.min = 0, .max = 10});
  } else if (dist == "exponential") {
    spec.kind = K::kExponential;
    spec.mean = table.number("mean", tokens);
  } else if (dist == "empirical") {
    read_empirical(table, spec);
  } else {
    spec.kind = K::kFile;
    spec.file = read_path(table, "file", base_folder);
    spec.column = table.text("column");
  }
  if (spec.kind != K::kUniform) {
    spec.min = table.integer("min", 1, {1, kMostTokens});
    spec.max = table.integer("max", kMostTokens, {1, kMostTokens});
  }
  if (spec.max < spec.min) {
    table.fail("max",
               fmt::format("found {} below min = {}, expected at least that", spec.max, spec.min));
  }
  return spec;
}

ConversationSpec read_conversations(ConfigTable table) {
  ConversationSpec spec;
  spec.turns = table.number("turns", {.min = 1, .max = 10'000});
  spec.think_s = table.number("think_s", 0.0, {.min = 0, .max = kLongestSeconds});
  spec.max_tokens = table.integer("max_tokens", spec.max_tokens, {1, kMostTokens});
  return spec;
}

void read_trace(ConfigTable& table, const std::string& base_folder, WorkloadSpec& spec) {
  spec.path = read_path(table, "trace", base_folder);
  spec.served_lengths = table.choice("lengths", {"requested", "served"}, "requested") == "served";
  spec.hash_tokens = table.integer("hash_tokens", 0, {1, 1 << 20});
  spec.repeat = table.boolean("repeat", false);
  if (auto arrivals = table.find_table("arrivals")) {
    spec.arrivals = read_arrivals(*arrivals);
    const bool closed = spec.arrivals->process == ArrivalSpec::Process::kClosed;
    if (spec.repeat && !spec.requests && (closed || !spec.duration_s)) {
      table.fail("repeat", "found without an end, expected requests or duration_s beside it");
    }
    if (closed && spec.duration_s) {
      table.fail("duration_s",
                 "found in a closed loop, expected requests: only answers set its pace");
    }
    if (table.has("speedup")) {
      table.fail("speedup",
                 "found beside arrivals, expected one of the two: arrivals replace the "
                 "trace's times");
    }
  } else if (spec.repeat) {
    table.fail("repeat",
               "found without arrivals, expected arrivals = { … }: recorded times do not "
               "go round");
  }
}

void read_span(ConfigTable& table, WorkloadSpec& spec) {
  if (!spec.arrivals) spec.speedup = table.number("speedup", 1.0, {.min = 1e-6, .max = 1e6});
  spec.start_s = table.number("start_s", 0.0, {.min = 0, .max = kLongestSeconds});
  if (!table.has("end_s")) return;
  spec.end_s = table.number("end_s", {.min = 0, .max = kLongestSeconds, .exclusive_min = true});
  if (*spec.end_s <= spec.start_s) {
    table.fail("end_s",
               fmt::format("found {}, expected more than start_s = {}", *spec.end_s, spec.start_s));
  }
}

void read_made(ConfigTable& table, const std::string& base_folder, WorkloadSpec& spec) {
  if (!table.has("arrivals")) {
    table.fail("arrivals",
               "missing; expected arrivals = { … } with input_tokens and output_tokens, or "
               "trace = \"FILE\", or servegen = \"FILE\"");
  }
  spec.arrivals = read_arrivals(table.table("arrivals"));
  spec.input = read_length_spec(table, "input_tokens", base_folder);
  spec.output = read_length_spec(table, "output_tokens", base_folder);
  if (auto conversations = table.find_table("conversations")) {
    spec.conversations = read_conversations(*conversations);
    const double live = spec.arrivals->rate * spec.conversations->think_s;
    if (live > kMostLiveConversations) {
      table.fail("conversations", fmt::format("found about {:.3g} conversations at a time (rate x "
                                              "think_s), expected at most {:.0g}",
                                              live, kMostLiveConversations));
    }
  }
  const bool closed = spec.arrivals->process == ArrivalSpec::Process::kClosed;
  if (closed && spec.duration_s) {
    table.fail("duration_s",
               "found in a closed loop, expected requests: only answers set its pace");
  }
  if (!spec.requests && (closed || !spec.duration_s)) {
    table.fail("requests", closed ? "missing; a closed loop ends after so many requests"
                                  : "missing; expected requests, duration_s or both");
  }
}

void read_common(ConfigTable& table, WorkloadSpec& spec) {
  if (table.has("requests")) {
    spec.requests =
        static_cast<uint64_t>(table.integer("requests", IntegerRange{1, 1'000'000'000'000}));
  }
  if (table.has("duration_s")) {
    spec.duration_s =
        table.number("duration_s", {.min = 0, .max = kLongestSeconds, .exclusive_min = true});
  }
  spec.prefix.share = table.number("prefix_reuse", 0.0, {.min = 0, .max = 1});
  spec.prefix.prefixes = table.integer("prefixes", spec.prefix.prefixes, {1, 100'000});
  spec.prefix.skew = table.number("prefix_skew", spec.prefix.skew, {.min = 0, .max = 10});
  spec.deadline_s = table.number("deadline_s", 0.0, {.min = 0, .max = kLongestSeconds});
  spec.priorities = table.numbers("priorities");
  double sum = 0;
  for (const double share : spec.priorities) {
    if (share < 0)
      table.fail("priorities", fmt::format("found {}, expected shares of 0 or more", share));
    sum += share;
  }
  if (!spec.priorities.empty() && std::abs(sum - 1) > 1e-6) {
    table.fail("priorities", fmt::format("found shares that add up to {}, expected 1", sum));
  }
}

}  // namespace

LengthSpec read_length_spec(ConfigTable& table, std::string_view key,
                            const std::string& base_folder) {
  if (!table.is_number(key)) return read_lengths(table.table(key), base_folder);
  LengthSpec fixed;
  fixed.mean = table.number(key, {.min = 1, .max = static_cast<double>(kMostTokens)});
  return fixed;
}

Result<WorkloadSpec> read_workload_spec(ConfigTable table, const std::string& base_folder) {
  WorkloadSpec spec;
  spec.name = table.where();
  if (table.has("trace") && table.has("servegen")) {
    table.fail("servegen", "found beside trace, expected one of the two");
  }
  if (table.has("trace")) spec.kind = Kind::kTrace;
  if (table.has("servegen")) spec.kind = Kind::kServegen;
  check_keys(table, spec.kind);
  read_common(table, spec);
  switch (spec.kind) {
    case Kind::kTrace:
      read_trace(table, base_folder, spec);
      read_span(table, spec);
      break;
    case Kind::kServegen:
      spec.path = read_path(table, "servegen", base_folder);
      spec.rate = table.number("rate", 0.0, {.min = kLeastRate, .max = kMostRate});
      spec.clients = table.integer("clients", 0, {1, 1'000'000});
      read_span(table, spec);
      break;
    case Kind::kMade:
      read_made(table, base_folder, spec);
      break;
  }
  if (spec.kind != Kind::kMade) spec.name = spec.path;
  if (auto error = table.finish()) return *error;
  return spec;
}

}  // namespace weft
