// Strong types: arithmetic of amounts, instants and distances, and what must not compile.
#include "base/quantity.h"

#include <gtest/gtest.h>

#include <limits>
#include <type_traits>
#include <unordered_set>

#include "base/time.h"

namespace weft {
namespace {

template <class A, class B>
concept Adds = requires(A a, B b) { a + b; };
template <class A, class B>
concept Compares = requires(A a, B b) { a < b; };
template <class A, class B>
concept Multiplies = requires(A a, B b) { a* b; };

static_assert(Adds<Bytes, Bytes> && Adds<Tokens, Tokens> && Adds<Instant, Duration>);
static_assert(!Adds<Bytes, Tokens> && !Adds<Bytes, int64_t> && !Adds<Instant, Instant>);
static_assert(!Compares<Bytes, Tokens> && !Compares<Bytes, int64_t> &&
              !Compares<RequestId, NodeId>);
static_assert(Multiplies<Bytes, int64_t> && !Multiplies<Bytes, Bytes>);
static_assert(!Adds<RequestId, RequestId> && !std::is_convertible_v<int64_t, Bytes>);
static_assert(!std::is_convertible_v<uint64_t, RequestId>);
static_assert(sizeof(Bytes) == 8 && sizeof(NodeId) == 4 && std::is_trivially_copyable_v<Tokens>);

TEST(Quantity, AddsSubtractsScalesAndCompares) {
  Bytes bytes(10);
  bytes += Bytes(5);
  bytes -= Bytes(1);
  EXPECT_EQ(bytes, Bytes(14));
  EXPECT_EQ(bytes * 2, Bytes(28));
  EXPECT_EQ(3 * bytes, Bytes(42));
  EXPECT_EQ(bytes / 4, Bytes(3));
  EXPECT_EQ(bytes / Bytes(4), 3);
  EXPECT_EQ(bytes % Bytes(4), Bytes(2));
  EXPECT_EQ(-bytes, Bytes(-14));
  EXPECT_LT(Bytes(-1), Bytes(0));
  EXPECT_EQ(Bytes{}.count(), 0);
  EXPECT_EQ(bytes.as_double(), 14.0);
}

TEST(Quantity, CeilDivRoundsUp) {
  for (int64_t a = 0; a < 40; ++a) {
    for (int64_t b = 1; b < 12; ++b) {
      int64_t want = 0;
      while (want * b < a) ++want;
      EXPECT_EQ(ceil_div(a, b), want) << a << " / " << b;
    }
  }
}

TEST(Id, ComparesAndHashesByValue) {
  EXPECT_EQ(RequestId(7), RequestId(7));
  EXPECT_LT(RequestId(7), RequestId(8));
  const std::unordered_set<BlockId> set{BlockId(1), BlockId(2), BlockId(1)};
  EXPECT_EQ(set.size(), 2u);
}

TEST(Time, InstantsAndDurationsAreNanoseconds) {
  const Instant start(1'000);
  EXPECT_EQ(start + microseconds(2), Instant(3'000));
  EXPECT_EQ(start - nanoseconds(1), Instant(999));
  EXPECT_EQ(Instant(3'000) - start, microseconds(2));
  EXPECT_EQ(milliseconds(1).count(), 1'000'000);
  EXPECT_EQ(Instant(1'500'000'000).seconds(), 1.5);
  EXPECT_EQ(to_seconds(milliseconds(250)), 0.25);
  EXPECT_EQ(to_milliseconds(microseconds(1'500)), 1.5);
  EXPECT_LT(Instant(std::numeric_limits<int64_t>::max() - 1), Instant::never());
}

TEST(Time, SecondsRoundToTheNearestNanosecond) {
  EXPECT_EQ(seconds(1.5).count(), 1'500'000'000);
  EXPECT_EQ(seconds(0.4e-9).count(), 0);
  EXPECT_EQ(seconds(0.6e-9).count(), 1);
  EXPECT_EQ(seconds(-0.6e-9).count(), -1);
  EXPECT_EQ(seconds(-2.0).count(), -2'000'000'000);
}

TEST(Time, SecondsBeyondSixtyFourBitsAreClamped) {
  const int64_t limit = seconds(1e300).count();
  EXPECT_EQ(limit, seconds(std::numeric_limits<double>::infinity()).count());
  EXPECT_GT(limit, int64_t{9'000'000'000'000'000'000});
  EXPECT_EQ(seconds(-1e300).count(), -limit);
}

}  // namespace
}  // namespace weft
