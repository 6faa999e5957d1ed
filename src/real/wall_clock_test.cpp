// The wall clock: it never goes back, keeps deadlines, and wakes for the inbox.
#include "real/wall_clock.h"

#include <gtest/gtest.h>

#include <thread>

#include "runtime/loop.h"

namespace weft {
namespace {

TEST(WallClock, CountsFromItsMakingAndNeverGoesBack) {
  const WallClock clock;
  Instant last = clock.now();
  EXPECT_GE(last, Instant(0));
  EXPECT_LT(last, Instant(0) + seconds(30));
  for (int i = 0; i < 10000; ++i) {
    const Instant now = clock.now();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(WallClock, WaitsUntilTheDeadlineAndNotForEver) {
  WallClock clock;
  MessageInbox inbox;
  for (int i = 0; i < 3; ++i) {
    const Instant deadline = clock.now() + milliseconds(1);
    clock.wait_until(deadline, inbox);
    EXPECT_GE(clock.now(), deadline);
    EXPECT_LT(clock.now(), deadline + seconds(10));
  }
}

TEST(WallClock, PastDeadlinesAndWaitingWorkReturnAtOnce) {
  WallClock clock;
  MessageInbox inbox;
  clock.wait_until(clock.now() - seconds(1), inbox);
  inbox.post({LifetimeRef(), [] {}});
  const Instant before = clock.now();
  clock.wait_until(Instant::never(), inbox);
  clock.wait_until(before + seconds(1000), inbox);
  EXPECT_LT(clock.now(), before + seconds(10));
}

TEST(WallClock, APostEndsTheWait) {
  WallClock clock;
  MessageInbox inbox;
  std::thread poster([&inbox] { inbox.post({LifetimeRef(), [] {}}); });
  clock.wait_until(Instant::never(), inbox);
  EXPECT_TRUE(inbox.wait(Duration{}));
  poster.join();
}

// Timers of a loop on the wall clock: never early, and in order.
struct Ticker {
  explicit Ticker(Loop& on) : loop(on), timer(on, Callback<>::to<&Ticker::fire>(this)) {}
  void fire() {
    EXPECT_GE(loop.now(), due);
    if (++ticks < 4) arm();
  }
  void arm() {
    due = loop.now() + microseconds(500);
    timer.arm(due);
  }
  Loop& loop;
  Instant due;
  int ticks = 0;
  Timer timer;
};

TEST(WallClock, DrivesALoop) {
  WallClock clock;
  Loop loop(clock);
  Ticker ticker(loop);
  ticker.arm();
  loop.run();
  EXPECT_EQ(ticker.ticks, 4);
  EXPECT_GE(loop.now(), Instant(0) + microseconds(2000));
}

}  // namespace
}  // namespace weft
