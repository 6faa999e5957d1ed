// Two-level alpha-beta times of collectives.
#include "cost/network.h"

#include <algorithm>
#include <bit>

namespace weft {
namespace {

struct Levels {
  double inside = 1;   // dies of the group in one scale-up domain
  double domains = 1;  // domains that the group reaches
};

Levels levels_of(const System& system, int dies) {
  const int domain = std::max(1, system.scale_up_packages * system.chip.dies);
  if (dies <= domain) return {static_cast<double>(dies), 1};
  return {static_cast<double>(domain), static_cast<double>(ceil_div(dies, domain))};
}

int doublings(int dies) { return std::bit_width(static_cast<unsigned>(std::max(1, dies) - 1)); }

double hop_seconds(const System& system, int dies) {
  const Levels levels = levels_of(system, dies);
  if (levels.domains > 1) return to_seconds(system.scale_out.latency_far);
  const bool one_node = dies <= system.packages_per_node * system.chip.dies;
  return to_seconds(one_node ? system.scale_up.latency : system.scale_up.latency_far);
}

double seconds_per_byte(const Link& link, double share) {
  return share > 0 ? share / link.bandwidth : 0;
}

// Dispatch and combine write into their peers' buffers (CM section 4.2.1).
double write_seconds_per_byte(const Link& link, double share) {
  const double bandwidth = link.write_bandwidth > 0 ? link.write_bandwidth : link.bandwidth;
  return share > 0 ? share / bandwidth : 0;
}

double others(double n) { return (n - 1) / n; }

Transfer collective(const System& system, const EngineCosts& engine, int dies, double passes) {
  if (dies <= 1) return {};
  const Levels levels = levels_of(system, dies);
  const double inside = seconds_per_byte(system.scale_up, others(levels.inside));
  const double outside = seconds_per_byte(system.scale_out, others(levels.domains) / levels.inside);
  const double fixed = engine.collective_start + doublings(dies) * hop_seconds(system, dies);
  return {fixed, passes * (inside + outside)};
}

}  // namespace

Transfer all_reduce(const System& system, const EngineCosts& engine, int dies) {
  return collective(system, engine, dies, 2);
}

Transfer all_gather(const System& system, const EngineCosts& engine, int dies) {
  return collective(system, engine, dies, 1);
}

Transfer all_to_all(const System& system, const EngineCosts& engine, int dies) {
  if (dies <= 1) return {};
  const Levels levels = levels_of(system, dies);
  const double inside = seconds_per_byte(system.scale_up, (levels.inside - 1) / dies);
  const double outside = seconds_per_byte(system.scale_out, (dies - levels.inside) / dies);
  const double fixed = engine.collective_start + doublings(dies) * hop_seconds(system, dies);
  return {fixed, std::max(inside, outside)};
}

Transfer send(const System& system, int dies) {
  const bool inside = levels_of(system, dies + 1).domains <= 1;
  const Link& link = inside ? system.scale_up : system.scale_out;
  return {hop_seconds(system, dies + 1), seconds_per_byte(link, 1)};
}

Transfer exchange(const System& system, const EngineCosts& engine, const ExchangeShape& shape) {
  if (shape.dies <= 1) return {};
  const Levels levels = levels_of(system, shape.dies);
  double inside = shape.copies * (levels.inside - 1) / shape.dies;
  double outside = shape.copies * (shape.dies - levels.inside) / shape.dies;
  if (shape.per_domain && levels.domains > 1) {
    // Distinct domains among `copies` drawn evenly, its own left out.
    double missed = 1;
    for (int copy = 0; copy < shape.copies; ++copy) missed *= others(levels.domains);
    outside = std::min(shape.domain_limit, (levels.domains - 1) * (1 - missed));
    inside = shape.copies * others(levels.inside);
  }
  const double fixed = engine.exchange_start +
                       engine.exchange_per_doubling * doublings(shape.dies) +
                       hop_seconds(system, shape.dies);
  return {fixed, std::max(write_seconds_per_byte(system.scale_up, inside),
                          write_seconds_per_byte(system.scale_out, outside))};
}

}  // namespace weft
