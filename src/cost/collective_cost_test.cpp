// Collectives: lines at known sizes, the algorithm that wins, levels, monotony and the wire's rate.
#include "cost/collective_cost.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "cost/fixtures.h"
#include "cost/link_fixtures.h"

namespace weft {
namespace {

constexpr auto kLibrary = CollectiveSoftware::kLibrary;
constexpr auto kCustom = CollectiveSoftware::kCustom;

System h100(int packages) {
  System system = fixtures::h100(packages);
  system.scale_up.raw_bandwidth = 450e9;
  system.scale_out.raw_bandwidth = 50e9;
  return system;
}

TEST(CollectiveCost, OneDieIsFree) {
  const CollectiveConstants c = fixtures::collective_constants();
  EXPECT_EQ(plan_all_reduce(h100(8), c, kCustom, 1).seconds(1e6), 0);
  EXPECT_EQ(plan_all_gather(h100(8), c, 1).seconds(1e6), 0);
  EXPECT_EQ(plan_all_to_all(h100(8), c, 1).seconds(1e6), 0);
}

TEST(CollectiveCost, SmallAllGatherIsStepsOfARing) {
  const CollectiveConstants c = fixtures::collective_constants();
  EXPECT_NEAR(plan_all_gather(h100(8), c, 8).seconds(0), 5e-6 + 7 * 0.9e-6, 1e-12);
  EXPECT_NEAR(plan_reduce_scatter(h100(8), c, 2).seconds(0), 5e-6 + 0.9e-6, 1e-12);
}

TEST(CollectiveCost, LargeAllGatherReachesItsShareOfTheWire) {
  const CollectiveConstants c = fixtures::collective_constants();
  const double expected = (7.0 / 8) / (450e9 * 0.81 * (1 - 0.7 / 8));
  EXPECT_NEAR(plan_all_gather(h100(8), c, 8).bulk().per_byte, expected, expected * 1e-9);
}

TEST(CollectiveCost, CustomKernelsWinBelowTheirLimitOnly) {
  const CollectiveConstants c = fixtures::collective_constants();
  const CollectivePlan custom = plan_all_reduce(h100(8), c, kCustom, 8);
  const CollectivePlan library = plan_all_reduce(h100(8), c, kLibrary, 8);
  EXPECT_LT(custom.seconds(8192), library.seconds(8192) / 3);
  EXPECT_EQ(custom.seconds(1e9), library.seconds(1e9));
  // One-shot for small tensors, two-shot for large ones.
  EXPECT_NEAR(custom.seconds(1024), 2.3e-6 + 7 * (0.15e-6 + 1024 / (450e9 * 0.68)), 1e-9);
  const double two_shot = 2.3e-6 + 7 * 0.15e-6 + 3.8e-6 + 8e6 * 2 * 7 / 8 / (450e9 * 0.69);
  EXPECT_NEAR(custom.seconds(8e6), two_shot, 1e-9);
}

TEST(CollectiveCost, TheSwitchServesLargeGroupsOnly) {
  CollectiveConstants c = fixtures::collective_constants();
  const double with = plan_all_reduce(h100(8), c, kLibrary, 8).seconds(1e9);
  const double four = plan_all_reduce(h100(8), c, kLibrary, 4).seconds(1e9);
  c.switch_share = 0;
  EXPECT_LT(with, plan_all_reduce(h100(8), c, kLibrary, 8).seconds(1e9));
  EXPECT_EQ(four, plan_all_reduce(h100(8), c, kLibrary, 4).seconds(1e9));
}

TEST(CollectiveCost, TwoNodesAreSlowerThanOne) {
  const CollectiveConstants c = fixtures::collective_constants();
  for (const double bytes : {0.0, 1e5, 1e8}) {
    EXPECT_GT(plan_all_reduce(h100(16), c, kLibrary, 16).seconds(bytes),
              plan_all_reduce(h100(16), c, kLibrary, 8).seconds(bytes));
    EXPECT_GT(plan_send(h100(16), c, 8).seconds(bytes), plan_send(h100(16), c, 1).seconds(bytes));
    EXPECT_GT(plan_all_to_all(h100(16), c, 16).seconds(bytes),
              plan_all_to_all(h100(16), c, 8).seconds(bytes));
  }
}

// Bytes that must leave a die over the faster of its links, whatever the algorithm: an all-reduce
// in the switch sends every byte once, all others at least the other dies' part.
double floor_seconds(const System& system, int operation, int dies, double bytes) {
  if (operation == 4) return bytes / system.scale_up.wire();
  return bytes * (dies - 1) / dies / system.scale_up.wire();
}

TEST(CollectiveCost, GrowsWithBytesAndIsNeverFasterThanTheWire) {
  Random random(7);
  const CollectiveConstants c = fixtures::collective_constants();
  for (int i = 0; i < 20000; ++i) {
    const int dies = static_cast<int>(2 + random.below(71));
    const System system = h100(72);
    const int operation = static_cast<int>(random.below(5));
    const auto software = static_cast<CollectiveSoftware>(random.below(3));
    const CollectivePlan plan = operation == 0   ? plan_all_reduce(system, c, software, dies)
                                : operation == 1 ? plan_all_gather(system, c, dies)
                                : operation == 2 ? plan_reduce_scatter(system, c, dies)
                                : operation == 3 ? plan_all_to_all(system, c, dies)
                                                 : plan_send(system, c, dies - 1);
    const double bytes = std::exp2(static_cast<double>(random.below(32)));
    const double more = bytes * (1 + static_cast<double>(random.below(100)) / 50);
    ASSERT_GE(plan.seconds(more), plan.seconds(bytes)) << operation << " " << dies;
    ASSERT_GT(plan.seconds(bytes), floor_seconds(system, operation, std::min(dies, 8), bytes));
  }
}

}  // namespace
}  // namespace weft
