// Attention kernels: no faster than the peaks, never less time for more work, and close to a few
// published timings.
#include "cost/attention_kernel.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace weft {
namespace {

constexpr AttentionPeaks kH100 = {989e12, 3.35e12, 132};

constexpr int kCases = 100000;
constexpr double kRounding = 1 - 1e-12;

double between(Random& random, int least, int most) {
  return least + static_cast<double>(random.below(static_cast<uint64_t>(most - least + 1)));
}

double share(Random& random) { return between(random, 5, 100) / 100; }

bool flip(Random& random) { return random.below(2) == 1; }

AttentionShape random_shape(Random& random) {
  AttentionShape shape;
  shape.kv_heads = between(random, 1, 16);
  shape.query_heads = shape.kv_heads * between(random, 1, 32);
  shape.qk_dim = between(random, 16, 576);
  shape.v_dim = between(random, 0, 512);
  shape.row_bytes = between(random, 64, 2048);
  if (flip(random)) shape.limit = between(random, 1, 8192);
  shape.shares_tile = flip(random);
  return shape;
}

AttentionPrefillConstants random_prefill(Random& random) {
  AttentionPrefillConstants c;
  c.floor_us = between(random, 0, 40);
  c.compute_share = share(random);
  c.softmax_ops = between(random, 0, 500);
  c.passes = 1 + between(random, 0, 50) / 10;
  c.tile_us = between(random, 0, 40);
  c.longest_share = between(random, 0, 30) / 10;
  c.window_us = between(random, 0, 10);
  return c;
}

AttentionDecodeConstants random_decode(Random& random) {
  AttentionDecodeConstants c;
  c.floor_us = between(random, 0, 40);
  c.memory_share = share(random);
  c.ramp_us = between(random, 0, 40);
  c.half_us = 0.01 + between(random, 0, 60);
  c.compute_share = share(random);
  c.item_us = between(random, 0, 30);
  c.width_us = between(random, 0, 5);
  c.tile_us = between(random, 0, 5);
  c.merge_us = between(random, 0, 20);
  c.row_tile = flip(random) ? 8 : 16;
  c.row_passes = 1 + between(random, 0, 50) / 10;
  c.chain_us = between(random, 0, 20);
  c.outside_window = between(random, 0, 1);
  c.part_rows = flip(random) ? 64 : 0;
  c.by_head = flip(random);
  c.unsplit = flip(random);
  c.key_ns = between(random, 0, 20);
  c.alone_us = between(random, 0, 20);
  return c;
}

AttentionShape heads_of(double heads, double kv_heads, double dim) {
  AttentionShape shape;
  shape.query_heads = heads;
  shape.kv_heads = kv_heads;
  shape.qk_dim = shape.v_dim = dim;
  shape.row_bytes = 4 * dim;
  return shape;
}

AttentionChunks random_load(Random& random) {
  AttentionChunks load;
  load.tokens = between(random, 1, 1 << random.below(17));
  load.products = load.tokens * between(random, 1, 20000) / 2;
  load.context = between(random, 0, 200000);
  load.sequences = between(random, 1, 64);
  load.longest = between(random, 1, 200000);
  return load;
}

TEST(AttentionPrefillPlan, NoFasterThanThePeaks) {
  Random random(1);
  for (int i = 0; i < kCases; ++i) {
    const AttentionShape shape = random_shape(random);
    const AttentionPrefillPlan plan(shape, random_prefill(random), kH100);
    const AttentionChunks load = random_load(random);
    const double pairs = std::min(load.products, shape.limit * load.tokens);
    const double width = shape.qk_dim + shape.v_dim;
    const double compute = 2 * shape.query_heads * width * pairs / kH100.operations;
    const double rows = shape.query_heads * width * 2 + shape.kv_heads * shape.row_bytes;
    const double keys = std::min(load.context, shape.limit * load.sequences);
    const double bytes = rows * load.tokens + shape.kv_heads * shape.row_bytes * keys;
    ASSERT_GE(plan.seconds(load), kRounding * std::max(compute, bytes / kH100.memory)) << i;
  }
}

TEST(AttentionPrefillPlan, MoreWorkTakesNoLessTime) {
  Random random(2);
  for (int i = 0; i < kCases; ++i) {
    const AttentionPrefillPlan plan(random_shape(random), random_prefill(random), kH100);
    const AttentionChunks load = random_load(random);
    AttentionChunks more = load;
    double* const fields[] = {&more.tokens, &more.products, &more.context, &more.sequences,
                              &more.longest};
    *fields[random.below(5)] += between(random, 1, 4096);
    ASSERT_GE(plan.seconds(more), kRounding * plan.seconds(load)) << i;
  }
}

TEST(AttentionPrefillPlan, MoreHeadsTakeNoLessTime) {
  Random random(3);
  for (int i = 0; i < kCases; ++i) {
    AttentionShape shape = random_shape(random);
    const AttentionPrefillConstants constants = random_prefill(random);
    const AttentionChunks load = random_load(random);
    const double before = AttentionPrefillPlan(shape, constants, kH100).seconds(load);
    const double factor = between(random, 2, 8);
    shape.query_heads *= factor;
    if (flip(random)) shape.kv_heads *= factor;
    const double after = AttentionPrefillPlan(shape, constants, kH100).seconds(load);
    ASSERT_GE(after, kRounding * before) << i;
  }
}

TEST(AttentionDecodePlan, NoFasterThanThePeaks) {
  Random random(4);
  for (int i = 0; i < kCases; ++i) {
    const AttentionShape shape = random_shape(random);
    const double tokens = between(random, 1, 4);
    const AttentionDecodePlan plan(shape, tokens, random_decode(random), kH100);
    const double sequences = between(random, 1, 2048);
    const double context = sequences * between(random, 1, 1 << random.below(18));
    const double keys = std::min(context, shape.limit * sequences);
    const double width = shape.qk_dim + shape.v_dim;
    const double compute = 2 * shape.query_heads * tokens * width * keys / kH100.operations;
    const double bytes = shape.kv_heads * shape.row_bytes * keys +
                         shape.query_heads * tokens * width * shape.value_bytes * sequences;
    ASSERT_GE(plan.seconds(sequences, context), kRounding * std::max(compute, bytes / kH100.memory))
        << i;
  }
}

TEST(AttentionDecodePlan, MoreWorkTakesNoLessTime) {
  Random random(5);
  for (int i = 0; i < kCases; ++i) {
    const AttentionShape shape = random_shape(random);
    const AttentionDecodeConstants constants = random_decode(random);
    const double tokens = between(random, 1, 4);
    const AttentionDecodePlan plan(shape, tokens, constants, kH100);
    const double sequences = between(random, 1, 2048);
    const double keys = between(random, 1, 1 << random.below(18));
    const double context = sequences * keys;
    const double least = kRounding * plan.seconds(sequences, context);
    const double added = between(random, 1, 64);  // sequences as long as the others
    ASSERT_GE(plan.seconds(sequences + added, context + added * keys), least) << i;
    ASSERT_GE(plan.seconds(sequences, context + between(random, 1, 65536)), least) << i;
    const AttentionDecodePlan drafting(shape, tokens + 1, constants, kH100);
    ASSERT_GE(drafting.seconds(sequences, context), least) << i;
  }
}

TEST(AttentionDecodePlan, DraftTokensReadKvOnce) {
  const AttentionShape shape = heads_of(8, 1, 128);
  const AttentionDecodeConstants constants = {5, 0.9, 10, 5, 0.6, 2};
  const AttentionDecodePlan one(shape, 1, constants, kH100);
  const AttentionDecodePlan two(shape, 2, constants, kH100);  // 16 rows: still one row tile
  EXPECT_NEAR(two.seconds(64, 64 * 32768.0) / one.seconds(64, 64 * 32768.0), 1, 1e-3);
}

TEST(AttentionDecodePlan, AWindowEndsGrowth) {
  AttentionShape shape = heads_of(8, 1, 64);
  shape.limit = 128 + AttentionShape::kWindowTile;
  const AttentionDecodePlan plan(shape, 1, {5, 0.9, 10, 5, 0.6, 2}, kH100);
  EXPECT_EQ(plan.seconds(16, 16 * 1000.0), plan.seconds(16, 16 * 100000.0));
  EXPECT_LT(plan.seconds(16, 16 * 100.0), plan.seconds(16, 16 * 1000.0));
}

TEST(AttentionDecodePlan, PartsOverTheWholeContextGrowBeyondAWindow) {
  AttentionShape shape = heads_of(8, 1, 64);
  shape.limit = 128 + AttentionShape::kWindowTile;
  AttentionDecodeConstants constants = {5, 0.9, 10, 5, 0.6, 2};
  constants.outside_window = 1;
  const AttentionDecodePlan plan(shape, 1, constants, kH100);
  shape.limit = AttentionShape::kUnlimited;
  const AttentionDecodePlan whole(shape, 1, constants, kH100);
  EXPECT_LT(plan.seconds(16, 16 * 1000.0), plan.seconds(16, 16 * 100000.0));
  EXPECT_LT(plan.seconds(16, 16 * 100000.0), whole.seconds(16, 16 * 100000.0) / 2);
}

TEST(AttentionDecodePlan, AChainEndsWhereKeysAreSplit) {
  const AttentionShape shape = heads_of(8, 1, 128);
  AttentionDecodeConstants constants = {5, 1, 0, 5, 1, 0};
  const AttentionDecodePlan none(shape, 1, constants, kH100);
  constants.chain_us = 8;
  const AttentionDecodePlan chain(shape, 1, constants, kH100);
  const double short_keys = AttentionDecodePlan::kWalkKeys;
  EXPECT_NEAR(chain.seconds(1, short_keys) - none.seconds(1, short_keys), 4e-6, 0.3e-6);
  EXPECT_NEAR(chain.seconds(512, 512 * 65536.0) / none.seconds(512, 512 * 65536.0), 1, 1e-3);
}

// 128 heads of latent rows on 78 cores are two blocks of 64 rows: 39 places for sequences.
TEST(AttentionDecodePlan, WholePartsComeInWaves) {
  AttentionShape shape;
  shape.query_heads = 128;
  shape.qk_dim = 576;
  shape.v_dim = 512;
  shape.row_bytes = 1;
  shape.shares_tile = true;
  AttentionDecodeConstants constants = {0, 1, 0, 1, 1, 0};
  constants.part_rows = 64;
  const AttentionDecodePlan plan(shape, 1, constants, {148e12, 1e18, 78});
  const double keys = 65536;
  const double wave = 2 * 1088 * 64 * keys / (148e12 / 78);
  EXPECT_NEAR(plan.seconds(39, 39 * keys) / wave, 1, 1e-6);
  EXPECT_NEAR(plan.seconds(40, 40 * keys) / wave, 2, 1e-6);
  EXPECT_NEAR(plan.seconds(64, 64 * keys) / wave, 2, 1e-6);
  EXPECT_NEAR(plan.seconds(32, 32 * keys) / wave, 1, 1e-6);        // one part each
  EXPECT_NEAR(plan.seconds(16, 16 * keys) / wave, 1 / 2.0, 1e-6);  // two parts each
  EXPECT_NEAR(plan.seconds(1, keys) / wave, 1 / 39.0, 1e-6);
}

TEST(AttentionDecodePlan, ByHeadEveryQueryHeadWalksItsKeys) {
  AttentionDecodeConstants constants = {0, 1, 0, 1, 1, 0};
  constants.by_head = constants.unsplit = true;
  constants.key_ns = 10;
  const double heads = 528;  // four on a core
  const AttentionDecodePlan grouped(heads_of(heads, 1, 128), 1, constants, kH100);
  EXPECT_NEAR(grouped.seconds(1, 1000), 4 * 1000 * 10e-9, 0.4e-6);
  const AttentionDecodePlan wider(heads_of(heads, 1, 256), 1, constants, kH100);
  EXPECT_NEAR(wider.seconds(1, 1000) / grouped.seconds(1, 1000), 2, 0.02);
  constants.chain_us = 500;  // of the first kWalkKeys keys, and of all that follow
  const AttentionDecodePlan chained(heads_of(1, 1, 128), 1, constants, kH100);
  EXPECT_NEAR(chained.seconds(1, 3 * AttentionDecodePlan::kWalkKeys), 1500e-6, 1e-6);
}

TEST(AttentionDecodePlan, RowTilesAndWidthsHoldACoreLonger) {
  AttentionDecodeConstants constants = {0, 1, 0, 1, 1, 1};
  constants.width_us = 2;
  constants.tile_us = 4;
  constants.row_tile = 8;
  const auto item_us = [&](double heads, double dim) {
    return 1e6 * AttentionDecodePlan(heads_of(heads, 1, dim), 1, constants, kH100).seconds(1, 1);
  };
  EXPECT_NEAR(item_us(8, 128), 1 + 2, 0.01);
  EXPECT_NEAR(item_us(9, 128), 1 + 2 + 4, 0.01);
  EXPECT_NEAR(item_us(8, 256), 1 + 2 * 2, 0.01);
  EXPECT_NEAR(item_us(8, 192), item_us(8, 256), 0.01);  // padded
}

TEST(AttentionPrefillPlan, AWindowsFarEdgeIsMaskedBeyondIt) {
  AttentionShape shape = heads_of(64, 8, 64);
  shape.limit = 128 + AttentionShape::kWindowTile;
  AttentionPrefillConstants constants = {10, 0.7, 100, 2, 2, 1};
  const AttentionPrefillPlan none(shape, constants, kH100);
  constants.window_us = 4;
  const AttentionPrefillPlan edge(shape, constants, kH100);
  const AttentionChunks inside = {128, 128 * 64.5, 0, 1, 128};
  const AttentionChunks beyond = {16384, 16384 * 8192.5, 0, 1, 16384};
  EXPECT_EQ(edge.seconds(inside), none.seconds(inside));
  const double tiles = 64 * 16384 / AttentionPrefillPlan::kTileQueries;
  EXPECT_NEAR(edge.seconds(beyond) - none.seconds(beyond), 4e-6 * tiles / kH100.cores, 10e-6);
}

TEST(AttentionPrefillPlan, NothingToDoTakesNoTime) {
  EXPECT_EQ(AttentionPrefillPlan({}, {}, kH100).seconds(AttentionChunks::of({})), 0);
  EXPECT_EQ(AttentionDecodePlan({}, 1, {}, kH100).seconds(RankLoad{}), 0);
}

TEST(AttentionPrefillPlan, ARankLoadOfOneChunkIsThatChunk) {
  const AttentionPrefillPlan plan(heads_of(8, 1, 128), {10, 0.7, 100, 2, 2, 1}, kH100);
  RankLoad load;
  load.prefill_tokens = 512;
  load.prefill_context = 30000;
  load.prefill_products = 512 * (30000 + 513.0 / 2);
  load.prefill_longest = 30512;
  load.prefill_sequences = 1;
  const double chunk = plan.seconds({512, load.prefill_products, 30000, 1, 30512});
  EXPECT_DOUBLE_EQ(plan.seconds(AttentionChunks::of(load)), chunk);
}

TEST(AttentionPrefillPlan, APromptInChunksCostsAtLeastThePromptsProducts) {
  const AttentionShape shape = heads_of(32, 8, 128);
  const AttentionPrefillPlan plan(shape, {10, 0.7, 100, 2, 2, 1}, kH100);
  const double whole = plan.seconds({8192, 8192.0 * 8193 / 2, 0, 1, 8192});
  double parts = 0;
  for (double before = 0; before < 8192; before += 2048) {
    parts += plan.seconds({2048, 2048 * (before + 2049.0 / 2), before, 1, before + 2048});
  }
  EXPECT_GT(parts, whole);
  EXPECT_LT(parts, 1.3 * whole);
}

}  // namespace
}  // namespace weft
