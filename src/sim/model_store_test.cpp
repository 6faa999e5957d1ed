// The modelled disk: bandwidth, latency, order, and two directions at once.
#include "sim/model_store.h"

#include <gtest/gtest.h>

#include "sim/virtual_clock.h"

namespace weft {
namespace {

class ModelStoreTest : public testing::Test {
 public:
  void done(uint64_t tag, bool ok) {
    EXPECT_TRUE(ok);
    ended_.emplace_back(tag, loop_.now() - Instant{});
  }

 protected:
  ModelStoreTest() : loop_(clock_) {}

  void submit(StoreAction action, size_t blocks, uint64_t tag) {
    store_.submit(
        action, std::vector<BlockHash>(blocks),
        StoreDone(lifetime_, Callback<uint64_t, bool>::to<&ModelStoreTest::done>(this), tag));
  }

  using Ended = std::vector<std::pair<uint64_t, Duration>>;
  VirtualClock clock_;
  Loop loop_;
  Lifetime lifetime_;
  // A block takes 1 ms to read and 2 ms to write.
  ModelStore store_{loop_, {Bytes(1'000'000), 1e9, 0.5e9, microseconds(80)}};
  Ended ended_;
};

TEST_F(ModelStoreTest, AReadTakesItsBytesOverTheBandwidthAndTheLatency) {
  submit(StoreAction::kRead, 3, 1);
  EXPECT_TRUE(ended_.empty());
  loop_.run();
  EXPECT_EQ(ended_, (Ended{{1, microseconds(3'080)}}));
}

TEST_F(ModelStoreTest, ReadsFollowOneAnotherAndTheirLatenciesOverlap) {
  submit(StoreAction::kRead, 2, 1);
  submit(StoreAction::kRead, 1, 2);
  submit(StoreAction::kRead, 0, 3);
  loop_.run();
  EXPECT_EQ(ended_,
            (Ended{{1, microseconds(2'080)}, {2, microseconds(3'080)}, {3, microseconds(3'080)}}));
}

TEST_F(ModelStoreTest, ReadsAndWritesDoNotWaitForEachOther) {
  submit(StoreAction::kWrite, 2, 1);
  submit(StoreAction::kRead, 2, 2);
  loop_.run();
  EXPECT_EQ(ended_, (Ended{{2, microseconds(2'080)}, {1, microseconds(4'080)}}));
}

TEST_F(ModelStoreTest, AnIdleDiskStartsAtOnce) {
  submit(StoreAction::kRead, 1, 1);
  loop_.run();
  submit(StoreAction::kRead, 1, 2);
  loop_.run();
  EXPECT_EQ(ended_.back(), (std::pair<uint64_t, Duration>{2, microseconds(2'160)}));
}

TEST(ModelStoreLife, OperationsDieWithTheStore) {
  VirtualClock clock;
  Loop loop(clock);
  { const ModelStore store(loop, {Bytes(1), 1, 1, {}}); }
  EXPECT_FALSE(loop.run_one_turn());
}

}  // namespace
}  // namespace weft
