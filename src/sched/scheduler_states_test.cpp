// States outside the batch: loading, held, evicted, cancelled.
#include <gtest/gtest.h>

#include "sched/scheduler.h"
#include "sched/scheduler_testing.h"

namespace weft {
namespace {

SchedulerConfig small(Role role) {
  SchedulerConfig config;
  config.role = role;
  config.block = Tokens(4);
  config.blocks_per_rank = 16;
  config.max_tokens_per_rank = 64;
  config.max_sequences_per_rank = 8;
  return config;
}

bool loaded(SchedulerBench& b, RequestId id, int64_t tokens) {
  const bool known = b.scheduler.loaded(id, tokens, b.effects);
  b.scheduler.check_integrity(true);
  return known;
}

// Three of the prompt's five blocks lie outside; `arrive` tokens of them come.
int32_t tokens_computed_after_load(int64_t arrive) {
  SchedulerBench b(small(Role::kUnified));
  const Request request = b.maker.make(20, 2);
  b.scheduler.add(request, 0, 3);
  EXPECT_EQ(b.plan(), nullptr);
  EXPECT_EQ(b.effects.loads.size(), 1u);
  const Load load = b.effects.loads.front();
  EXPECT_EQ(load.request.id, request.id);
  EXPECT_EQ(load.first_block, 0);
  EXPECT_EQ(load.blocks, 3);
  EXPECT_EQ(load.tokens, 12);
  EXPECT_EQ(b.plan(), nullptr) << "it is asked for once";
  EXPECT_TRUE(b.effects.loads.empty());
  EXPECT_TRUE(loaded(b, request.id, arrive));
  EXPECT_FALSE(loaded(b, request.id, arrive)) << "and arrives once";
  EXPECT_NE(b.plan(), nullptr);
  EXPECT_EQ(b.work(request.id)->context, Tokens(arrive));
  const int32_t computed = b.work(request.id)->tokens;
  b.apply();
  b.run();
  EXPECT_EQ(b.find(SequenceEvent::kFinished, request.id)->generated, 2);
  EXPECT_EQ(b.find(SequenceEvent::kFinished, request.id)->cached, arrive);
  EXPECT_EQ(b.scheduler.blocks_in_use(), 0);
  return computed;
}

TEST(SchedulerLoading, WhatArrivesIsNotComputedAndWhatIsLostIs) {
  EXPECT_EQ(tokens_computed_after_load(12), 8);
  EXPECT_EQ(tokens_computed_after_load(8), 12);
  EXPECT_EQ(tokens_computed_after_load(0), 20);
}

TEST(SchedulerLoading, LoadedBlocksAreFoundByOthers) {
  SchedulerBench b(small(Role::kUnified));
  const Request first = b.maker.make(20, 9, 3, 20);
  b.scheduler.add(first, 0, 3);
  b.plan();
  loaded(b, first.id, 12);
  const Request second = b.maker.make(20, 9, 3, 20);
  b.scheduler.add(second, 0, 0);
  b.plan();
  EXPECT_EQ(b.work(second.id)->context, Tokens(12));
}

// Blocks that are here already are not loaded again, and with all of them here nothing is.
TEST(SchedulerLoading, LoadsOnlyWhatIsNotInThePool) {
  SchedulerBench b(small(Role::kUnified));
  b.scheduler.add(b.maker.make(8, 1, 3, 8), 0, 0);
  b.run();
  const Request longer = b.maker.make(20, 1, 3, 20);
  b.scheduler.add(longer, 0, 4);
  b.plan();
  ASSERT_EQ(b.effects.loads.size(), 1u);
  EXPECT_EQ(b.effects.loads.front().first_block, 2);
  EXPECT_EQ(b.effects.loads.front().blocks, 2);
  loaded(b, longer.id, 0);  // lost: the two found blocks are still there
  b.plan();
  EXPECT_EQ(b.work(longer.id)->context, Tokens(8));
  b.apply();
  const Request again = b.maker.make(20, 1, 3, 20);
  b.scheduler.add(again, 0, 4);
  ASSERT_NE(b.plan(), nullptr);
  EXPECT_TRUE(b.effects.loads.empty());
}

TEST(SchedulerLoading, TheLastBlockOfAPromptIsNeverLoadedWhole) {
  SchedulerBench b(small(Role::kUnified));
  const Request request = b.maker.make(16, 1);
  b.scheduler.add(request, 0, 4);
  b.plan();
  ASSERT_EQ(b.effects.loads.size(), 1u);
  EXPECT_EQ(b.effects.loads.front().tokens, 12);
}

TEST(SchedulerPrefill, HoldsItsKvUntilReleased) {
  SchedulerBench b(small(Role::kPrefill));
  const Request request = b.maker.make(20, 9);
  b.scheduler.add(request, 0, 0);
  EXPECT_FALSE(b.scheduler.release(request.id)) << "not held yet";
  b.run();
  const Event* event = b.find(SequenceEvent::kPrefilled, request.id);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->generated, 1);
  EXPECT_EQ(event->request.blocks.size(), 5u);
  EXPECT_EQ(b.scheduler.held(), 1);
  EXPECT_EQ(b.scheduler.blocks_in_use(), 5);
  EXPECT_TRUE(b.scheduler.release(request.id));
  EXPECT_FALSE(b.scheduler.release(request.id));
  EXPECT_EQ(b.scheduler.blocks_in_use(), 0);
  EXPECT_EQ(b.scheduler.sequences(), 0);
}

// 16 blocks: the second prompt of 40 tokens waits for the first one's ten.
TEST(SchedulerPrefill, HeldKvKeepsOthersWaiting) {
  SchedulerBench b(small(Role::kPrefill));
  const Request first = b.maker.make(40, 9);
  const Request second = b.maker.make(40, 9);
  b.scheduler.add(first, 0, 0);
  b.scheduler.add(second, 0, 0);
  b.run();
  EXPECT_EQ(b.find(SequenceEvent::kPrefilled, second.id), nullptr);
  EXPECT_EQ(b.scheduler.waiting(), 1);
  b.scheduler.release(first.id);
  b.run();
  EXPECT_NE(b.find(SequenceEvent::kPrefilled, second.id), nullptr);
}

TEST(SchedulerPrefill, OneTokenIsAllThatIsAsked) {
  SchedulerBench b(small(Role::kPrefill));
  const Request request = b.maker.make(20, 1);
  b.scheduler.add(request, 0, 0);
  b.run();
  EXPECT_NE(b.find(SequenceEvent::kFinished, request.id), nullptr);
  EXPECT_EQ(b.scheduler.blocks_in_use(), 0);
}

TEST(SchedulerDecode, PullsAllButTheLastTokenAndGoesOn) {
  SchedulerBench b(small(Role::kDecode));
  const Request request = b.maker.make(10, 4);
  b.scheduler.add(request, 1, 0);
  EXPECT_EQ(b.plan(), nullptr);
  ASSERT_EQ(b.effects.loads.size(), 1u);
  EXPECT_EQ(b.effects.loads.front().tokens, 10);
  EXPECT_EQ(b.effects.loads.front().blocks, 3);
  loaded(b, request.id, 10);
  ASSERT_NE(b.plan(), nullptr);
  EXPECT_TRUE(b.work(request.id)->decode);
  EXPECT_EQ(b.work(request.id)->context, Tokens(10));
  b.apply();
  b.run();
  EXPECT_EQ(b.find(SequenceEvent::kFinished, request.id)->generated, 4);
}

TEST(SchedulerDecode, LostKvEvicts) {
  SchedulerBench b(small(Role::kDecode));
  const Request request = b.maker.make(10, 4);
  b.scheduler.add(request, 1, 0);
  b.plan();
  EXPECT_TRUE(loaded(b, request.id, 0));
  ASSERT_EQ(b.effects.events.size(), 1u);
  EXPECT_EQ(b.effects.events.front().kind, SequenceEvent::kEvicted);
  EXPECT_EQ(b.scheduler.sequences(), 0);
  EXPECT_EQ(b.scheduler.blocks_in_use(), 0);
}

TEST(SchedulerDecode, WhenBlocksRunOutTheYoungestIsEvicted) {
  SchedulerConfig config = small(Role::kDecode);
  config.blocks_per_rank = 10;
  SchedulerBench b(config);
  const Request old = b.maker.make(8, 24);
  const Request young = b.maker.make(8, 24);
  for (const Request& request : {old, young}) b.scheduler.add(request, 1, 0);
  b.plan();
  for (const Request& request : {old, young}) loaded(b, request.id, 8);
  int64_t steps = 0;
  while (b.step() && b.scheduler.preemptions() == 0) ++steps;
  const Event* evicted = b.find(SequenceEvent::kEvicted, young.id);
  ASSERT_NE(evicted, nullptr);
  EXPECT_EQ(evicted->generated, 1 + steps);
  b.run();
  EXPECT_EQ(b.find(SequenceEvent::kFinished, old.id)->generated, 24);
  EXPECT_EQ(b.find(SequenceEvent::kFinished, young.id), nullptr);
}

// Both roles: one keeps the sequence until it has ended, the other until its KV was pulled.
TEST(SchedulerLend, BlocksStayWhenTheirSequenceIsGone) {
  for (const Role role : {Role::kUnified, Role::kPrefill}) {
    SchedulerConfig config = small(role);
    config.blocks_per_rank = 8;
    SchedulerBench b(config);
    const Request first = b.maker.make(20, 2);
    b.scheduler.add(first, 0, 0);
    b.step();
    std::vector<BlockId> lent;
    b.scheduler.lend(first.id, 1, 5, lent);
    b.scheduler.check_integrity(true);
    b.run();
    b.scheduler.release(first.id);
    EXPECT_EQ(b.scheduler.sequences(), 0);
    EXPECT_EQ(b.scheduler.blocks_in_use(), 4);
    EXPECT_EQ(b.scheduler.lent(), 4);
    const Request second = b.maker.make(20, 2);
    b.scheduler.add(second, 0, 0);
    EXPECT_EQ(b.plan(), nullptr) << "four blocks are too few";
    b.scheduler.take_back(0, lent);
    b.scheduler.check_integrity(true);
    EXPECT_EQ(b.scheduler.blocks_in_use(), 0);
    EXPECT_NE(b.plan(), nullptr);
  }
}

TEST(SchedulerCancel, ForgetsAWaitingRequest) {
  SchedulerBench b(small(Role::kUnified));
  const Request keeps = b.maker.make(8, 2);
  const Request goes = b.maker.make(8, 2);
  b.scheduler.add(goes, 0, 0);
  b.scheduler.add(keeps, 0, 0);
  EXPECT_TRUE(b.scheduler.cancel(goes.id));
  EXPECT_FALSE(b.scheduler.cancel(goes.id));
  b.run();
  EXPECT_EQ(b.find(SequenceEvent::kFinished, goes.id), nullptr);
  EXPECT_NE(b.find(SequenceEvent::kFinished, keeps.id), nullptr);
}

TEST(SchedulerCancel, ForgetsWhatLoadsOrHasLoaded) {
  for (const bool arrived : {false, true}) {
    SchedulerBench b(small(Role::kDecode));
    const Request request = b.maker.make(10, 4);
    b.scheduler.add(request, 1, 0);
    b.plan();
    if (arrived) loaded(b, request.id, 10);
    EXPECT_TRUE(b.scheduler.cancel(request.id));
    b.scheduler.check_integrity(true);
    EXPECT_EQ(b.scheduler.blocks_in_use() > 0, !arrived) << "what is being written stays";
    EXPECT_EQ(loaded(b, request.id, 10), !arrived);
    EXPECT_EQ(b.plan(), nullptr);
    EXPECT_EQ(b.scheduler.blocks_in_use(), 0);
  }
}

TEST(SchedulerCancel, ForgetsWhatIsHeld) {
  SchedulerBench b(small(Role::kPrefill));
  const Request request = b.maker.make(20, 9);
  b.scheduler.add(request, 0, 0);
  b.run();
  EXPECT_TRUE(b.scheduler.cancel(request.id));
  EXPECT_EQ(b.scheduler.held(), 0);
  EXPECT_EQ(b.scheduler.blocks_in_use(), 0);
}

TEST(SchedulerCancel, ForgetsWhatRunsBetweenStepsAndDuringOne) {
  for (const bool during : {false, true}) {
    for (const int steps : {0, 1, 3}) {  // still prefilling, or decoding
      SchedulerConfig config = small(Role::kUnified);
      config.max_tokens_per_rank = 12;
      SchedulerBench b(config);
      const Request request = b.maker.make(20, 9);
      const Request other = b.maker.make(8, 9);
      b.scheduler.add(request, 0, 0);
      b.scheduler.add(other, 0, 0);
      for (int i = 0; i <= steps; ++i) b.step();
      if (during) b.plan();
      EXPECT_TRUE(b.scheduler.cancel(request.id));
      b.scheduler.check_integrity(true);
      EXPECT_EQ(b.scheduler.sequences(), during ? 2 : 1);
      if (during) b.apply();
      b.run();
      EXPECT_EQ(b.find(SequenceEvent::kFinished, request.id), nullptr);
      EXPECT_NE(b.find(SequenceEvent::kFinished, other.id), nullptr);
      EXPECT_EQ(b.scheduler.sequences(), 0);
      EXPECT_EQ(b.scheduler.blocks_in_use(), 0);
    }
  }
}

}  // namespace
}  // namespace weft
