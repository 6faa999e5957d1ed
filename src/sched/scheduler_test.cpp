// The scheduler's promises one by one, on a device that answers at once.
#include "sched/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "sched/scheduler_testing.h"

namespace weft {
namespace {

SchedulerConfig small(Role role = Role::kUnified) {
  SchedulerConfig config;
  config.role = role;
  config.block = Tokens(4);
  config.blocks_per_rank = 64;
  config.max_tokens_per_rank = 32;
  config.max_sequences_per_rank = 8;
  return config;
}

Scheduler::Add add(SchedulerBench& b, const Request& request, int64_t outside = 0) {
  const bool decode = b.scheduler.config().role == Role::kDecode;
  const auto added = b.scheduler.add(request, decode ? 1 : 0, outside);
  b.scheduler.check_integrity(true);
  return added;
}

TEST(Scheduler, CutsPromptsIntoChunksOfTheBudget) {
  SchedulerBench b(small());
  const Request request = b.maker.make(70, 3);
  ASSERT_EQ(add(b, request), Scheduler::Add::kAccepted);
  std::vector<int32_t> chunks;
  while (b.find(SequenceEvent::kFirst, request.id) == nullptr) {
    ASSERT_NE(b.plan(), nullptr);
    chunks.push_back(b.work(request.id)->tokens);
    EXPECT_EQ(b.work(request.id)->samples, chunks.size() == 3);
    b.apply();
  }
  EXPECT_EQ(chunks, (std::vector<int32_t>{32, 32, 6}));
  EXPECT_EQ(b.run(), 2);
  EXPECT_EQ(b.find(SequenceEvent::kFinished, request.id)->generated, 3);
  EXPECT_EQ(b.scheduler.blocks_in_use(), 0);
}

TEST(Scheduler, DecodesTakeTheirShareOfTheBudgetFirst) {
  SchedulerConfig config = small();
  config.draft_tokens = 3;
  SchedulerBench b(config);
  const Request first = b.maker.make(8, 100);
  add(b, first);
  b.step();
  const Request second = b.maker.make(60, 1);
  add(b, second);
  ASSERT_NE(b.plan(), nullptr);
  EXPECT_EQ(b.work(first.id)->tokens, 4);
  EXPECT_EQ(b.work(second.id)->tokens, 28);
  EXPECT_EQ(b.batch->tokens, 32);
}

TEST(Scheduler, PromptsFirstLeavesDecodesOutOfTheStep) {
  SchedulerConfig config = small();
  config.prefill_first = true;
  SchedulerBench b(config);
  const Request first = b.maker.make(8, 100);
  add(b, first);
  b.step();
  const Request second = b.maker.make(40, 2);
  add(b, second);
  for (const int32_t chunk : {32, 8}) {
    ASSERT_NE(b.plan(), nullptr);
    EXPECT_EQ(b.work(first.id)->tokens, 0);
    EXPECT_EQ(b.work(second.id)->tokens, chunk);
    EXPECT_EQ(b.batch->loads[0].decode_tokens, 0);
    b.apply();
  }
  ASSERT_NE(b.plan(), nullptr);
  EXPECT_EQ(b.work(first.id)->generated, 1) << "what sat out gained nothing";
  EXPECT_EQ(b.batch->loads[0].decode_sequences, 2);
  EXPECT_EQ(b.batch->tokens, 2);
}

TEST(Scheduler, FoundPrefixesAreNotComputed) {
  SchedulerBench b(small());
  const Request first = b.maker.make(22, 1, 5, 16);
  add(b, first);
  b.run();
  const Request second = b.maker.make(30, 1, 5, 16);
  add(b, second);
  ASSERT_NE(b.plan(), nullptr);
  EXPECT_EQ(b.work(second.id)->context, Tokens(16));
  EXPECT_EQ(b.work(second.id)->tokens, 14);
  b.apply();
  EXPECT_EQ(b.find(SequenceEvent::kFinished, first.id)->cached, 0);
  EXPECT_EQ(b.find(SequenceEvent::kFinished, second.id)->cached, 16);
  EXPECT_EQ(b.find(SequenceEvent::kFinished, second.id)->new_block, 4);
}

// The last token makes the next one, so it is computed even when all its blocks are known.
TEST(Scheduler, TheLastTokenIsAlwaysComputed) {
  SchedulerBench b(small());
  add(b, b.maker.make(16, 1, 5, 16));
  b.run();
  const Request same = b.maker.make(16, 1, 5, 16);
  add(b, same);
  ASSERT_NE(b.plan(), nullptr);
  EXPECT_EQ(b.work(same.id)->context, Tokens(12));
  EXPECT_EQ(b.work(same.id)->tokens, 4);
}

TEST(Scheduler, FindsNothingWhenPrefixCachingIsOff) {
  SchedulerConfig config = small();
  config.prefix_caching = false;
  SchedulerBench b(config);
  add(b, b.maker.make(16, 1, 5, 16));
  b.run();
  const Request same = b.maker.make(16, 1, 5, 16);
  add(b, same);
  b.run();
  EXPECT_EQ(b.find(SequenceEvent::kFinished, same.id)->cached, 0);
}

TEST(Scheduler, RefusesWhatExceedsTheQueue) {
  SchedulerConfig config = small();
  config.max_waiting = 2;
  SchedulerBench b(config);
  EXPECT_EQ(add(b, b.maker.make(4, 1)), Scheduler::Add::kAccepted);
  EXPECT_EQ(add(b, b.maker.make(4, 1)), Scheduler::Add::kAccepted);
  EXPECT_EQ(add(b, b.maker.make(4, 1)), Scheduler::Add::kFull);
  EXPECT_EQ(b.scheduler.waiting(), 2);
  b.step();
  EXPECT_EQ(add(b, b.maker.make(4, 1)), Scheduler::Add::kAccepted);
  b.run();
  EXPECT_EQ(b.events.size(), 3u);
}

// 64 blocks of 4 tokens: prompt, output and the tokens a step may write beyond them.
TEST(Scheduler, RefusesWhatCanNeverFitAndTakesWhatJustFits) {
  for (const Role role : {Role::kUnified, Role::kDecode, Role::kPrefill}) {
    SchedulerConfig config = small(role);
    config.draft_tokens = 2;
    SchedulerBench b(config);
    const int64_t beyond = role == Role::kPrefill ? 0 : 3 + 20;
    EXPECT_EQ(add(b, b.maker.make(257 - beyond, 20)), Scheduler::Add::kNeverFits);
    EXPECT_EQ(add(b, b.maker.make(256 - beyond, 20)), Scheduler::Add::kAccepted);
    EXPECT_EQ(b.scheduler.sequences(), 1);
    b.plan();
    const bool placed = role == Role::kDecode ? b.effects.loads.size() == 1 : b.batch != nullptr;
    EXPECT_TRUE(placed);
  }
}

TEST(Scheduler, AdmitsByPriorityThenDeadlineThenArrival) {
  SchedulerConfig config = small();
  config.max_sequences_per_rank = 1;
  SchedulerBench b(config);
  std::vector<std::pair<int, int64_t>> wanted{{0, 50}, {0, 40},  {1, 60},
                                              {0, 40}, {-1, 10}, {1, 55}};
  std::vector<RequestId> ids;
  for (const auto& [priority, deadline] : wanted) {
    Request request = b.maker.make(4, 1);
    request.priority = priority;
    request.deadline = Instant(deadline);
    ids.push_back(request.id);
    add(b, request);
  }
  b.run();
  std::vector<RequestId> done;
  for (const Event& event : b.events) done.push_back(event.request.id);
  EXPECT_EQ(done, (std::vector<RequestId>{ids[5], ids[2], ids[1], ids[3], ids[0], ids[4]}));
}

TEST(Scheduler, WhatWaitsPastItsDeadlineExpires) {
  SchedulerConfig config = small();
  config.max_sequences_per_rank = 1;
  SchedulerBench b(config);
  add(b, b.maker.make(4, 5));
  b.step();
  Request late = b.maker.make(4, 5);
  late.deadline = Instant(100);
  add(b, late);
  b.now = Instant(100);
  b.step();
  EXPECT_EQ(b.find(SequenceEvent::kExpired, late.id), nullptr) << "the deadline itself is in time";
  b.now = Instant(101);
  b.run();
  EXPECT_NE(b.find(SequenceEvent::kExpired, late.id), nullptr);
  EXPECT_EQ(b.find(SequenceEvent::kFinished, late.id), nullptr);
  EXPECT_EQ(b.scheduler.sequences(), 0);
}

// 10 blocks; both prompts take 3 with the room for a next token, and grow until they collide.
TEST(Scheduler, BlocksRunOutAndTheYoungestGivesWay) {
  SchedulerConfig config = small();
  config.blocks_per_rank = 10;
  SchedulerBench b(config);
  const Request old = b.maker.make(8, 24);
  const Request young = b.maker.make(8, 24);
  add(b, old);
  add(b, young);
  while (b.scheduler.preemptions() == 0) {
    ASSERT_NE(b.plan(), nullptr);
    if (b.scheduler.preemptions() == 0) b.apply();
  }
  EXPECT_NE(b.work(old.id), nullptr);
  EXPECT_EQ(b.work(young.id), nullptr);
  b.apply();
  b.run();
  EXPECT_EQ(b.find(SequenceEvent::kFinished, old.id)->generated, 24);
  EXPECT_EQ(b.find(SequenceEvent::kFinished, young.id)->generated, 24);
  EXPECT_EQ(b.scheduler.blocks_in_use(), 0);
}

TEST(Scheduler, TheLessUrgentGivesWayBeforeTheYounger) {
  SchedulerConfig config = small();
  config.blocks_per_rank = 10;
  SchedulerBench b(config);
  const Request old = b.maker.make(8, 24);
  Request urgent = b.maker.make(8, 24);
  urgent.priority = 1;
  add(b, old);
  b.step();
  add(b, urgent);
  while (b.scheduler.preemptions() == 0) {
    ASSERT_NE(b.plan(), nullptr);
    if (b.scheduler.preemptions() == 0) b.apply();
  }
  EXPECT_EQ(b.work(old.id), nullptr);
  EXPECT_NE(b.work(urgent.id), nullptr);
}

// What a sequence computed itself and finds again after a preemption was still computed.
TEST(Scheduler, PreemptedSequencesDoNotCountTheirOwnBlocksAsCached) {
  SchedulerConfig config = small();
  config.blocks_per_rank = 12;
  SchedulerBench b(config);
  const Request old = b.maker.make(8, 24);
  const Request young = b.maker.make(12, 24);
  add(b, old);
  add(b, young);
  b.run();
  ASSERT_GT(b.scheduler.preemptions(), 0);
  EXPECT_EQ(b.find(SequenceEvent::kFinished, old.id)->cached, 0);
  EXPECT_EQ(b.find(SequenceEvent::kFinished, young.id)->cached, 0);
}

// Admission leaves 1 % of the blocks free for those that run; a rank without any gives all it has.
TEST(Scheduler, AdmissionLeavesRoomToGrowUnlessTheRankIsIdle) {
  SchedulerConfig config = small();
  config.blocks_per_rank = 200;
  config.max_tokens_per_rank = 1000;
  SchedulerBench b(config);
  const Request most = b.maker.make(796, 3);  // 200 blocks with the room for a next token
  add(b, most);
  ASSERT_NE(b.plan(), nullptr);
  b.apply();
  b.run();
  const Request part = b.maker.make(396, 50);
  const Request rest = b.maker.make(392, 3);
  add(b, part);
  b.step();
  ASSERT_EQ(b.scheduler.blocks_in_use(), 100);
  add(b, rest);  // would leave 1 block free, and 2 are 1 %
  b.plan();
  EXPECT_EQ(b.work(rest.id), nullptr);
  b.apply();
  b.run();
  EXPECT_NE(b.find(SequenceEvent::kFinished, rest.id), nullptr);
}

TEST(Scheduler, OutputsAreClippedAtTheMost) {
  SchedulerConfig config = small();
  config.draft_tokens = 3;
  SchedulerBench b(config);
  const Request request = b.maker.make(8, 6);
  add(b, request);
  b.step();   // 1 token
  b.step(4);  // 5
  b.step(4);  // 9 would be too many
  EXPECT_EQ(b.find(SequenceEvent::kFinished, request.id)->generated, 6);
  EXPECT_FALSE(b.step());
}

TEST(Scheduler, TheModelMayStopEarlier) {
  SchedulerBench b(small());
  const Request at_once = b.maker.make(8, 50);
  add(b, at_once);
  b.plan();
  b.apply(1, true);
  EXPECT_EQ(b.find(SequenceEvent::kFinished, at_once.id)->generated, 1);
  const Request later = b.maker.make(8, 50);
  add(b, later);
  b.step();
  b.plan();
  b.apply(1, true);
  EXPECT_EQ(b.find(SequenceEvent::kFinished, later.id)->generated, 2);
  EXPECT_EQ(b.scheduler.sequences(), 0);
}

TEST(Scheduler, PlacesByLoadAndByFoundPrefix) {
  SchedulerConfig config = small();
  config.ranks = 3;
  SchedulerBench b(config);
  const Request big = b.maker.make(32, 50);
  const Request shared = b.maker.make(20, 50, 9, 16);
  const Request third = b.maker.make(24, 50);
  for (const Request& request : {big, shared, third}) add(b, request);
  b.plan();
  EXPECT_EQ(b.work(big.id)->rank, 0);
  EXPECT_EQ(b.work(shared.id)->rank, 1);
  EXPECT_EQ(b.work(third.id)->rank, 2);
  b.apply();
  // Rank 1 holds 20 tokens and 16 of this prompt's: less is left to hold there than on a rank that
  // is empty of it. A prompt without such a prefix goes to the least loaded rank, which is 1 too.
  const Request follower = b.maker.make(24, 50, 9, 16);
  add(b, follower);
  b.plan();
  EXPECT_EQ(b.work(follower.id)->rank, 1);
  EXPECT_EQ(b.work(follower.id)->context, Tokens(16));
  b.apply();
  const Request other = b.maker.make(4, 50);
  add(b, other);
  b.plan();
  EXPECT_EQ(b.work(other.id)->rank, 2);
}

TEST(Scheduler, IdenticalSchedulersPlanIdentically) {
  SchedulerConfig config = small();
  config.ranks = 3;
  config.blocks_per_rank = 16;
  const auto play = [&config] {
    SchedulerBench b(config);
    Random random(4);
    std::vector<std::vector<BlockId>> tables;
    for (int i = 0; i < 200; ++i) {
      const auto prompt = static_cast<int64_t>(random.below(30)) + 1;
      const auto output = static_cast<int64_t>(random.below(20)) + 1;
      add(b, b.maker.make(prompt, output, random.below(3), 12));
      if (b.plan() == nullptr) continue;
      for (const SequenceWork& work : b.batch->work) {
        tables.emplace_back(work.table.begin(), work.table.end());
        tables.back().push_back(BlockId(work.rank));
        tables.back().push_back(BlockId(static_cast<uint32_t>(work.request.value())));
      }
      b.apply();
    }
    return tables;
  };
  EXPECT_EQ(play(), play());
}

TEST(SchedulerDeathTest, OurOwnMistakesEndTheProcess) {
  SchedulerBench b(small());
  const Request request = b.maker.make(8, 5);
  add(b, request);
  EXPECT_DEATH(add(b, request), "a request is added once");
  b.plan();
  EXPECT_DEATH(b.plan(), "one step at a time");
  EXPECT_DEATH(b.scheduler.apply({{}, Duration{}}, b.effects), "outputs answer the batch");
  SchedulerConfig none = small();
  none.ranks = 0;
  EXPECT_DEATH(Scheduler{none}, "CHECK");
}

}  // namespace
}  // namespace weft
