// Expert exchange: copies on each link, known sums, monotony and the wire's rate.
#include "cost/exchange_cost.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "cost/fixtures.h"
#include "cost/link_fixtures.h"

namespace weft {
namespace {

constexpr auto kLow = ExchangeSoftware::kDeepEpLowLatency;
constexpr auto kNormal = ExchangeSoftware::kDeepEpNormal;

System h800(int packages) {
  System system = fixtures::h800(packages);
  system.scale_up.raw_bandwidth = 200e9;
  system.scale_out.raw_bandwidth = 50e9;
  return system;
}

TEST(ExchangeCost, OneDieIsFree) {
  const ExchangePlan plan =
      plan_dispatch(h800(8), fixtures::exchange_constants(), {.dies = 1}, 7000);
  EXPECT_EQ(plan.seconds(1000), 0);
}

TEST(ExchangeCost, LowLatencyCopiesTravelAlone) {
  const ExchangeCopies copies = exchange_copies(h800(32), {.software = kLow, .dies = 32});
  EXPECT_DOUBLE_EQ(copies.inside, 8 * 7.0 / 32);
  EXPECT_DOUBLE_EQ(copies.outside, 8 * 24.0 / 32);
  const ExchangeCopies old =
      exchange_copies(h800(8), {.software = kLow, .dies = 8, .is_out_only = true});
  EXPECT_DOUBLE_EQ(old.outside, 7);
  EXPECT_DOUBLE_EQ(old.inside, 0);
}

TEST(ExchangeCost, NormalCopiesLeaveOncePerDomain) {
  ExchangeRoute route{.software = kNormal, .dies = 64, .domain_limit = 4};
  const ExchangeCopies copies = exchange_copies(h800(64), route);
  EXPECT_DOUBLE_EQ(copies.outside, 3.5);
  EXPECT_DOUBLE_EQ(copies.domains, 4);
  route.domain_limit = 1e9;
  EXPECT_NEAR(exchange_copies(h800(64), route).outside, 8 * (1 - 0.3436) * 7 / 8, 1e-3);
  route.dies = 8;
  EXPECT_DOUBLE_EQ(exchange_copies(h800(64), route).outside, 0);
  EXPECT_NEAR(exchange_copies(h800(64), route).inside, 8 * (1 - 0.3436) * 7 / 8, 1e-3);
}

TEST(ExchangeCost, EvenRoutingReachesAsManyDiesAsItCan) {
  const ExchangeRoute route{
      .software = ExchangeSoftware::kTrtllmOneSided, .dies = 4, .is_even = true};
  EXPECT_DOUBLE_EQ(exchange_copies(h800(8), route).inside, 3);
}

TEST(ExchangeCost, RowsOnTheWire) {
  EXPECT_EQ(exchange_row(kLow, Format::kFp8, 7168).dispatch, 7168 + 224 + 16);
  EXPECT_EQ(exchange_row(ExchangeSoftware::kCloudMatrix, Format::kInt8, 7168).dispatch, 7680);
  EXPECT_EQ(exchange_row(kNormal, Format::kFp4, 7168).dispatch, 3584 + 448);
  EXPECT_EQ(exchange_row(kNormal, Format::kBf16, 7168).combine, 14336);
}

// CM Table 7: dispatch of 128 tokens over 8 dies in 116 us, over 256 in 152; 128 x 9 x 7,680 bytes.
TEST(ExchangeCost, CloudMatrixTableSeven) {
  ExchangeConstants c = fixtures::exchange_constants();
  ExchangeKernelConstants& kernel =
      c.software[static_cast<int>(ExchangeSoftware::kCloudMatrix)].dispatch;
  kernel = {};
  kernel.start = 5e-6;
  kernel.per_doubling = 4.66e-6;
  kernel.share = 0.405;
  kernel.out_share = 0.9;
  System system = fixtures::cloudmatrix384();
  system.scale_up.raw_bandwidth = 196e9;
  ExchangeRoute route{.software = ExchangeSoftware::kCloudMatrix, .dies = 8, .copies = 9};
  EXPECT_NEAR(plan_dispatch(system, c, route, 7680).seconds(128), 116e-6, 3e-6);
  route.dies = 256;
  EXPECT_NEAR(plan_dispatch(system, c, route, 7680).seconds(128), 152e-6, 3e-6);
}

TEST(ExchangeCost, MoreCoresServeNormalKernelsUpToTheLink) {
  const ExchangeConstants c = fixtures::exchange_constants();
  const auto seconds = [&](double cores) {
    const ExchangeRoute route{.software = kNormal, .dies = 8, .cores = cores};
    return plan_dispatch(h800(8), c, route, 7392).seconds(4096);
  };
  EXPECT_NEAR(seconds(4) / seconds(8), 2, 0.25);
  EXPECT_GT(seconds(8), seconds(24));
  EXPECT_LT(seconds(24) / seconds(48), 1.3);
}

struct Case {
  System system;
  ExchangeRoute route;
  double row;
  double tokens;
};

double seconds(const Case& c) {
  return plan_combine(c.system, fixtures::exchange_constants(), c.route, c.row).seconds(c.tokens);
}

TEST(ExchangeCost, GrowsWithWorkAndIsNeverFasterThanTheWire) {
  Random random(3);
  for (int i = 0; i < 20000; ++i) {
    Case c{.system = h800(256), .route = {}, .row = 0, .tokens = 0};
    c.route.software = static_cast<ExchangeSoftware>(random.below(kExchangeSoftwares));
    c.route.dies = 8 << random.below(6);
    c.route.copies = static_cast<int>(1 + random.below(22));
    c.route.experts = static_cast<int>(8 + random.below(512));
    c.route.is_even = random.below(2) == 1;
    c.row = static_cast<double>(512 + random.below(16384));
    c.tokens = static_cast<double>(1 + random.below(8192));
    const double base = seconds(c);
    const ExchangeCopies copies = exchange_copies(c.system, c.route);
    ASSERT_GT(base, c.tokens * c.row * copies.inside / c.system.scale_up.wire());
    ASSERT_GT(base, c.tokens * c.row * copies.outside / c.system.scale_out.wire());
    Case more = c;
    more.row *= 1.5;
    ASSERT_GE(seconds(more), base);
    more = c;
    more.tokens *= 1.5;
    ASSERT_GE(seconds(more), base);
    more = c;
    ++more.route.copies;
    ASSERT_GE(seconds(more), base);
    const ExchangePlan plan =
        plan_dispatch(c.system, fixtures::exchange_constants(), c.route, c.row);
    ASSERT_LE(plan.busy_seconds(c.tokens), plan.seconds(c.tokens) * (1 + 1e-12));
  }
}

}  // namespace
}  // namespace weft
