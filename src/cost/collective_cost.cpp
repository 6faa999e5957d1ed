// Lines of each algorithm: start, hops and bytes, inside a scale-up domain and between domains.
#include "cost/collective_cost.h"

#include <bit>
#include <cmath>

namespace weft {
namespace {

struct Group {
  double inside = 1;   // dies of the group in one domain
  double domains = 1;  // that the group reaches
  double wire = 1;     // bytes/s of a die inside
  double out = 1;      // and between domains
  double far = 0;      // seconds that a hop to another node of the domain takes longer
  double out_latency = 0;
};

Group group_of(const System& system, const CollectiveConstants& constants, int dies) {
  Group group;
  const int domain = std::max(1, system.scale_up_packages * system.chip.dies);
  group.inside = std::min(dies, domain);
  group.domains = static_cast<double>(ceil_div(dies, domain));
  group.wire = system.scale_up.wire();
  group.out = system.scale_out.wire() * constants.out_share;
  if (dies > system.packages_per_node * system.chip.dies && group.domains <= 1) {
    group.far = std::max(0.0, to_seconds(system.scale_up.latency_far - system.scale_up.latency));
  }
  group.out_latency = constants.out_start + to_seconds(system.scale_out.latency_far);
  return group;
}

int doublings(double dies) {
  return std::bit_width(static_cast<unsigned>(std::max(1.0, dies) - 0.5));
}

double others(double n) { return (n - 1) / n; }

// Steps of a ring up to the size where libraries turn to trees.
double hops(double n) { return n > 1 ? std::min(n - 1, 4.0 * doublings(n)) : 0; }

// Levels of a large group run as a pipeline over pieces of the tensor.
double overlapped(double a, double b) { return std::sqrt(a * a + b * b); }

// `passes`: 1 for all-gather and reduce-scatter, 2 for all-reduce.
void add_ring(CollectivePlan& plan, const CollectiveConstants& constants, const RingConstants& ring,
              const Group& group, double passes) {
  const double inside = passes * others(group.inside) / group.wire;
  const double outside = passes * others(group.domains) / group.inside / group.out;
  const double width = 1 - ring.narrow / std::max(2.0, group.inside);
  const double fixed = constants.start +
                       passes * hops(group.inside) * (constants.step + group.far) +
                       passes * doublings(group.domains) * group.out_latency;
  plan.add_library({fixed, overlapped(inside / (ring.low_share * width), outside)});
  plan.add_library(
      {fixed + ring.bulk_start, overlapped(inside / (ring.bulk_share * width), outside)});
}

// In the switch: every die sends its tensor once and receives its part, then the other way about.
void add_switch(CollectivePlan& plan, const CollectiveConstants& constants, const Group& group) {
  if (constants.switch_share <= 0 || group.inside < constants.switch_dies) return;
  const double inside = (1 + 1 / group.inside) / (group.wire * constants.switch_share);
  const double outside = 2 * others(group.domains) / group.inside / group.out;
  const double fixed =
      constants.start + constants.switch_start + 2 * doublings(group.domains) * group.out_latency;
  plan.add_library({fixed, overlapped(inside, outside)});
}

void add_peer_kernels(CollectivePlan& plan, const PeerKernelConstants& kernel, const Group& group) {
  if (kernel.one_shot_share <= 0 || group.domains > 1) return;
  const double n = group.inside;
  const double start = kernel.start + (n - 1) * kernel.per_peer + 2 * group.far;
  plan.add_peer({start, (n - 1) / (group.wire * kernel.one_shot_share)});
  if (kernel.two_shot_share > 0) {
    plan.add_peer({start + kernel.two_shot_start + 2 * group.far,
                   2 * others(n) / (group.wire * kernel.two_shot_share)});
  }
  plan.set_limit(kernel.limit_bytes);
}

CollectivePlan gather_like(const System& system, const CollectiveConstants& constants, int dies) {
  CollectivePlan plan;
  if (dies <= 1) return plan;
  add_ring(plan, constants, constants.gather, group_of(system, constants, dies), 1);
  return plan;
}

}  // namespace

CollectiveLine CollectivePlan::bulk() const {
  CollectiveLine best;
  for (int i = 0; i < library_count_; ++i) {
    if (i == 0 || library_[i].per_byte < best.per_byte) best = library_[i];
  }
  return best;
}

CollectivePlan plan_all_reduce(const System& system, const CollectiveConstants& constants,
                               CollectiveSoftware software, int dies) {
  CollectivePlan plan;
  if (dies <= 1) return plan;
  const Group group = group_of(system, constants, dies);
  add_ring(plan, constants, constants.reduce, group, 2);
  add_switch(plan, constants, group);
  if (software == CollectiveSoftware::kCustom) add_peer_kernels(plan, constants.custom, group);
  if (software == CollectiveSoftware::kTrtllm) add_peer_kernels(plan, constants.trtllm, group);
  return plan;
}

CollectivePlan plan_all_gather(const System& system, const CollectiveConstants& constants,
                               int dies) {
  return gather_like(system, constants, dies);
}

CollectivePlan plan_reduce_scatter(const System& system, const CollectiveConstants& constants,
                                   int dies) {
  return gather_like(system, constants, dies);
}

CollectivePlan plan_all_to_all(const System& system, const CollectiveConstants& constants,
                               int dies) {
  CollectivePlan plan;
  if (dies <= 1) return plan;
  const Group group = group_of(system, constants, dies);
  const double inside = (group.inside - 1) / dies / group.wire;
  const double outside = (dies - group.inside) / dies / group.out;
  const double fixed =
      constants.pair_start + group.far + (group.domains > 1 ? group.out_latency : 0);
  const double low = 1 / (dies * group.wire * constants.pair_low_share);
  plan.add_library({fixed, std::max({low, inside / constants.pair_share, outside})});
  plan.add_library(
      {fixed + constants.pair_bulk_start, std::max(inside / constants.pair_share, outside)});
  return plan;
}

CollectivePlan plan_send(const System& system, const CollectiveConstants& constants, int distance) {
  CollectivePlan plan;
  const Group group = group_of(system, constants, distance + 1);
  if (group.domains > 1) {
    plan.add_library({constants.start + constants.step + group.out_latency, 1 / group.out});
    return plan;
  }
  const double fixed = constants.start + constants.step + group.far;
  plan.add_library({fixed, 1 / (group.wire * constants.send_low_share)});
  plan.add_library({fixed + constants.send_bulk_start, 1 / (group.wire * constants.send_share)});
  return plan;
}

}  // namespace weft
