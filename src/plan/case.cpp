// Reading cases, one table at a time: what is wrong with one leaves the others as they are.
#include "plan/case.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "sim/trace_paths.h"

namespace weft {
namespace {

constexpr double kMost = 1e12;
constexpr NumberRange kAbove = {.min = 0, .max = kMost, .exclusive_min = true};
constexpr NumberRange kFromZero = {.min = 0, .max = kMost};
constexpr IntegerRange kCount = {.min = 1, .max = 1 << 20};
constexpr IntegerRange kDegree = {.min = 1, .max = 1 << 20};

struct PhaseName {
  const char* name;
  Phase phase;
  OperatorKind kind;
};
constexpr PhaseName kPhases[] = {
    {"prefill", Phase::kPrefill, {}},
    {"decode", Phase::kDecode, {}},
    {"serve", Phase::kServe, {}},
    {"gemm", Phase::kOperator, OperatorKind::kGemm},
    {"attention", Phase::kOperator, OperatorKind::kAttention},
    {"dispatch", Phase::kOperator, OperatorKind::kDispatch},
    {"combine", Phase::kOperator, OperatorKind::kCombine},
    {"transfer", Phase::kOperator, OperatorKind::kTransfer},
};

class Reader {
 public:
  // `place` is what errors call the table: "case[0].".
  Reader(ConfigTable table, std::string folder, std::string place)
      : table_(std::move(table)), folder_(std::move(folder)), place_(std::move(place)) {}

  Result<Case> read() {
    read_names();
    const PhaseName& phase = read_phase();
    one_.phase = phase.phase;
    if (one_.phase == Phase::kOperator) {
      read_operator(phase.kind);
    } else {
      read_layout();
      if (one_.phase == Phase::kServe) {
        read_serve();
      } else {
        read_step();
      }
    }
    read_published();
    if (auto error = table_.finish_apart()) return named(*error);
    return one_;
  }

 private:
  [[nodiscard]] Error named(Error error) const;
  void read_names();
  const PhaseName& read_phase();
  void read_layout();
  void read_precision();
  void read_balance();
  void read_step();
  void read_serve();
  void read_arrivals(WorkloadSpec& load);
  void read_operator(OperatorKind kind);
  void read_published();

  ConfigTable table_;
  std::string folder_;
  std::string place_;
  Case one_;
};

// The case by its id, as predictions name it, where it has one.
Error Reader::named(Error error) const {
  const size_t at = error.message.find(place_, table_.file().name().size());
  if (one_.id.empty() || at == std::string::npos) return error;
  error.message.replace(at, place_.size(), fmt::format("case \"{}\": ", one_.id));
  return error;
}

void Reader::read_names() {
  one_.where = table_.where();
  one_.id = table_.text("id");
  one_.family = table_.text("family", "");
  one_.source = table_.text("source", "");
  one_.grade = table_.text("grade", "");
  one_.note = table_.text("note", "");
}

const PhaseName& Reader::read_phase() {
  std::vector<std::string> names;
  for (const PhaseName& phase : kPhases) names.emplace_back(phase.name);
  if (!table_.has("phase")) {
    table_.fail("phase", fmt::format("missing; expected {}", join_alternatives(names)));
  }
  const std::string word = table_.choice("phase", names, kPhases[0].name);
  return *std::ranges::find(kPhases, word, &PhaseName::name);
}

void Reader::read_layout() {
  one_.hardware = table_.text("hardware");
  one_.model = table_.text("model");
  one_.engine = table_.text("engine");
  one_.instances = static_cast<int>(table_.integer("instances", 1, kCount));
  InstanceLayout& layout = one_.layout;
  layout.role = one_.phase == Phase::kPrefill  ? Role::kPrefill
                : one_.phase == Phase::kDecode ? Role::kDecode
                                               : Role::kUnified;
  layout.packages = static_cast<int>(table_.integer("devices", kCount));
  if (auto parallel = table_.find_table("parallel")) {
    layout.parallel.dp = static_cast<int>(parallel->integer("dp", 1, kDegree));
    layout.parallel.tp = static_cast<int>(parallel->integer("tp", 1, kDegree));
    layout.parallel.sp = static_cast<int>(parallel->integer("sp", 1, kDegree));
    layout.parallel.ep = static_cast<int>(parallel->integer("ep", 1, kDegree));
    layout.parallel.pp = static_cast<int>(parallel->integer("pp", 1, kDegree));
  }
  read_precision();
  layout.redundant_experts = static_cast<int>(table_.integer("redundant_experts", 0, {0, 1 << 16}));
  layout.microbatches = static_cast<int>(table_.integer("microbatches", 1, {1, 16}));
  layout.draft_tokens = static_cast<int>(table_.integer("draft_tokens", 0, {0, 16}));
  one_.acceptance = table_.number("acceptance", 0.0, {.min = 0, .max = 1});
  read_balance();
}

void Reader::read_precision() {
  auto precision = table_.find_table("precision");
  if (!precision) {
    table_.fail("precision", "missing; expected { weights, activations, kv }");
    return;
  }
  const auto read = [&](const char* key) {
    if (!precision->has(key)) {
      precision->fail(key, fmt::format("missing; expected {}", join_alternatives(format_names())));
    }
    return format_from_name(precision->choice(key, format_names(), "bf16")).value_or(Format::kBf16);
  };
  one_.layout.precision.weights = read("weights");
  one_.layout.precision.activations = read("activations");
  one_.layout.precision.kv = read("kv");
  if (precision->has("attention")) one_.layout.precision.attention = read("attention");
  if (precision->has("block_scales")) {
    one_.layout.precision.block_scales = precision->boolean("block_scales");
  }
}

void Reader::read_balance() {
  if (table_.is_number("expert_balance")) {
    one_.expert_balance = table_.number("expert_balance", {.min = 1, .max = 1000});
    return;
  }
  const std::string word = table_.choice("expert_balance", {"default", "perfect"}, "default");
  if (word == "perfect") one_.expert_balance = 1.0;
}

void Reader::read_step() {
  const bool prefill = one_.phase == Phase::kPrefill;
  one_.input_tokens = table_.number("input_tokens", kAbove);
  one_.output_tokens = table_.number("output_tokens", 0.0, kFromZero);
  one_.reuse = table_.number("reuse", 0.0, {.min = 0, .max = 0.999});
  if (prefill) {
    one_.tokens_per_device = table_.number("tokens_per_device", kAbove);
    return;
  }
  one_.batch_per_device = table_.number("batch_per_device", kAbove);
  const double mean = one_.input_tokens + one_.output_tokens / 2;
  one_.context_tokens = table_.number("context_tokens", mean, kAbove);
}

// Arrivals: a trace's, a closed loop's, a rate's, or all at once.
void Reader::read_arrivals(WorkloadSpec& load) {
  ArrivalSpec arrivals;
  if (table_.has("concurrency")) {
    arrivals.process = ArrivalSpec::Process::kClosed;
    arrivals.concurrency = static_cast<int>(table_.integer("concurrency", {1, 1 << 24}));
  } else if (table_.has("rate")) {
    arrivals.rate = table_.number("rate", {.min = 1e-9, .max = 1e7});
  } else {
    if (!table_.has("arrivals")) {
      table_.fail("concurrency", "missing; expected it, rate, arrivals = \"at_once\" or trace");
    }
    table_.choice("arrivals", {"at_once"}, "at_once");
    arrivals.process = ArrivalSpec::Process::kFixed;
    arrivals.rate = 1e7;
  }
  load.arrivals = arrivals;
}

void Reader::read_serve() {
  WorkloadSpec load;
  load.name = one_.where;
  if (table_.has("trace")) {
    load.kind = WorkloadSpec::Kind::kTrace;
    const std::string name = table_.text("trace");
    auto path = find_trace_file(name, folder_);
    if (path) load.path = load.name = *path;
    if (!path) {
      one_.missing_trace = fmt::format("{}: case \"{}\": trace: {}", table_.where("trace"), one_.id,
                                       path.error().message);
    }
    load.served_lengths =
        table_.choice("lengths", {"requested", "served"}, "requested") == "served";
  } else {
    read_arrivals(load);
    load.input = read_length_spec(table_, "input_tokens", folder_);
    load.output = read_length_spec(table_, "output_tokens", folder_);
    load.prefix.share = table_.number("reuse", 0.0, {.min = 0, .max = 0.999});
    load.requests = static_cast<uint64_t>(table_.integer("requests", {1, 1 << 24}));
  }
  if (table_.has("trace") && table_.has("requests")) {
    load.requests = static_cast<uint64_t>(table_.integer("requests", {1, 1 << 24}));
  }
  one_.load = load;
  one_.max_tokens_per_step = table_.integer("max_tokens_per_step", 0, {1, int64_t{1} << 31});
  one_.max_batch = table_.integer("max_batch", 0, {1, 1 << 24});
  one_.memory_share = table_.number("memory_share", 0.0, {.min = 0.01, .max = 1});
  one_.kv_tokens = table_.integer("kv_tokens", 0, {1, int64_t{1} << 40});
  if (table_.has("prefix_caching")) one_.prefix_caching = table_.boolean("prefix_caching");
}

void Reader::read_operator(OperatorKind kind) {
  one_.hardware = table_.text("hardware");
  OperatorShape shape;
  shape.kind = kind;
  Precision& precision = one_.layout.precision;
  const auto format = [&](const char* key, const char* fallback) {
    return format_from_name(table_.choice(key, format_names(), fallback)).value_or(Format::kBf16);
  };
  switch (kind) {
    case OperatorKind::kGemm:
      shape.groups = static_cast<int>(table_.integer("groups", 1, kCount));
      shape.m = table_.integer("m", kCount);
      shape.n = table_.integer("n", kCount);
      shape.k = table_.integer("k", kCount);
      precision.weights = precision.activations = format("format", "bf16");
      break;
    case OperatorKind::kAttention:
      one_.model = table_.text("model");
      shape.bound = table_.choice("bound", {"compute", "memory"}, "compute");
      break;
    case OperatorKind::kDispatch:
    case OperatorKind::kCombine:
      one_.model = table_.text("model");
      one_.engine = table_.text("engine");
      shape.ranks = static_cast<int>(table_.integer("ranks", {2, 1 << 20}));
      shape.tokens = table_.integer("tokens_per_rank", kCount);
      precision.activations = format("format", "int8");
      break;
    case OperatorKind::kTransfer:
      shape.bytes = table_.number("bytes", kAbove);
      shape.op = table_.choice("op", {"read", "write"}, "read");
      shape.path = table_.choice("path", {"npu-npu", "npu-cpu"}, "npu-npu");
      shape.same_node = table_.boolean("same_node", false);
      break;
  }
  one_.shape = shape;
}

// Zero stands for a figure that was not published.
void Reader::read_published() {
  auto table = table_.find_table("published");
  if (!table) return;
  for (const std::string& metric : published_metrics()) {
    if (!table->has(metric)) continue;
    const double value = table->number(metric, kFromZero);
    if (value > 0) one_.published.push_back({metric, value});
  }
}

}  // namespace

const std::vector<std::string>& published_metrics() {
  static const std::vector<std::string> kMetrics = {
      "ttft_ms",
      "ttft_p50_ms",
      "ttft_p99_ms",
      "tpot_ms",
      "tpot_p50_ms",
      "tpot_p99_ms",
      "itl_ms",
      "e2e_ms",
      "tokens_per_s_per_device",
      "output_tokens_per_s",
      "input_tokens_per_s",
      "total_tokens_per_s",
      "requests_per_s",
      "makespan_s",
      "us",
      "gb_per_s",
      "utilization",
  };
  return kMetrics;
}

std::string_view phase_name(const Case& one) {
  for (const PhaseName& phase : kPhases) {
    if (phase.phase != one.phase) continue;
    if (one.phase != Phase::kOperator || phase.kind == one.shape->kind) return phase.name;
  }
  return "";
}

Error at_case(const Case& one, const Error& error) {
  std::string_view message = error.message;
  const std::string place = one.where + ": ";
  if (message.starts_with(place)) message.remove_prefix(place.size());
  return {error.code, fmt::format("{}case \"{}\": {}", place, one.id, message)};
}

// What holds for every case of a file that does not say otherwise. Read after the cases, so that a
// mistake here is not taken for one of the first case.
static void fill_in(ConfigTable& root, std::vector<Case>& cases) {
  const std::string name = std::filesystem::path(root.file().name()).stem().string();
  const std::string family = root.text("family", name);
  const std::string source = root.text("source", "");
  const std::string grade = root.text("grade", "");
  for (Case& one : cases) {
    if (one.family.empty()) one.family = family;
    if (one.source.empty()) one.source = source;
    if (one.grade.empty()) one.grade = grade;
  }
}

static Result<CaseFile> read_cases(ConfigFile file) {
  ConfigTable root = file.root();
  const std::string folder = std::filesystem::path(file.name()).parent_path().string();
  auto tables = root.tables("case");
  if (tables.empty()) {
    root.fail("case", "found none, expected [[case]]");
    return *root.finish();
  }
  CaseFile out;
  for (size_t i = 0; i < tables.size(); ++i) {
    auto one = Reader(tables[i], folder, fmt::format("case[{}].", i)).read();
    if (one) {
      out.cases.push_back(std::move(*one));
    } else {
      out.unusable.push_back(one.error());
    }
  }
  fill_in(root, out.cases);
  if (auto error = root.finish(); error && out.unusable.empty()) return *error;
  return out;
}

Result<CaseFile> load_cases(const std::string& path) {
  auto file = ConfigFile::load(path);
  if (!file) return file.error();
  return read_cases(std::move(*file));
}

Result<CaseFile> parse_cases(std::string_view text, const std::string& name) {
  auto file = ConfigFile::parse(text, name);
  if (!file) return file.error();
  return read_cases(std::move(*file));
}

}  // namespace weft
