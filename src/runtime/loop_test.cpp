// The loop on a clock that jumps: order of events, frozen time, timers that die or move at any
// moment, and work posted by other threads.
#include "runtime/loop.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/random.h"

namespace weft {
namespace {

// Jumps to the deadline, then moves on a little each time it is read, as a wall clock would.
class JumpClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return now_; }
  void wait_until(Instant deadline, Inbox& inbox) override {
    if (deadline == Instant::never()) {
      inbox.wait(seconds(10));
    } else if (!inbox.wait(Duration{})) {
      now_ = std::max(now_, deadline) + late;
    }
  }
  Duration late;

 private:
  Instant now_;
};

// A timer with a function to run, and its own name in a log.
struct Probe {
  Probe(Loop& loop, std::function<void()> on_fire)
      : run(std::move(on_fire)), timer(loop, Callback<>::to<&Probe::fire>(this)) {}
  void fire() { run(); }
  std::function<void()> run;
  Timer timer;
};

struct Bench {
  JumpClock clock;
  Loop loop{clock};
  std::vector<int> log;
  std::vector<std::unique_ptr<Probe>> probes;
  Probe& add(int name) {
    probes.push_back(std::make_unique<Probe>(loop, [this, name] { log.push_back(name); }));
    return *probes.back();
  }
  Timer& arm(int name, int64_t at_ns) {
    Probe& probe = add(name);
    probe.timer.arm(Instant(at_ns));
    return probe.timer;
  }
};

TEST(Loop, FiresByInstantThenByOrderOfArming) {
  Bench b;
  b.arm(1, 20);
  b.arm(2, 10);
  b.arm(3, 20);
  b.arm(4, 10);
  b.arm(5, 5);
  b.loop.run();
  EXPECT_EQ(b.log, (std::vector<int>{5, 2, 4, 1, 3}));
  EXPECT_EQ(b.loop.now(), Instant(20));
  EXPECT_EQ(b.loop.events(), 5u);
  EXPECT_EQ(b.loop.armed(), 0u);
}

TEST(Loop, NowStandsStillWithinATurn) {
  Bench b;
  b.clock.late = nanoseconds(7);
  std::vector<int64_t> seen;
  Probe second(b.loop, [&] { seen.push_back(b.loop.now().ns()); });
  Probe first(b.loop, [&] {
    seen.push_back(b.loop.now().ns());
    second.timer.arm(b.loop.now());
  });
  first.timer.arm(Instant(100));
  ASSERT_TRUE(b.loop.run_one_turn());
  EXPECT_EQ(seen, (std::vector<int64_t>{107, 107}));
  EXPECT_FALSE(b.loop.run_one_turn());
}

TEST(Loop, ATimerArmedForNowRunsAfterAllThatWasWaiting) {
  Bench b;
  Probe late(b.loop, [&] { b.log.push_back(9); });
  Probe first(b.loop, [&] {
    b.log.push_back(1);
    late.timer.arm(b.loop.now());
  });
  first.timer.arm(Instant(10));
  b.arm(2, 10);
  b.arm(3, 10);
  b.loop.run();
  EXPECT_EQ(b.log, (std::vector<int>{1, 2, 3, 9}));
}

TEST(Loop, ThePastIsNow) {
  Bench b;
  b.arm(1, 50);
  b.loop.run();
  b.arm(2, 50);
  b.arm(3, 40);
  b.arm(4, 10);
  b.loop.run();
  EXPECT_EQ(b.log, (std::vector<int>{1, 2, 3, 4})) << "in the order of arming";
  EXPECT_EQ(b.loop.now(), Instant(50));
}

TEST(Loop, CancelledTimersNeverFireAndArmingAgainMoves) {
  Bench b;
  Timer& cancelled = b.arm(1, 10);
  Timer& moved_back = b.arm(2, 10);
  Timer& moved_on = b.arm(3, 5);
  b.arm(4, 7);
  cancelled.cancel();
  cancelled.cancel();
  EXPECT_FALSE(cancelled.armed());
  moved_back.arm(Instant(3));
  moved_on.arm(Instant(8));
  EXPECT_EQ(b.loop.armed(), 3u);
  b.loop.run();
  EXPECT_EQ(b.log, (std::vector<int>{2, 4, 3}));
}

// Moving a timer counts as arming it: at one instant it comes after those armed before the move.
TEST(Loop, AMovedTimerGoesToTheEndOfItsInstant) {
  Bench b;
  Timer& first = b.arm(1, 10);
  b.arm(2, 10);
  first.arm(Instant(10));
  b.loop.run();
  EXPECT_EQ(b.log, (std::vector<int>{2, 1}));
}

TEST(Timer, MayBeDestroyedInItsOwnCallback) {
  Bench b;
  std::unique_ptr<Probe> self;
  self = std::make_unique<Probe>(b.loop, [&] {
    b.log.push_back(1);
    const std::unique_ptr<Probe> dies = std::move(self);
  });
  self->timer.arm(Instant(10));
  // The function that runs lies in the probe that dies: it must not touch its captures after that.
  b.arm(2, 11);
  b.loop.run();
  EXPECT_EQ(b.log, (std::vector<int>{1, 2}));
}

TEST(Timer, MayBeDestroyedCancelledOrMovedInAnothersCallback) {
  Bench b;
  Probe& destroyed = b.add(2);
  Timer& cancelled = b.add(3).timer;
  Timer& moved = b.add(4).timer;
  Probe killer(b.loop, [&] {
    b.log.push_back(1);
    std::erase_if(b.probes, [&](const auto& p) { return p.get() == &destroyed; });
    cancelled.cancel();
    moved.arm(Instant(30));
  });
  killer.timer.arm(Instant(10));
  destroyed.timer.arm(Instant(10));
  cancelled.arm(Instant(10));
  moved.arm(Instant(10));
  b.arm(5, 20);
  b.loop.run();
  EXPECT_EQ(b.log, (std::vector<int>{1, 5, 4}));
}

TEST(Timer, MayArmItselfAgain) {
  Bench b;
  int left = 5;
  std::unique_ptr<Probe> ticker;
  ticker = std::make_unique<Probe>(b.loop, [&] {
    b.log.push_back(static_cast<int>(b.loop.now().ns()));
    if (--left > 0) ticker->timer.arm(b.loop.now() + nanoseconds(10));
  });
  ticker->timer.arm(Instant(10));
  b.loop.run();
  EXPECT_EQ(b.log, (std::vector<int>{10, 20, 30, 40, 50}));
}

TEST(Loop, ItsListenerHearsOfEveryEventOfATurn) {
  Bench b;
  Probe listener(b.loop, [&] {
    b.log.push_back(0);
    b.loop.check_integrity();
  });
  b.loop.listen(Callback<>::to<&Probe::fire>(&listener));
  b.arm(1, 10);
  b.arm(2, 10);
  b.arm(3, 20);
  b.loop.run();
  EXPECT_EQ(b.log, (std::vector<int>{1, 0, 2, 0, 3, 0}));
}

TEST(Loop, StopsAfterTheEventThatAsksForIt) {
  Bench b;
  Probe stopper(b.loop, [&] { b.loop.stop(); });
  stopper.timer.arm(Instant(10));
  b.arm(1, 10);
  b.loop.run();
  EXPECT_TRUE(b.log.empty());
  b.loop.run();
  EXPECT_EQ(b.log, (std::vector<int>{1}));
}

TEST(Loop, RunsPostedWorkBeforeTimersOfTheSameTurn) {
  Bench b;
  const Lifetime owner;
  b.arm(2, 10);
  b.loop.inbox().post({LifetimeRef(owner), [&] { b.log.push_back(1); }});
  b.loop.run();
  EXPECT_EQ(b.log, (std::vector<int>{1, 2}));
}

TEST(Loop, WorkOfDeadOwnersIsSkipped) {
  Bench b;
  auto dead = std::make_unique<Lifetime>();
  auto dies_midway = std::make_unique<Lifetime>();
  const Lifetime alive;
  b.loop.inbox().post({LifetimeRef(*dead), [&] { b.log.push_back(1); }});
  b.loop.inbox().post({LifetimeRef(alive), [&] { dies_midway.reset(); }});
  b.loop.inbox().post({LifetimeRef(*dies_midway), [&] { b.log.push_back(2); }});
  b.loop.inbox().post({LifetimeRef(alive), [&] { b.log.push_back(3); }});
  dead.reset();
  b.loop.run();
  EXPECT_EQ(b.log, (std::vector<int>{3}));
}

TEST(Loop, WorkPostedByPostedWorkRunsInALaterTurn) {
  Bench b;
  const Lifetime owner;
  b.loop.inbox().post({LifetimeRef(owner), [&] {
                         b.log.push_back(1);
                         b.loop.inbox().post({LifetimeRef(owner), [&] { b.log.push_back(2); }});
                       }});
  ASSERT_TRUE(b.loop.run_one_turn());
  EXPECT_EQ(b.log, (std::vector<int>{1}));
  ASSERT_TRUE(b.loop.run_one_turn());
  EXPECT_EQ(b.log, (std::vector<int>{1, 2}));
  EXPECT_FALSE(b.loop.run_one_turn());
}

// A server's loop: nothing is armed, and it waits for what other threads post until it is stopped.
TEST(Loop, TakesWorkFromThreadsInEachThreadsOrder) {
  Bench b;
  const Lifetime owner;
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  std::vector<std::vector<int>> seen(kThreads);
  int left = kThreads * kEach;
  std::vector<std::vector<LifetimeRef>> refs(kThreads);  // copied on the loop's thread
  for (auto& list : refs) list.assign(kEach, LifetimeRef(owner));
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        b.loop.inbox().post({std::move(refs[t][i]), [&, t, i] {
                               seen[t].push_back(i);
                               if (--left == 0) b.loop.stop();
                             }});
      }
    });
  }
  b.loop.run(true);
  for (std::thread& thread : threads) thread.join();
  for (const auto& list : seen) {
    ASSERT_EQ(list.size(), size_t{kEach});
    EXPECT_TRUE(std::is_sorted(list.begin(), list.end()));
  }
}

// Timers against the naive reference: a sorted list of (instant, sequence).
struct Reference {
  struct Entry {
    int64_t at;
    uint64_t sequence;
    size_t timer;
    auto operator<=>(const Entry&) const = default;
  };
  std::vector<Entry> entries;
  uint64_t next = 0;
  void cancel(size_t timer) {
    std::erase_if(entries, [timer](const Entry& e) { return e.timer == timer; });
  }
  void arm(size_t timer, int64_t at) {
    cancel(timer);
    entries.push_back({at, next++, timer});
  }
  std::vector<size_t> fire_until(int64_t now) {
    std::sort(entries.begin(), entries.end());
    std::vector<size_t> fired;
    while (!entries.empty() && entries.front().at <= now) {
      fired.push_back(entries.front().timer);
      entries.erase(entries.begin());
    }
    return fired;
  }
};

RC_GTEST_PROP(Loop, KeepsAnyMixOfTimersInOrder, ()) {
  const auto steps =
      *rc::gen::scale(3.0, rc::gen::container<std::vector<std::pair<int, int>>>(
                               rc::gen::pair(rc::gen::inRange(0, 24), rc::gen::inRange(-3, 40))));
  JumpClock clock;
  Loop loop(clock);
  std::vector<size_t> fired;
  std::vector<std::unique_ptr<Probe>> timers;
  for (size_t i = 0; i < 24; ++i) {
    timers.push_back(std::make_unique<Probe>(loop, [&fired, i] { fired.push_back(i); }));
  }
  Reference reference;
  for (const auto& [which, delay] : steps) {
    const auto index = static_cast<size_t>(which);
    if (delay < 0) {
      timers[index]->timer.cancel();
      reference.cancel(index);
    } else if (delay % 8 == 7) {
      fired.clear();
      const bool any = loop.run_one_turn();
      RC_ASSERT(any == !reference.entries.empty());
      RC_ASSERT(fired == reference.fire_until(loop.now().ns()));
    } else {
      timers[index]->timer.arm(loop.now() + nanoseconds(delay));
      reference.arm(index, loop.now().ns() + delay);
    }
    loop.check_integrity();
    RC_ASSERT(loop.armed() == reference.entries.size());
  }
  fired.clear();
  loop.run();
  RC_ASSERT(fired == reference.fire_until(loop.now().ns()));
}

}  // namespace
}  // namespace weft
