// Matrix products: over random shapes and constants never faster than the peaks allow and never
// falling as work grows; waves and splits at shapes small enough to count.
#include "cost/gemm_cost.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace weft {
namespace {

constexpr int kTrials = 20000;

double between(Random& random, double least, double most) {
  return least + (most - least) * random.uniform();
}
// Spread evenly over the powers of two.
double size(Random& random, int most_bits) {
  const uint64_t bound = uint64_t{1} << random.below(static_cast<uint64_t>(most_bits));
  return static_cast<double>(1 + random.below(bound));
}

GemmConstants random_constants(Random& random) {
  GemmConstants c;
  c.floor_us = between(random, 0, 10);
  c.memory_share = between(random, 0.05, 1);
  c.compute_share = between(random, 0.05, 1);
  c.edge = between(random, 0, 200);
  c.fill_us = between(random, 0, 5);
  c.split_us = between(random, 0, 5);
  c.splits = static_cast<double>(1 + random.below(64));
  c.passes = between(random, 0, 6);
  c.token_passes = between(random, 0, 6);
  c.step_ns = between(random, 0, 3);
  c.slot_us = between(random, 0, 1);
  c.ramp_us = between(random, 0, 20);
  c.half_us = between(random, 0.01, 20);
  c.mean_tile = random.below(2) == 1;
  c.tile_rows = static_cast<double>(1 + random.below(128));
  return c;
}

GemmPeaks random_peaks(Random& random) {
  return {between(random, 1e13, 5e15), between(random, 1e11, 8e12),
          static_cast<double>(1 + random.below(300))};
}

GemmShape random_shape(Random& random) {
  GemmShape s{size(random, 18), size(random, 15), size(random, 8)};
  s.weight_bytes = between(random, 0.5, 4);
  s.activation_bytes = between(random, 0.5, 4);
  s.output_bytes = between(random, 0.5, 4);
  return s;
}

// Rounding aside, in the last digits of a sum.
constexpr double kSlack = 1 - 1e-12;

TEST(GemmCost, NoProductIsFasterThanItsOperationsOrItsBytesAllow) {
  Random random(1);
  for (int i = 0; i < kTrials; ++i) {
    const GemmShape s = random_shape(random);
    const GemmPeaks peaks = random_peaks(random);
    const GemmPlan plan(s, random_constants(random), peaks);
    const double m = size(random, 20);
    const double operations = 2 * m * s.n * s.k * s.groups;
    const double rows = m * (s.k * s.activation_bytes + s.n * s.output_bytes);
    const double bytes = s.groups * (s.n * s.k * s.weight_bytes + rows);
    ASSERT_GE(plan.seconds(m), kSlack * operations / peaks.operations) << "trial " << i;
    ASSERT_GE(plan.seconds(m), kSlack * bytes / peaks.memory) << "trial " << i;
  }
}

TEST(GemmCost, NoProductFallsAsItsRowsGrow) {
  Random random(2);
  for (int i = 0; i < kTrials; ++i) {
    const GemmPlan plan(random_shape(random), random_constants(random), random_peaks(random));
    const double m = size(random, 16);
    const double more = m + size(random, 10);
    ASSERT_LE(kSlack * plan.seconds(m), plan.seconds(more)) << "trial " << i << ": " << m;
  }
}

TEST(GemmCost, NoRowsTakeNoTime) {
  Random random(3);
  const GemmPlan plan(random_shape(random), random_constants(random), random_peaks(random));
  EXPECT_EQ(plan.seconds(0), 0);
  EXPECT_EQ(ExpertPlan(ExpertShape{64, 64}, random_constants(random), random_peaks(random))
                .seconds(0, 0, 100),
            0);
}

TEST(GemmCost, NoProductFallsAsItsShapeGrows) {
  Random random(6);
  for (int i = 0; i < kTrials; ++i) {
    const GemmShape s = random_shape(random);
    const GemmConstants c = random_constants(random);
    const GemmPeaks peaks = random_peaks(random);
    const double m = size(random, 16);
    const double before = kSlack * GemmPlan(s, c, peaks).seconds(m);
    GemmShape wider = s;
    wider.n += size(random, 10);
    GemmShape deeper = s;
    deeper.k += size(random, 10);
    GemmShape more = s;
    more.groups += size(random, 4);
    for (const GemmShape& grown : {wider, deeper, more}) {
      ASSERT_LE(before, GemmPlan(grown, c, peaks).seconds(m)) << "trial " << i;
    }
  }
}

// Four cores of one operation a second, memory that takes no time: seconds are operations.
const GemmPeaks kFourCores = {4, 1e30, 4};
double tile_seconds(double k) { return 2 * 64 * 64 * k; }  // of the least tile, one core

TEST(GemmCost, WavesOfTilesAreWhole) {
  const GemmPlan plan(GemmShape{256, 64}, GemmConstants{}, kFourCores);
  EXPECT_DOUBLE_EQ(plan.compute_seconds(64), tile_seconds(64));
  EXPECT_DOUBLE_EQ(plan.compute_seconds(1), plan.compute_seconds(64)) << "a tile is whole";
  EXPECT_DOUBLE_EQ(plan.compute_seconds(65), 2 * tile_seconds(64));
  EXPECT_DOUBLE_EQ(plan.compute_seconds(128), 2 * tile_seconds(64));
  const GemmPlan wider(GemmShape{257, 64}, GemmConstants{}, kFourCores);
  EXPECT_DOUBLE_EQ(wider.compute_seconds(64), 2 * tile_seconds(64)) << "one tile more than cores";
}

TEST(GemmCost, SmallerTilesWasteLessOnFewRows) {
  GemmConstants fine;
  fine.tile_rows = 16;
  const GemmPlan plan(GemmShape{256, 64}, fine, kFourCores);
  EXPECT_DOUBLE_EQ(plan.compute_seconds(1), tile_seconds(64) / 4);
  EXPECT_DOUBLE_EQ(plan.compute_seconds(17), tile_seconds(64) / 2);
}

TEST(GemmCost, EdgesMakeLargeTilesWorthWhile) {
  GemmConstants edged;
  edged.edge = 64;
  const GemmPlan plan(GemmShape{4096, 64}, edged, kFourCores);
  // 1,024 tiles of 64 x 64 pay 3 times their area; 128 of 128 x 256 pay 1.75 times.
  const double area = 2.0 * 4096 * 4096 * 64 / 4;
  EXPECT_DOUBLE_EQ(plan.compute_seconds(4096), area * 1.75);
}

TEST(GemmCost, EveryTileTakesItsFill) {
  GemmConstants filled;
  filled.fill_us = 1e6 * tile_seconds(64);
  const GemmPlan plan(GemmShape{256, 64}, filled, kFourCores);
  EXPECT_DOUBLE_EQ(plan.compute_seconds(64), 2 * tile_seconds(64));
}

TEST(GemmCost, ATileTakesItsStepsWhateverItsRows) {
  GemmConstants stepped;
  stepped.step_ns = 1e9 * 2 * tile_seconds(1);
  const GemmPlan plan(GemmShape{64, 4096}, stepped, kFourCores);
  EXPECT_DOUBLE_EQ(plan.compute_seconds(1), 2 * tile_seconds(4096));
  // Beside more tiles on other cores; larger tiles multiply for longer than their steps.
  EXPECT_DOUBLE_EQ(plan.compute_seconds(4 * 64), 2 * tile_seconds(4096));
  const GemmPlan large(GemmShape{256, 4096}, stepped, kFourCores);
  EXPECT_DOUBLE_EQ(large.compute_seconds(4 * 128), 8 * tile_seconds(4096));
}

TEST(GemmCost, SplitsFillCoresThatWouldIdle) {
  GemmConstants split;
  split.splits = 4;
  const GemmPeaks peaks = kFourCores;
  const GemmShape one_tile{64, 4096};
  EXPECT_DOUBLE_EQ(GemmPlan(one_tile, GemmConstants{}, peaks).compute_seconds(64),
                   tile_seconds(4096));
  EXPECT_DOUBLE_EQ(GemmPlan(one_tile, split, peaks).compute_seconds(64), tile_seconds(4096) / 4);
  split.splits = 2;
  EXPECT_DOUBLE_EQ(GemmPlan(one_tile, split, peaks).compute_seconds(64), tile_seconds(4096) / 2);
}

TEST(GemmCost, ASplitThatCostsMoreThanItSavesIsNotMade) {
  GemmConstants dear;
  dear.splits = 4;
  dear.split_us = 1e6 * tile_seconds(4096);
  const GemmShape one_tile{64, 4096};
  EXPECT_DOUBLE_EQ(GemmPlan(one_tile, dear, kFourCores).compute_seconds(64), tile_seconds(4096));
}

TEST(GemmCost, APartOfASplitIsAtLeastOneStepAlongK) {
  GemmConstants split;
  split.splits = 8;
  const GemmShape shallow{64, 64};
  EXPECT_DOUBLE_EQ(GemmPlan(shallow, split, kFourCores).compute_seconds(64), tile_seconds(64));
}

TEST(GemmCost, GroupsAreTilesOfOneKernel) {
  const GemmPlan four(GemmShape{64, 64, 4}, GemmConstants{}, kFourCores);
  const GemmPlan five(GemmShape{64, 64, 5}, GemmConstants{}, kFourCores);
  EXPECT_DOUBLE_EQ(four.compute_seconds(64), tile_seconds(64));
  EXPECT_DOUBLE_EQ(five.compute_seconds(64), 2 * tile_seconds(64));
}

TEST(GemmCost, WhatBoundsIsWhatTakesLonger) {
  const GemmPlan plan(GemmShape{4096, 4096}, GemmConstants{}, {1e15, 1e12, 132});
  EXPECT_FALSE(plan.compute_bound(1));
  EXPECT_TRUE(plan.compute_bound(65536));
}

TEST(GemmCost, QuantisingTakesAPassOverEveryActivation) {
  GemmConstants c;
  const GemmPeaks peaks = {1e15, 1e12, 132};
  const GemmShape s{1024, 4096};
  const double without = GemmPlan(s, c, peaks).seconds(100);
  c.passes = 3;
  EXPECT_NEAR(GemmPlan(s, c, peaks).seconds(100) - without, 3 * 100 * 4096 / 1e12, 1e-18);
}

ExpertShape random_experts(Random& random) {
  ExpertShape s{size(random, 14), size(random, 14)};
  s.weight_bytes = between(random, 0.5, 4);
  s.activation_bytes = between(random, 0.5, 4);
  s.slots = size(random, 9);
  s.token_copies = size(random, 4);
  return s;
}

TEST(ExpertCost, NoLayerIsFasterThanItsOperationsOrItsBytesAllow) {
  Random random(4);
  for (int i = 0; i < kTrials; ++i) {
    const ExpertShape s = random_experts(random);
    const GemmPeaks peaks = random_peaks(random);
    const ExpertPlan plan(s, random_constants(random), peaks);
    const double rows = size(random, 18);
    const double experts = std::min(rows, size(random, 9));
    const double parameters = 3 * s.hidden * s.ffn;
    const double bytes = experts * parameters * s.weight_bytes;
    ASSERT_GE(plan.seconds(rows, experts, rows), kSlack * 2 * rows * parameters / peaks.operations)
        << "trial " << i;
    ASSERT_GE(plan.seconds(rows, experts, rows), kSlack * bytes / peaks.memory) << "trial " << i;
  }
}

TEST(ExpertCost, NoLayerFallsAsRowsExpertsOrTokensGrow) {
  Random random(5);
  for (int i = 0; i < kTrials; ++i) {
    const ExpertPlan plan(random_experts(random), random_constants(random), random_peaks(random));
    const double rows = size(random, 16);
    const double experts = size(random, 9);
    const double tokens = size(random, 16);
    const double before = kSlack * plan.seconds(rows, experts, tokens);
    ASSERT_LE(before, plan.seconds(rows + size(random, 10), experts, tokens)) << "trial " << i;
    ASSERT_LE(before, plan.seconds(rows, experts + size(random, 6), tokens)) << "trial " << i;
    ASSERT_LE(before, plan.seconds(rows, experts, tokens + size(random, 10))) << "trial " << i;
  }
}

TEST(ExpertCost, HandlingCountsRowsAndTokensApart) {
  GemmConstants c;
  c.passes = 2;
  c.token_passes = 3;
  const ExpertPlan plan(ExpertShape{100, 50}, c, {1e15, 1, 1});
  EXPECT_DOUBLE_EQ(plan.handling_seconds(7, 0), 7 * 2 * 150);
  EXPECT_DOUBLE_EQ(plan.handling_seconds(0, 7), 7 * 3 * 100);
}

TEST(ExpertCost, EveryTileTakesItsFill) {
  const double tile = 2.0 * 16 * 128 * 64;  // operations: the least rows, 128 columns, 64 deep
  GemmConstants filled;
  filled.fill_us = 1e6 * tile;
  const ExpertShape shape{64, 64};  // one tile of either product
  EXPECT_DOUBLE_EQ(ExpertPlan(shape, GemmConstants{}, kFourCores).seconds(1, 1, 1), 2 * tile);
  EXPECT_DOUBLE_EQ(ExpertPlan(shape, filled, kFourCores).seconds(1, 1, 1), 4 * tile);
}

TEST(ExpertCost, HandlingPaysHalfOfItsRampAtHalfAndExpertsWithoutRowsAreLookedAt) {
  GemmConstants c;
  c.passes = 2;
  c.ramp_us = 6e6;
  c.half_us = 300e6;
  const ExpertPlan plan(ExpertShape{100, 50}, c, {1e15, 1, 1});
  EXPECT_DOUBLE_EQ(plan.handling_seconds(1, 0), 300 + 3);
  GemmConstants looked;
  looked.slot_us = 1e6;
  ExpertShape shape{64, 64};
  const double one = ExpertPlan(shape, looked, kFourCores).seconds(1, 1, 1);
  shape.slots = 8;
  EXPECT_DOUBLE_EQ(ExpertPlan(shape, looked, kFourCores).seconds(1, 1, 1), one + 7);
}

TEST(ExpertCost, TilesByTheMeanAreAsTallAsTheBatchsMeanRows) {
  const double row = 2.0 * 128 * 64 * 2;  // operations of one row of a tile, both products
  GemmConstants c;
  c.mean_tile = true;
  ExpertShape shape{64, 64};
  shape.slots = 2;
  shape.token_copies = 4;
  const ExpertPlan plan(shape, c, kFourCores);
  EXPECT_DOUBLE_EQ(plan.seconds(1, 1, 8), 16 * row);    // 16 rows in the mean
  EXPECT_DOUBLE_EQ(plan.seconds(1, 1, 9), 64 * row);    // 18
  EXPECT_DOUBLE_EQ(plan.seconds(1, 1, 33), 128 * row);  // 66
  EXPECT_DOUBLE_EQ(plan.seconds(1, 1, 500), 128 * row);
  c.mean_tile = false;
  EXPECT_DOUBLE_EQ(ExpertPlan(shape, c, kFourCores).seconds(1, 1, 500), 16 * row);
}

TEST(ExpertCost, FewRowsOfManyExpertsAreBoundByTheirWeights) {
  const ExpertPlan plan(ExpertShape{7168, 2048, 1, 1}, GemmConstants{}, {1.9e15, 3.35e12, 132});
  EXPECT_FALSE(plan.compute_bound(32, 32, 32));
  EXPECT_TRUE(plan.compute_bound(65536, 4, 65536));
}

}  // namespace
}  // namespace weft
