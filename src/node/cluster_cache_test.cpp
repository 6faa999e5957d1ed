// KV in the cache nodes: what comes back from them, and what is computed again when they lose it.
#include <gtest/gtest.h>

#include <set>

#include "cache/placement.h"
#include "node/cluster_testing.h"

namespace weft {
namespace {

void expect_completed(TestCluster& world, size_t tag, int64_t output) {
  ASSERT_TRUE(world.records[tag].has_value());
  EXPECT_EQ(world.records[tag]->end, RequestEnd::kCompleted);
  EXPECT_EQ(world.records[tag]->output, output);
}

// One prompt of ten blocks twice, the second time on an instance that has lost its own memory.
struct CacheRun {
  int64_t cached = 0;
  int64_t fetched = 0;
};
CacheRun serve_twice(TestClusterConfig config, const std::function<void(Cluster&)>& between,
                     int64_t blocks = 10, uint64_t family = 7) {
  TestCluster world(config);
  const int64_t shared = 4 * blocks;
  world.submit(shared + 2, 2, family, shared);
  world.run();
  world.cluster.stop_instance(0);
  world.run();
  world.cluster.start_instance(0);
  between(world.cluster);
  world.run();
  world.submit(shared + 2, 2, family, shared);
  world.run();
  expect_completed(world, 1, 2);
  return {world.records[1]->cached, world.transport.sent(MessageKind::kFetched)};
}

TestClusterConfig with_caches(int caches, std::vector<int64_t> capacities) {
  TestClusterConfig config = small_cluster(1);
  config.caches = caches;
  config.capacities = std::move(capacities);
  return config;
}

TEST(ClusterCache, KvComesBackFromTheCacheNodes) {
  const auto nothing = [](Cluster&) {};
  EXPECT_EQ(serve_twice(with_caches(0, {64}), nothing).cached, 0);
  EXPECT_EQ(serve_twice(with_caches(1, {64}), nothing).cached, 40);
  EXPECT_EQ(serve_twice(with_caches(3, {64}), nothing).cached, 40);
  EXPECT_EQ(serve_twice(with_caches(2, {3, 64}), nothing).cached, 40) << "from below memory";
}

TEST(ClusterCache, WhatCannotBeReadIsComputed) {
  TestClusterConfig config = with_caches(1, {3, 64});
  config.store_fails_every = 1;
  const CacheRun run = serve_twice(config, [](Cluster&) {});
  EXPECT_EQ(run.cached, 0);
  EXPECT_GT(run.fetched, 0);
}

TEST(ClusterCache, ATierThatIsDownHasLostItsBlocksAndIsBackEmpty) {
  const auto config = with_caches(1, {64});
  const auto down = serve_twice(config, [](Cluster& c) { c.cache(0)->tier_down(0); });
  EXPECT_EQ(down.cached, 0);
  const auto over_another = with_caches(1, {64, 64});
  const auto lost = serve_twice(over_another, [](Cluster& c) { c.cache(0)->tier_down(0); });
  EXPECT_EQ(lost.cached, 0) << "what a tier loses does not move down";
  const auto back = serve_twice(config, [](Cluster& c) {
    c.cache(0)->tier_down(0);
    c.cache(0)->tier_up(0);
  });
  EXPECT_EQ(back.cached, 0);
}

// 40 blocks are three stripes. Where a cache node has lost its own, the prefix ends there.
TEST(ClusterCache, OnlyAnUnbrokenRunOfStripesCounts) {
  const std::vector<NodeId> nodes{NodeId(2), NodeId(3), NodeId(4)};
  std::set<int64_t> seen;
  for (uint64_t i = 0; i < 24; ++i) {
    const uint64_t family = i / 3;
    const size_t lost = i % 3;
    int64_t want = 40;
    for (int64_t first = 32; first >= 0; first -= kStripeBlocks) {
      const BlockHash hash(mix64(family, static_cast<uint64_t>(first)));
      if (owner(hash, nodes) == lost) want = first;
    }
    const auto forget = [lost](Cluster& c) {
      c.cache(lost)->tier_down(0);
      c.cache(lost)->tier_up(0);
    };
    const CacheRun run = serve_twice(with_caches(3, {64}), forget, 40, family);
    EXPECT_EQ(run.cached, 4 * want);
    EXPECT_EQ(run.fetched, ceil_div(want, kStripeBlocks)) << "nothing is asked for beyond the gap";
    seen.insert(want);
  }
  EXPECT_EQ(seen, (std::set<int64_t>{0, 16, 32, 40}));
}

// The second of the three stripes cannot be read.
TEST(ClusterCache, OnlyAnUnbrokenRunOfReadsCounts) {
  TestClusterConfig config = with_caches(1, {3, 64});
  config.store_fails_every = 2;
  EXPECT_EQ(serve_twice(
                config, [](Cluster&) {}, 40)
                .cached,
            4 * kStripeBlocks);
}

// The copy of ten blocks takes 40 µs, a request 4. The next one needs the same memory, and gets it
// when the copy has arrived, or has failed because the cache node died.
TEST(ClusterCache, BlocksStayAsTheyAreWhileTheyAreCopied) {
  for (const bool dies : {false, true}) {
    TestClusterConfig config = with_caches(1, {64});
    config.scheduler.blocks_per_rank = 12;
    config.kv_bytes_per_token = 1000;
    TestCluster world(config);
    world.submit(40, 2);
    while (!world.records[0].has_value()) world.run_for(nanoseconds(1));
    expect_completed(world, 0, 2);
    EXPECT_EQ(world.cluster.instance(0)->scheduler().blocks_in_use(), 10);
    world.submit(40, 2);
    if (dies) world.cluster.stop_cache(0);
    world.run();
    expect_completed(world, 1, 2);
    EXPECT_GT(world.records[1]->first_token, Instant(40'000));
    EXPECT_LT(world.records[1]->first_token, Instant(60'000)) << "nobody waits for longer";
    EXPECT_TRUE(world.all_free());
  }
}

TEST(ClusterCache, ADeadCacheNodeKeepsNobodyWaiting) {
  const auto run = serve_twice(with_caches(1, {64}), [](Cluster& c) { c.stop_cache(0); });
  EXPECT_EQ(run.cached, 0);
}

// The instance starts while the cache node is down, and has to learn of it.
TEST(ClusterCache, AnInstanceThatStartsLearnsWhoIsDown) {
  TestCluster world(with_caches(1, {64}));
  world.cluster.stop_cache(0);
  world.cluster.stop_instance(0);
  world.run();
  world.cluster.start_instance(0);
  world.submit(42, 2, 7, 40);
  world.run();
  expect_completed(world, 0, 2);
}

}  // namespace
}  // namespace weft
