// Any text as a scenario: one that holds together, or one clear error in one line. Nothing outside
// is read: scenarios whose workload names files are left at their deployment.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "sim/scenario.h"

namespace {

void check_error(const weft::Error& error) {
  CHECK(!error.message.empty() && error.message.find('\n') == std::string::npos);
}

bool names_file(weft::ConfigTable& workload) {
  if (workload.has("trace") || workload.has("servegen")) return true;
  for (const char* lengths : {"input_tokens", "output_tokens"}) {
    auto table = workload.find_table(lengths);
    if (table && table->has("file")) return true;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto file = weft::ConfigFile::parse(text, "fuzz");
  if (!file) return check_error(file.error()), 0;
  weft::ConfigTable root = file->root();
  auto workload = root.find_table("workload");
  if (workload && names_file(*workload)) {
    const weft::DeploymentConfig deployment = weft::read_deployment(root);
    for (const weft::GroupConfig& group : deployment.groups) CHECK(group.instances > 0);
    return 0;
  }
  auto scenario = weft::parse_scenario(text, "fuzz", {});
  if (!scenario) return check_error(scenario.error()), 0;
  CHECK(scenario->workload.has_value() && !scenario->deployment.groups.empty());
  for (const weft::FaultConfig& fault : scenario->faults) {
    CHECK(fault.at >= weft::Instant{} && fault.lasts >= weft::Duration{} && fault.factor > 0);
  }
  return 0;
}
