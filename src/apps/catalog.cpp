// weft catalog: what is known of a chip, system, model, disk or network, with grade and source.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/output.h"
#include "hardware/catalog.h"

namespace weft {
namespace {

constexpr double kGiga = 1e9;
constexpr double kTera = 1e12;
constexpr double kGibi = 1024.0 * 1024.0 * 1024.0;

// A fact that follows from the figures.
struct Derived {
  std::string name;
  std::string text;  // as printed
  double value = 0;  // in JSON, in the unit of `unit`
  std::string unit;
};

Derived fact(std::string name, double value, std::string unit) {
  std::string text =
      value == std::floor(value) ? fmt::format("{:.0f}", value) : fmt::format("{:.6g}", value);
  if (!unit.empty()) text += " " + unit;
  return {std::move(name), std::move(text), value, std::move(unit)};
}

std::vector<Derived> facts_of(const ModelShape& model) {
  std::vector<Derived> facts;
  facts.push_back(fact("total parameters", model.total_parameters() / kGiga, "billion"));
  facts.push_back(fact("active parameters", model.active_parameters() / kGiga, "billion"));
  if (model.mtp_layers > 0) {
    facts.push_back(fact("MTP parameters", model.mtp_parameters() / kGiga, "billion"));
  }
  for (const Format format : {Format::kBf16, Format::kFp8, Format::kInt8}) {
    const auto name = fmt::format("KV per token, {}", format_name(format));
    facts.push_back(fact(name, model.kv_bytes_per_token(format), "bytes"));
  }
  if (const double window = model.kv_bytes_per_sequence(Format::kBf16); window > 0) {
    facts.push_back(fact("KV per sequence (windows), bf16", window, "bytes"));
  }
  const double experts = model.moe_layers() * model.experts * model.expert_parameters();
  const double rest = model.total_parameters() - (model.is_moe() ? experts : 0);
  const double bytes = rest * bytes_per_value(model.native_weights) +
                       (model.is_moe() ? experts * bytes_per_value(model.native_experts) : 0);
  facts.push_back(
      fact(fmt::format("weights as published ({}, experts {})", format_name(model.native_weights),
                       format_name(model.native_experts)),
           bytes / kGiga, "GB"));
  return facts;
}

void add_rates(const Chip& chip, double dies, std::string_view what, std::vector<Derived>& facts) {
  for (int i = 0; i < kFormats; ++i) {
    const auto format = static_cast<Format>(i);
    if (chip.ops(format) == 0) continue;
    const bool is_whole = format == Format::kInt8 || format == Format::kInt4;
    facts.push_back(fact(fmt::format("{} {}", format_name(format), what),
                         chip.ops(format) * dies / kTera, is_whole ? "TOPS" : "TFLOPS"));
  }
}

std::vector<Derived> facts_of(const Chip& chip) {
  std::vector<Derived> facts = {
      fact("memory of a die", chip.memory_bytes / kGiga, "GB"),
      fact("memory bandwidth of a die", chip.memory_bandwidth / kGiga, "GB/s")};
  add_rates(chip, 1, "of a die", facts);
  return facts;
}

std::vector<Derived> facts_of(const System& system) {
  std::vector<Derived> facts;
  facts.push_back({"chip", fmt::format("{} ({})", system.chip.name, system.chip.title), 0, ""});
  facts.push_back(fact("packages", system.packages, ""));
  facts.push_back(fact("dies", system.dies(), ""));
  facts.push_back(fact("nodes", system.nodes(), ""));
  const double dies = system.dies();
  facts.push_back(fact("device memory", system.chip.memory_bytes * dies / kTera, "TB"));
  facts.push_back(
      fact("device memory bandwidth", system.chip.memory_bandwidth * dies / kTera, "TB/s"));
  facts.push_back(fact("host memory", system.host_memory_bytes * system.nodes() / kGibi, "GiB"));
  add_rates(system.chip, dies, "in all", facts);
  for (const Link* link : {&system.scale_up, &system.scale_out, &system.host}) {
    const auto* place = link == &system.scale_up    ? "scale-up"
                        : link == &system.scale_out ? "scale-out"
                                                    : "host";
    facts.push_back(fact(fmt::format("{} ({}), usable per die", place, link->name),
                         link->bandwidth / kGiga, "GB/s"));
  }
  const double watts = system.system_power_w > 0 ? system.system_power_w : system.chip.power_w;
  if (watts > 0) facts.push_back(fact("power", watts * system.packages / 1000, "kW"));
  return facts;
}

Result<std::vector<Derived>> facts_of(const Catalog& catalog, const CatalogEntry& entry) {
  if (entry.kind == "model") {
    const auto model = catalog.model(entry.name);
    if (!model.ok()) return model.error();
    return facts_of(model.value());
  }
  if (entry.kind == "system") {
    const auto system = catalog.system(entry.name);
    if (!system.ok()) return system.error();
    return facts_of(system.value());
  }
  if (entry.kind == "chip") {
    const auto chip = catalog.chip(entry.name);
    if (!chip.ok()) return chip.error();
    return facts_of(chip.value());
  }
  return std::vector<Derived>{};
}

void print_figures(const std::vector<Figure>& figures) {
  constexpr size_t kWidestValue = 40;
  size_t key_width = 6;
  size_t value_width = 5;
  for (const Figure& figure : figures) {
    key_width = std::max(key_width, figure.key.size());
    value_width = std::max(value_width, figure.value.size() + 1 + figure.unit.size());
  }
  value_width = std::min(value_width, kWidestValue);
  fmt::print("\n{:{}}  {:{}}  grade   source\n", "figure", key_width, "value", value_width);
  std::string_view above;
  for (const Figure& figure : figures) {
    const auto value =
        figure.unit.empty() ? figure.value : fmt::format("{} {}", figure.value, figure.unit);
    const auto source = figure.source == above ? "as above" : figure.source;
    fmt::print("{:{}}  {:{}}  {:6}  {}\n", figure.key, key_width, value, value_width, figure.grade,
               source);
    above = figure.source;
  }
}

void print_entry(const CatalogEntry& entry, const std::vector<Derived>& facts) {
  fmt::print("{} ({} {})\n", entry.title, entry.kind, entry.name);
  if (!entry.note.empty()) fmt::print("{}\n", entry.note);
  if (!entry.figures.empty()) print_figures(entry.figures);
  if (facts.empty()) return;
  size_t name_width = 0;
  for (const Derived& derived : facts) name_width = std::max(name_width, derived.name.size());
  fmt::print("\nderived\n");
  for (const Derived& derived : facts) {
    fmt::print("{:{}}  {}\n", derived.name, name_width, derived.text);
  }
}

// Numbers as numbers, everything else as it is written.
nlohmann::ordered_json json_value(const std::string& text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc{} || parsed.ptr != end || std::abs(number) > 1e15) return text;
  if (number == std::floor(number)) return static_cast<int64_t>(number);
  return number;
}

nlohmann::ordered_json to_json(const CatalogEntry& entry, const std::vector<Derived>& facts) {
  nlohmann::ordered_json out = {{"kind", entry.kind}, {"name", entry.name}, {"title", entry.title}};
  if (!entry.note.empty()) out["note"] = entry.note;
  out["figures"] = nlohmann::ordered_json::array();
  for (const Figure& figure : entry.figures) {
    out["figures"].push_back({{"key", figure.key},
                              {"value", json_value(figure.value)},
                              {"unit", figure.unit},
                              {"grade", figure.grade},
                              {"source", figure.source}});
  }
  out["derived"] = nlohmann::ordered_json::object();
  for (const Derived& derived : facts) {
    if (derived.value == 0 && derived.unit.empty()) {
      out["derived"][derived.name] = derived.text;
    } else {
      out["derived"][derived.name] = {{"value", derived.value}, {"unit", derived.unit}};
    }
  }
  return out;
}

Status list_entries() {
  const auto catalog = Catalog::open_default();
  if (!catalog) return catalog.error();
  std::string kind;
  for (const CatalogEntry& entry : catalog.value().list()) {
    if (entry.kind != kind) fmt::print("{}{}s\n", kind.empty() ? "" : "\n", entry.kind);
    kind = entry.kind;
    fmt::print("  {:<24} {}\n", entry.name, entry.title);
  }
  return {};
}

Status show_entry(const std::string& name, const std::string& json) {
  const auto catalog = Catalog::open_default();
  if (!catalog) return catalog.error();
  const auto entry = catalog.value().entry(name);
  if (!entry) return entry.error();
  const auto facts = facts_of(catalog.value(), entry.value());
  if (!facts) return facts.error();
  if (json != "-") print_entry(entry.value(), facts.value());
  const auto document = to_json(entry.value(), facts.value());
  const auto replace = nlohmann::json::error_handler_t::replace;
  return write_output(json, document.dump(2, ' ', false, replace) + "\n");
}

}  // namespace

void add_catalog(CLI::App& app, int& exit_code) {
  CLI::App* catalog = app.add_subcommand("catalog", "what is known of a chip, system or model");
  catalog->require_subcommand(0, 1);
  catalog->footer(
      "Examples:\n"
      "  weft catalog list\n"
      "  weft catalog show cloudmatrix384\n"
      "  weft catalog show deepseek-r1 --json -\n"
      "  weft catalog show 16xh800-8@rdma-200g\n"
      "Grades: C vendor, C* vendor through a summary, P the system's paper, T third party,\n"
      "S secondary, D derived by arithmetic, U unconfirmed or assumed.");
  catalog->add_subcommand("list", "Every entry, by kind")->footer("Example: weft catalog list");
  CLI::App* show = catalog->add_subcommand("show", "One entry: figures, grades, sources");
  show->footer("Example: weft catalog show ascend-910c");
  struct Options {
    std::string name;
    std::string json;
  };
  auto options = std::make_shared<Options>();
  show->add_option("name", options->name, "A name of the list, or a path to a file of that form")
      ->required();
  show->add_option("--json", options->json, "Writes JSON to this file; - is standard output");
  catalog->callback([show, options, &exit_code] {
    exit_code =
        report_status(show->parsed() ? show_entry(options->name, options->json) : list_entries());
  });
}

}  // namespace weft
