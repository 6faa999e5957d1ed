// Workers run each thread's part once per round, sleep and wake, and split() covers everything.
#include "kernels/workers.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <sched.h>

#include <numeric>

#include "kernels/isa.h"

namespace weft {
namespace {

RC_GTEST_PROP(Split, PartsAreContiguousAndCoverAll, ()) {
  const int64_t count = *rc::gen::inRange<int64_t>(0, 5000);
  const int64_t grain = *rc::gen::inRange<int64_t>(1, 70);
  const int threads = *rc::gen::inRange(1, 20);
  int64_t end = 0, smallest = count, largest = 0;
  for (int thread = 0; thread < threads; ++thread) {
    const Range range = split(count, grain, thread, threads);
    RC_ASSERT(range.begin == end);
    RC_ASSERT(range.end >= range.begin);
    RC_ASSERT(range.begin % grain == 0 || range.begin == count);
    end = range.end;
    smallest = std::min(smallest, range.size());
    largest = std::max(largest, range.size());
  }
  RC_ASSERT(end == count);
  RC_ASSERT(largest - smallest < 2 * grain);
}

TEST(Workers, EveryThreadRunsOncePerRound) {
  for (int threads : {1, 2, 5}) {
    Workers workers(threads, false);
    ASSERT_EQ(workers.threads(), threads);
    std::vector<int64_t> calls(static_cast<size_t>(threads), 0);
    for (int round = 1; round <= 300; ++round) {
      workers.run([&](int thread) { ++calls[static_cast<size_t>(thread)]; });
      for (int64_t count : calls) ASSERT_EQ(count, round);
    }
  }
}

TEST(Workers, HelpersThatFellAsleepWakeUp) {
  Workers workers(3, false);
  for (int round = 0; round < 5; ++round) {
    std::atomic<int> calls{0};
    workers.run([&](int) { ++calls; });
    EXPECT_EQ(calls, 3);
    // Longer than helpers spin, on any machine: a piece of work of our own.
    volatile uint64_t sum = 0;
    for (uint64_t i = 0; i < 3'000'000; ++i) sum = sum + i;
  }
}

TEST(Workers, PinningEndsWithTheObject) {
  cpu_set_t before, during, after;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  {
    Workers workers(1, true);
    ASSERT_EQ(sched_getaffinity(0, sizeof(during), &during), 0);
    EXPECT_TRUE(workers.pinned());
    EXPECT_EQ(CPU_COUNT(&during), 1);
  }
  ASSERT_EQ(sched_getaffinity(0, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

TEST(Workers, NothingIsPinnedWithoutACpuForEach) {
  Workers workers(CPU_SETSIZE / 8, true);
  EXPECT_FALSE(workers.pinned() && workers.threads() > CPU_SETSIZE);
  std::atomic<int> calls{0};
  workers.run([&](int) { ++calls; });
  EXPECT_EQ(calls, CPU_SETSIZE / 8);
}

TEST(WorkQueue, EveryPieceIsHandedOutOnce) {
  Workers workers(3, false);
  WorkQueue queue(3);
  for (int64_t count : {0, 1, 2, 3, 100, 1000}) {
    queue.reset(count);
    std::vector<std::atomic<int>> taken(static_cast<size_t>(count));
    workers.run([&](int thread) {
      for (int64_t piece = 0; (piece = queue.take(thread)) >= 0;) {
        ++taken[static_cast<size_t>(piece)];
      }
    });
    for (const std::atomic<int>& times : taken) EXPECT_EQ(times, 1);
    EXPECT_EQ(queue.take(0), -1);
  }
}

TEST(Isa, AvailableOnesRiseFromPortableToTheBest) {
  const std::vector<Isa> isas = available_isas();
  ASSERT_FALSE(isas.empty());
  EXPECT_EQ(isas.front(), Isa::kPortable);
  EXPECT_EQ(isas.back(), best_isa());
  for (size_t i = 0; i < isas.size(); ++i) {
    EXPECT_EQ(isas[i], static_cast<Isa>(i));
    EXPECT_NE(isa_name(isas[i]), "unknown");
  }
}

}  // namespace
}  // namespace weft
