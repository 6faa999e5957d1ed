// Scenario: one TOML file that says what is deployed, what load it gets, what it must meet and what
// goes wrong.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "node/deployment_config.h"
#include "sim/workload.h"

namespace weft {

struct SloConfig {
  double ttft_ms = 0;  // 0: no bound
  double tpot_ms = 0;
};

enum class FaultKind { kInstanceDown, kLinkSlow, kTierDown, kDieSlow };

struct FaultConfig {
  FaultKind kind = FaultKind::kInstanceDown;
  Instant at;
  Duration lasts;      // zero: to the end
  std::string target;  // "decode/0", "cache/3", "dram", "ssd"
  double factor = 1;   // die_slow: steps take so many times as long; link_slow: share that is left
  std::string where;   // "file:line"
};

struct Scenario {
  std::string path;
  std::string title;
  uint64_t seed = 1;
  DeploymentConfig deployment;
  SloConfig slo;
  std::vector<FaultConfig> faults;
  std::optional<Workload> workload;  // always there in a scenario that was read
};

struct ScenarioOverrides {
  std::vector<std::string> sets;  // "key=value", as --set
  std::optional<uint64_t> seed;
};

Result<Scenario> load_scenario(const std::string& path, const ScenarioOverrides& overrides);
// `name` stands for the file in messages, and its folder for where traces are looked for.
Result<Scenario> parse_scenario(std::string_view text, const std::string& name,
                                const ScenarioOverrides& overrides);

}  // namespace weft
