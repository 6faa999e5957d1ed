// The inbox: first in, first out, and a bell that wakes whoever waits.
#include "runtime/message_inbox.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace weft {
namespace {

Posted nothing() {
  return {LifetimeRef(), [] {}};
}

TEST(MessageInbox, TakesInTheOrderOfPosting) {
  MessageInbox inbox;
  std::vector<int> log;
  for (int i = 0; i < 3; ++i) inbox.post({LifetimeRef(), [&log, i] { log.push_back(i); }});
  std::vector<Posted> taken;
  ASSERT_TRUE(inbox.take(taken));
  for (const Posted& work : taken) work.run();
  EXPECT_EQ(log, (std::vector<int>{0, 1, 2}));
  taken.clear();
  EXPECT_FALSE(inbox.take(taken));
  EXPECT_TRUE(taken.empty());
}

TEST(MessageInbox, WaitSaysWhetherThereIsSomething) {
  MessageInbox inbox;
  EXPECT_FALSE(inbox.wait(Duration{}));
  EXPECT_FALSE(inbox.wait(-seconds(1)));
  EXPECT_FALSE(inbox.wait(microseconds(200)));
  inbox.post(nothing());
  EXPECT_TRUE(inbox.wait(Duration{}));
  EXPECT_TRUE(inbox.wait(seconds(100)));
  std::vector<Posted> taken;
  inbox.take(taken);
  EXPECT_FALSE(inbox.wait(Duration{}));
}

// It would wait for a hundred seconds if the bell did not ring.
TEST(MessageInbox, APostWakesTheWaiter) {
  MessageInbox inbox;
  const auto start = std::chrono::steady_clock::now();
  std::thread poster([&inbox] { inbox.post(nothing()); });
  EXPECT_TRUE(inbox.wait(seconds(100)));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(50));
  poster.join();
}

}  // namespace
}  // namespace weft
