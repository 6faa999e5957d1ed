// Reading a scenario.
#include "sim/scenario.h"

#include <filesystem>

namespace weft {

namespace {

SloConfig read_slo(ConfigTable& root) {
  SloConfig slo;
  if (auto table = root.find_table("slo")) {
    slo.ttft_ms = table->number("ttft_ms", 0.0, {.min = 0});
    slo.tpot_ms = table->number("tpot_ms", 0.0, {.min = 0});
  }
  return slo;
}

FaultConfig read_fault(ConfigTable& table) {
  FaultConfig fault;
  fault.where = table.where();
  const std::string kind =
      table.choice("kind", {"instance_down", "link_slow", "tier_down", "die_slow"}, "");
  fault.at = Instant{} + seconds(table.number("at_s", {.min = 0, .max = 1e9}));
  fault.lasts = seconds(table.number("for_s", 0.0, {.min = 0, .max = 1e9}));
  fault.target = table.text("target");
  if (kind == "link_slow") {
    fault.kind = FaultKind::kLinkSlow;
    fault.factor = table.number("factor", 0.1, {.min = 0, .max = 1, .exclusive_min = true});
  } else if (kind == "die_slow") {
    fault.kind = FaultKind::kDieSlow;
    fault.factor = table.number("factor", 2.0, {.min = 1, .max = 1e6});
  } else {
    fault.kind = kind == "tier_down" ? FaultKind::kTierDown : FaultKind::kInstanceDown;
  }
  return fault;
}

Result<Scenario> read_scenario(ConfigFile file, const ScenarioOverrides& overrides) {
  for (const std::string& set : overrides.sets) {
    if (auto done = file.set(set); !done) return done.error();
  }
  ConfigTable root = file.root();
  Scenario scenario;
  scenario.path = file.name();
  scenario.title = root.text("title", "");
  const int64_t seed = root.integer("seed", 1, {.min = 0});
  scenario.seed = overrides.seed.value_or(static_cast<uint64_t>(seed));
  scenario.deployment = read_deployment(root);
  scenario.slo = read_slo(root);
  for (ConfigTable& table : root.tables("fault")) scenario.faults.push_back(read_fault(table));
  ConfigTable load = root.table("workload");
  const std::string folder = std::filesystem::path(file.name()).parent_path().string();
  auto workload = Workload::from_config(load, scenario.seed, folder);
  if (auto error = root.finish()) return *error;
  if (!workload) return workload.error();
  scenario.workload = std::move(*workload);
  return scenario;
}

}  // namespace

Result<Scenario> load_scenario(const std::string& path, const ScenarioOverrides& overrides) {
  auto file = ConfigFile::load(path);
  if (!file) return file.error();
  return read_scenario(std::move(*file), overrides);
}

Result<Scenario> parse_scenario(std::string_view text, const std::string& name,
                                const ScenarioOverrides& overrides) {
  auto file = ConfigFile::parse(text, name);
  if (!file) return file.error();
  return read_scenario(std::move(*file), overrides);
}

}  // namespace weft
