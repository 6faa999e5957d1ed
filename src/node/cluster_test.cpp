// What the nodes promise together, one situation at a time.
#include "node/cluster.h"

#include <gtest/gtest.h>

#include "node/cluster_testing.h"

namespace weft {
namespace {

TestClusterConfig apart(int prefill, int decode) {
  TestClusterConfig config = small_cluster(0);
  config.prefill = prefill;
  config.decode = decode;
  return config;
}

// Runs until the instance decodes, then a little into a step of it.
void run_until_decoding(TestCluster& world, size_t instance) {
  const auto& node = *world.cluster.instance(instance);
  while (node.scheduler().running() == 0) ASSERT_TRUE(world.loop.run_one_turn());
  world.run_for(nanoseconds(3000));
}

void expect_completed(TestCluster& world, size_t tag, int64_t output) {
  ASSERT_TRUE(world.records[tag].has_value());
  EXPECT_EQ(world.records[tag]->end, RequestEnd::kCompleted);
  EXPECT_EQ(world.records[tag]->output, output);
}

TEST(Cluster, ServesUnifiedAndApart) {
  for (const bool is_apart : {false, true}) {
    TestCluster world(is_apart ? apart(2, 2) : small_cluster(2));
    for (int i = 0; i < 20; ++i) world.submit(10 + i, 1 + i);
    world.run();
    for (size_t tag = 0; tag < 20; ++tag) expect_completed(world, tag, 1 + static_cast<int>(tag));
    EXPECT_TRUE(world.all_free());
    const int64_t gaps = world.cluster.router().token_gaps().count();
    EXPECT_EQ(gaps, world.cluster.router().output_tokens() - 20);
    // A request of one token never sees a decode instance; the others are released by theirs.
    const int64_t handed_over = is_apart ? 19 : 0;
    EXPECT_EQ(world.transport.sent(MessageKind::kDecode), handed_over);
    EXPECT_EQ(world.transport.sent(MessageKind::kRelease), handed_over);
  }
}

TEST(Cluster, AFullQueueRejectsAtOnce) {
  TestClusterConfig config = small_cluster(1);
  config.max_outstanding = 1;
  config.router.max_pending = 2;
  TestCluster world(config);
  for (int i = 0; i < 5; ++i) world.submit(8, 4);
  EXPECT_EQ(world.count(RequestEnd::kRejected), 2);
  EXPECT_EQ(world.cluster.router().pending(), 2);
  world.run();
  EXPECT_EQ(world.count(RequestEnd::kCompleted), 3);
  EXPECT_TRUE(world.records[3].has_value() && world.records[4].has_value());
}

TEST(Cluster, WithNoQueueAtAllOnlyWhatFindsRoomGoesIn) {
  TestClusterConfig config = small_cluster(2);
  config.max_outstanding = 1;
  config.router.max_pending = 0;
  TestCluster world(config);
  for (int i = 0; i < 3; ++i) world.submit(8, 4);
  EXPECT_EQ(world.count(RequestEnd::kRejected), 1);
  world.run();
  EXPECT_EQ(world.count(RequestEnd::kCompleted), 2);
}

TEST(Cluster, WhatCanNeverFitIsRejectedAndFreesItsKv) {
  TestClusterConfig config = apart(1, 1);
  TestCluster world(config);
  world.submit(300, 4);   // 64 blocks of 4 hold no such prompt
  world.submit(200, 80);  // prefill can hold it, decode never
  world.submit(8, 4);
  world.run();
  EXPECT_EQ(world.records[0]->end, RequestEnd::kRejected);
  EXPECT_EQ(world.records[1]->end, RequestEnd::kRejected);
  expect_completed(world, 2, 4);
  EXPECT_TRUE(world.all_free());
}

TEST(Cluster, AFullInstanceRefusesAndTheRequestWaitsAtTheRouter) {
  TestClusterConfig config = small_cluster(1);
  config.scheduler.max_waiting = 1;
  config.scheduler.max_sequences_per_rank = 1;
  TestCluster world(config);
  for (int i = 0; i < 6; ++i) world.submit(8, 4);
  world.run();
  EXPECT_GT(world.transport.sent(MessageKind::kRefused), 0);
  EXPECT_EQ(world.count(RequestEnd::kCompleted), 6);
}

TEST(Cluster, WhenTheDecodePoolIsFullRequestsWaitWithTheirKv) {
  TestClusterConfig config = apart(1, 1);
  config.max_outstanding = 2;
  TestCluster world(config);
  for (int i = 0; i < 8; ++i) world.submit(8, 10);
  int64_t most_waiting = 0;
  int64_t most_held = 0;
  while (world.loop.run_one_turn()) {
    most_waiting = std::max(most_waiting, world.cluster.router().pending());
    most_held = std::max(most_held, world.cluster.instance(0)->scheduler().held());
    EXPECT_LE(world.cluster.instance(1)->scheduler().sequences(), 2);
  }
  EXPECT_GE(most_waiting, 4);
  EXPECT_GE(most_held, 4);
  EXPECT_EQ(world.count(RequestEnd::kCompleted), 8);
  EXPECT_TRUE(world.all_free());
}

TEST(Cluster, AnotherInstanceTakesOverFromADeadOne) {
  TestCluster world(small_cluster(2));
  world.submit(20, 30);
  run_until_decoding(world, 0);
  const int64_t before = world.cluster.router().output_tokens();
  EXPECT_GT(before, 1);
  EXPECT_LT(before, 29);
  world.cluster.stop_instance(0);
  world.run();
  expect_completed(world, 0, 30);
  EXPECT_EQ(world.records[0]->retries, 1);
  EXPECT_EQ(world.cluster.router().output_tokens(), 30)
      << "tokens that were out are not made again";
}

TEST(Cluster, KvLostWithADecodeInstanceIsComputedAgain) {
  TestCluster world(apart(1, 2));
  world.submit(20, 30);
  run_until_decoding(world, 1);
  world.cluster.stop_instance(1);
  world.run();
  expect_completed(world, 0, 30);
  EXPECT_EQ(world.records[0]->cached, 0) << "found again is not cached";
  EXPECT_EQ(world.transport.sent(MessageKind::kPrefill), 2);
  EXPECT_EQ(world.cluster.router().output_tokens(), 30);
  EXPECT_TRUE(world.all_free());
}

TEST(Cluster, KvLostWithAPrefillInstanceIsComputedAgain) {
  TestClusterConfig config = apart(2, 1);
  config.max_outstanding = 1;
  TestCluster world(config);
  world.submit(8, 40);
  world.submit(8, 40);
  while (world.cluster.router().pending() == 0) ASSERT_TRUE(world.loop.run_one_turn());
  world.run_for(nanoseconds(3000));  // one decodes, and the other's KV waits where it was computed
  const size_t holds = world.cluster.instance(0)->scheduler().held() > 0 ? 0 : 1;
  ASSERT_EQ(world.cluster.instance(holds)->scheduler().held(), 1);
  world.cluster.stop_instance(holds);
  world.run();
  for (const size_t tag : {size_t{0}, size_t{1}}) expect_completed(world, tag, 40);
  EXPECT_EQ(world.records[0]->retries + world.records[1]->retries, 1);
}

TEST(Cluster, KvLostWhileItIsPulledIsComputedAgain) {
  TestCluster world(apart(2, 1));
  world.submit(20, 10);
  const Scheduler& decode = world.cluster.instance(2)->scheduler();
  while (decode.sequences() == 0 || decode.waiting() > 0) ASSERT_TRUE(world.loop.run_one_turn());
  ASSERT_EQ(decode.running(), 0) << "its KV is on its way";
  world.cluster.stop_instance(0);
  world.run();
  expect_completed(world, 0, 10);
  EXPECT_GE(world.transport.sent(MessageKind::kPrefill), 2);
  EXPECT_TRUE(world.all_free());
}

// Refused by a full decode instance, then computed again elsewhere: it pulls from the new place.
TEST(Cluster, ARefusedRequestPullsFromWhereItsKvIsNow) {
  TestClusterConfig config = apart(2, 1);
  config.scheduler.max_sequences_per_rank = 1;
  config.scheduler.max_waiting = 1;
  for (const size_t dies : {size_t{0}, size_t{1}}) {
    TestCluster world(config);
    for (int i = 0; i < 6; ++i) world.submit(20, 40);
    const Scheduler& decode = world.cluster.instance(2)->scheduler();
    const auto held = [&](size_t i) { return world.cluster.instance(i)->scheduler().held(); };
    while (held(0) + held(1) < 5 || decode.waiting() == 0 || world.cluster.router().pending() < 4) {
      ASSERT_TRUE(world.loop.run_one_turn());
    }
    world.cluster.stop_instance(dies);
    world.run_for(nanoseconds(100));
    world.cluster.start_instance(dies);
    world.run();
    EXPECT_EQ(world.count(RequestEnd::kCompleted), 6);
    EXPECT_TRUE(world.all_free());
  }
}

TEST(Cluster, EvictedFromDecodeItGoesOnElsewhereInTime) {
  TestClusterConfig config = apart(1, 1);
  config.scheduler.blocks_per_rank = 14;
  TestCluster world(config);
  for (int i = 0; i < 4; ++i) world.submit(10, 30);
  world.run();
  EXPECT_GT(world.transport.sent(MessageKind::kLost), 0);
  for (size_t tag = 0; tag < 4; ++tag) expect_completed(world, tag, 30);
  EXPECT_TRUE(world.all_free());
}

TEST(Cluster, AfterTooManyDeathsARequestFails) {
  TestClusterConfig config = small_cluster(1);
  config.router.max_retries = 2;
  TestCluster world(config);
  world.submit(20, 100);
  for (int death = 1; death <= 3; ++death) {
    run_until_decoding(world, 0);
    world.cluster.stop_instance(0);
    world.run_for(nanoseconds(5000));
    EXPECT_EQ(world.records[0].has_value(), death == 3);
    world.cluster.start_instance(0);
  }
  world.run();
  EXPECT_EQ(world.records[0]->end, RequestEnd::kFailed);
  EXPECT_EQ(world.records[0]->retries, 3);
}

TEST(Cluster, GivingUpFailsWhatWaitsAndFreesItsKv) {
  TestClusterConfig config = apart(1, 1);
  TestCluster world(config);
  world.cluster.stop_instance(1);
  world.submit(20, 5);
  world.run();
  EXPECT_FALSE(world.records[0].has_value());
  world.cluster.router().give_up();
  EXPECT_EQ(world.records[0]->end, RequestEnd::kFailed);
  world.run();
  EXPECT_TRUE(world.all_free());
}

TEST(Cluster, DeadlinesEndWhatHasNotStarted) {
  TestClusterConfig config = small_cluster(1);
  config.max_outstanding = 1;
  TestCluster world(config);
  world.submit(8, 50);
  world.submit(8, 5, 0, 0, 0, world.loop.now() + nanoseconds(5000));
  world.submit(8, 5);
  world.run();
  expect_completed(world, 0, 50);
  EXPECT_EQ(world.records[1]->end, RequestEnd::kExpired);
  expect_completed(world, 2, 5);
}

TEST(Cluster, UrgentRequestsOvertakeAtTheRouter) {
  TestClusterConfig config = small_cluster(1);
  config.max_outstanding = 1;
  TestCluster world(config);
  std::vector<uint64_t> order;
  world.on_end = [&](const RequestRecord& record) { order.push_back(record.tag); };
  world.submit(8, 5);
  world.submit(8, 5);
  world.submit(8, 5, 0, 0, 1);
  world.run();
  EXPECT_EQ(order, (std::vector<uint64_t>{0, 2, 1}));
}

// Each end brings the next request, inside the callback; instances die meanwhile.
TEST(Cluster, NewRequestsMayComeInsideTheCallbackOfAnEnd) {
  TestClusterConfig config = small_cluster(2);
  config.max_outstanding = 2;
  config.router.max_pending = 3;
  config.router.max_retries = 0;
  TestCluster world(config);
  int left = 300;
  world.on_end = [&](const RequestRecord&) {
    if (--left > 0) world.submit(12, 6);
  };
  for (int i = 0; i < 6; ++i) world.submit(12, 6);
  for (int i = 0; i < 10; ++i) {
    const size_t dies = static_cast<size_t>(i % 2);
    world.run_for(nanoseconds(20000));
    world.cluster.stop_instance(dies);
    world.run_for(nanoseconds(4000));
    world.cluster.start_instance(dies);
  }
  world.run();
  for (size_t tag = 0; tag < world.records.size(); ++tag) EXPECT_TRUE(world.records[tag]) << tag;
  EXPECT_GT(world.count(RequestEnd::kFailed), 0);
  EXPECT_EQ(world.records.size(), 305u);
  EXPECT_TRUE(world.all_free());
}

TEST(ClusterRouting, PoliciesSeeWhatTheyAreFor) {
  const auto nodes_of = [](const char* policy) {
    TestClusterConfig config = small_cluster(3);
    config.router.policy = policy;
    TestCluster world(config);
    std::vector<uint32_t> nodes;
    struct Listener {
      std::vector<uint32_t>& out;
      void on_step(const StepReport& report) {
        for (const SequenceWork& work : report.batch.work) {
          if (!work.decode && work.samples) out.push_back(report.node.value());
        }
      }
    } listener{nodes};
    world.cluster.listen(Callback<const StepReport&>::to<&Listener::on_step>(&listener));
    for (int i = 0; i < 6; ++i) {
      world.submit(42, 2, 7, 40);
      world.run();
    }
    return nodes;
  };
  EXPECT_EQ(nodes_of("round_robin"), (std::vector<uint32_t>{1, 2, 3, 1, 2, 3}));
  EXPECT_EQ(nodes_of("least_tokens"), (std::vector<uint32_t>{1, 2, 3, 1, 2, 3}));
  EXPECT_EQ(nodes_of("prefix_aware"), (std::vector<uint32_t>(6, 1))) << "where the prefix lies";
}

TEST(ClusterRouting, APrefixIsForgottenWithTheInstanceThatHadIt) {
  TestClusterConfig config = small_cluster(2);
  config.router.policy = "prefix_aware";
  TestCluster world(config);
  world.submit(42, 2, 7, 40);
  world.run();
  ASSERT_EQ(world.cluster.instance(0)->scheduler().sequences(), 0);
  world.cluster.stop_instance(0);
  world.run();
  world.cluster.start_instance(0);
  world.run();
  world.submit(42, 20, 7, 40);
  run_until_decoding(world, 1);
  EXPECT_EQ(world.cluster.instance(1)->scheduler().running(), 1) << "the one used longest ago";
}

// Cancelled while it waits at the router: it ends in the call.
TEST(ClusterCancel, EndsAtOnceWhatWaits) {
  TestClusterConfig config = small_cluster(1);
  config.max_outstanding = 1;
  TestCluster world(config);
  world.submit(20, 5);
  world.submit(20, 5);
  world.cancel(1);
  ASSERT_TRUE(world.records[1].has_value());
  EXPECT_EQ(world.records[1]->end, RequestEnd::kCancelled);
  world.cancel(1);
  world.run();
  EXPECT_EQ(world.records[0]->end, RequestEnd::kCompleted);
  EXPECT_TRUE(world.all_free());
}

// Cancelled at any instant of its way through prefill, hand-over and decode: it ends once, as
// cancelled or as what it became, and its blocks are free.
TEST(ClusterCancel, LeavesNothingAtAnyInstant) {
  int cancelled = 0;
  for (int64_t at = 0; at < 20000; at += 100) {
    TestCluster world(apart(1, 1));
    world.submit(40, 8);
    world.submit(30, 8);
    world.run_for(nanoseconds(at));
    world.cancel(0);
    world.run();
    ASSERT_TRUE(world.records[0].has_value() && world.records[1].has_value());
    const RequestEnd end = world.records[0]->end;
    EXPECT_TRUE(end == RequestEnd::kCancelled || end == RequestEnd::kCompleted);
    cancelled += end == RequestEnd::kCancelled ? 1 : 0;
    EXPECT_EQ(world.records[1]->end, RequestEnd::kCompleted);
    EXPECT_TRUE(world.all_free());
  }
  EXPECT_GT(cancelled, 0);
  EXPECT_LT(cancelled, 200);
}

}  // namespace
}  // namespace weft
