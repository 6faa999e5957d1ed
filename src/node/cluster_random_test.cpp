// Many small worlds: random deployments, loads and crashes. Every request ends exactly once, with
// the right number of tokens, and leaves nothing behind.
#include <gtest/gtest.h>

#include "node/cluster_testing.h"
#include "sched/routing.h"

namespace weft {
namespace {

// Takes a node down and brings it back, if it ever comes back.
struct Crash {
  Crash(TestCluster& on, size_t at, Instant down, Instant up)
      : world(on),
        target(at),
        down_timer(on.loop, Callback<>::to<&Crash::go_down>(this)),
        up_timer(on.loop, Callback<>::to<&Crash::go_up>(this)) {
    down_timer.arm(down);
    if (up != Instant::never()) up_timer.arm(up);
  }
  void go_down() {
    Cluster& cluster = world.cluster;
    const size_t instances = cluster.instances();
    if (target < instances) {
      if (cluster.instance(target) != nullptr) cluster.stop_instance(target);
    } else if (cluster.cache(target - instances) != nullptr) {
      cluster.stop_cache(target - instances);
    }
  }
  void go_up() {
    Cluster& cluster = world.cluster;
    const size_t instances = cluster.instances();
    if (target < instances) {
      if (cluster.instance(target) == nullptr) cluster.start_instance(target);
    } else if (cluster.cache(target - instances) == nullptr) {
      cluster.start_cache(target - instances);
    }
  }
  TestCluster& world;
  size_t target;
  Timer down_timer;
  Timer up_timer;
};

struct Arrivals {
  Arrivals(TestCluster& on, Random& from, int count)
      : world(on),
        random(from),
        left(count),
        timer(on.loop, Callback<>::to<&Arrivals::fire>(this)) {
    timer.arm(Instant(1));
  }
  int64_t draw(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random.below(static_cast<uint64_t>(high - low + 1)));
  }
  void fire() {
    const bool shares = random.below(2) == 0;
    const Instant deadline =
        random.below(8) == 0 ? world.loop.now() + nanoseconds(draw(0, 20000)) : Instant::never();
    world.submit(draw(1, 60), draw(1, 14), random.below(3), shares ? draw(0, 60) : 0,
                 static_cast<int>(random.below(2)), deadline);
    if (cancels && random.below(3) == 0) world.cancel(random.below(world.submitted.size()));
    if (--left > 0) timer.arm(world.loop.now() + nanoseconds(draw(0, 4000)));
  }
  TestCluster& world;
  Random& random;
  int left;
  bool cancels = false;
  Timer timer;
};

int pick(Random& random, int low, int high) {
  return low + static_cast<int>(random.below(static_cast<uint64_t>(high - low + 1)));
}

TestClusterConfig draw_config(Random& random) {
  TestClusterConfig config;
  config.seed = random.bits();
  if (random.below(2) == 0) {
    config.unified = pick(random, 1, 3);
  } else {
    config.prefill = pick(random, 1, 3);
    config.decode = pick(random, 1, 2);
  }
  config.scheduler.ranks = pick(random, 1, 3);
  config.scheduler.block = Tokens(4);
  config.scheduler.blocks_per_rank = pick(random, 20, 40);
  config.scheduler.max_tokens_per_rank = pick(random, 8, 64);
  config.scheduler.max_sequences_per_rank = pick(random, 1, 6);
  config.scheduler.max_waiting = pick(random, 1, 6);
  config.scheduler.draft_tokens = pick(random, 0, 2);
  config.max_outstanding = pick(random, 1, 12);
  config.caches = pick(random, 0, 3);
  config.capacities.clear();
  for (int i = pick(random, 1, 3); i > 0; --i) config.capacities.push_back(pick(random, 2, 20));
  config.store_fails_every = random.below(3) == 0 ? 3 : 0;
  config.detection = nanoseconds(pick(random, 0, 1) * pick(random, 1, 5000));
  const auto policies = routing_policies();
  config.router.policy = policies[random.below(policies.size())].name;
  config.router.decode_policy = policies[random.below(policies.size())].name;
  config.router.max_pending = random.below(4) == 0 ? 3 : 1000;
  config.router.max_retries = pick(random, 0, 3);
  return config;
}

void check_record(const TestCluster& world, const TestClusterConfig& config, size_t tag,
                  bool crashes) {
  ASSERT_TRUE(world.records[tag].has_value()) << "request " << tag << " never ended";
  const RequestRecord& record = *world.records[tag];
  const auto& asked = world.submitted[tag];
  EXPECT_EQ(record.prompt, asked.prompt);
  EXPECT_LE(record.output, asked.output);
  EXPECT_LE(record.retries, config.router.max_retries + 1);
  switch (record.end) {
    case RequestEnd::kCompleted:
      EXPECT_EQ(record.output, asked.output);
      EXPECT_LT(record.arrival, record.first_token);
      EXPECT_LE(record.first_token, record.last_token);
      EXPECT_LT(record.cached, record.prompt);
      if (!crashes && asked.shared == 0) {
        EXPECT_EQ(record.cached, 0) << "what it computed itself is not cached";
      }
      break;
    case RequestEnd::kRejected:
      EXPECT_EQ(record.output, 0);
      EXPECT_EQ(config.router.max_pending, 3) << "all of them fit, so only a queue rejects";
      break;
    case RequestEnd::kExpired:
      EXPECT_LT(asked.deadline, world.loop.now());
      EXPECT_EQ(record.output, 0);
      break;
    case RequestEnd::kFailed:
      EXPECT_TRUE(crashes);
      break;
    case RequestEnd::kCancelled:
      EXPECT_TRUE(asked.cancelled);
      break;
  }
}

// One world from one seed; its digest.
uint64_t play(uint64_t seed, bool crashes, bool all_return, bool cancels = false) {
  Random random(seed);
  const TestClusterConfig config = draw_config(random);
  TestCluster world(config);
  const int requests = pick(random, 1, 40);
  Arrivals arrivals(world, random, requests);
  arrivals.cancels = cancels;
  std::vector<std::unique_ptr<Crash>> faults;
  const size_t nodes = TestCluster::node_count(config) - 1;
  for (int i = crashes ? pick(random, 1, 6) : 0; i > 0; --i) {
    const Instant down(pick(random, 0, 120000));
    const bool returns = all_return || random.below(3) != 0;
    const Instant up = returns ? down + nanoseconds(pick(random, 1, 20000)) : Instant::never();
    faults.push_back(std::make_unique<Crash>(world, random.below(nodes), down, up));
  }
  world.run();
  for (int i = 0; i < 50 && world.cluster.router().in_flight() > 0; ++i) {
    world.cluster.router().give_up();
    world.run();
  }
  EXPECT_TRUE(world.all_free()) << "seed " << seed;
  EXPECT_EQ(world.records.size(), static_cast<size_t>(requests));
  int64_t output = 0;
  for (size_t tag = 0; tag < world.records.size(); ++tag) {
    check_record(world, config, tag, crashes);
    if (world.records[tag]) output += world.records[tag]->output;
    if (crashes && all_return && config.router.max_retries == 3 && world.records[tag]) {
      const bool failed = world.records[tag]->end == RequestEnd::kFailed;
      const bool cancelled = world.records[tag]->end == RequestEnd::kCancelled;
      const bool tried_enough = world.records[tag]->retries > 3 && !cancelled;
      EXPECT_EQ(failed, tried_enough) << "seed " << seed << " tag " << tag;
    }
  }
  EXPECT_EQ(world.cluster.router().output_tokens(), output) << "seed " << seed;
  return world.cluster.router().digest();
}

TEST(ClusterRandom, WithoutFaultsEveryRequestEndsOnceAndLeavesNothing) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    play(seed, false, true);
    if (HasFailure()) FAIL() << "first in the world of seed " << seed;
  }
}

TEST(ClusterRandom, WhenNodesCrashAndReturnEveryRequestEndsOnce) {
  for (uint64_t seed = 1001; seed <= 1400; ++seed) {
    play(seed, true, true);
    if (HasFailure()) FAIL() << "first in the world of seed " << seed;
  }
}

TEST(ClusterRandom, WhenNodesStayDownWhatIsLeftFails) {
  for (uint64_t seed = 2001; seed <= 2200; ++seed) {
    play(seed, true, false);
    if (HasFailure()) FAIL() << "first in the world of seed " << seed;
  }
}

TEST(ClusterRandom, WhatIsCancelledAnywhereOnItsWayLeavesNothing) {
  for (uint64_t seed = 4001; seed <= 4400; ++seed) {
    play(seed, seed % 2 == 0, true, true);
    if (HasFailure()) FAIL() << "first in the world of seed " << seed;
  }
}

TEST(ClusterRandom, OneSeedGivesOneDigest) {
  for (uint64_t seed = 3001; seed <= 3020; ++seed) {
    EXPECT_EQ(play(seed, true, true), play(seed, true, true));
  }
  EXPECT_NE(play(3001, true, true), play(3002, true, true));
}

}  // namespace
}  // namespace weft
