// Some experts are liked better: fewer of them are reached than when all are alike, never more than
// there are copies, and the busiest die has more of them than the mean.
#include "cost/expert_popularity.h"

#include <gtest/gtest.h>

#include <cmath>

namespace weft {
namespace {

TEST(ChanceOfNone, IsThePower) {
  for (const double base : {0.0, 0.5, 0.9, 0.99}) {
    for (const double n : {0.0, 1.0, 2.0, 7.0, 31.0}) {
      EXPECT_NEAR(chance_of_none(base, n), std::pow(base, n), 1e-12) << base << "^" << n;
    }
  }
  EXPECT_NEAR(chance_of_none(0.5, 1.5), 0.25, 1e-12) << "rounded up";
  EXPECT_EQ(chance_of_none(0.5, 1000), 0);
}

TEST(ChanceOfNone, FallsAsTokensGrow) {
  double last = 1;
  for (double n = 0.5; n < 5000; n *= 1.3) {
    const double now = chance_of_none(0.97, n);
    EXPECT_LE(now, last) << n;
    last = now;
  }
}

TEST(ExpertPopularity, ReachesFewerThanEvenChancesDoAndAllInTheEnd) {
  const double chance = 4.0 / 128;
  const ExpertPopularity liked(chance);
  for (const double tokens : {1.0, 4.0, 16.0, 64.0, 256.0}) {
    const double even = 1 - chance_of_none(1 - chance, tokens);
    EXPECT_LE(liked.touched(tokens), even + 1e-12) << tokens;
    EXPECT_GT(liked.touched(tokens), 0.6 * even) << tokens;
  }
  EXPECT_NEAR(liked.touched(1), chance, 1e-12) << "one token's copies are all apart";
  EXPECT_NEAR(liked.touched(100000), 1, 1e-9);
}

TEST(ExpertPopularity, DoesNotFallAsTokensGrow) {
  const ExpertPopularity liked(8.0 / 256);
  double last = 0;
  for (double tokens = 1; tokens < 3000; tokens *= 1.07) {
    EXPECT_GE(liked.touched(tokens), last) << tokens;
    last = liked.touched(tokens);
  }
}

TEST(ExpertPopularity, EveryTokenReachesADieOfAllItsChoices) {
  EXPECT_NEAR(ExpertPopularity(0).touched(100), 0, 1e-12);
  EXPECT_LE(ExpertPopularity(1).touched(1), 1);
}

TEST(ExpertPopularity, ChanceMattersInSmallBatchesAndTheRouterInLarge) {
  const double two_log = 2 * 2.0794415416798357;  // eight dies
  EXPECT_GT(busiest_share(1.35, 2, two_log), 2.0);
  EXPECT_NEAR(busiest_share(1.35, 1e6, two_log), 1.35, 1e-4);
  EXPECT_EQ(busiest_share(1.0, 8, 0), 1.0) << "a given balance has no chance about it";
  double last = 0;
  for (double mean = 0.1; mean < 1e5; mean *= 1.1) {
    const double copies = mean * busiest_share(1.35, mean, two_log);
    EXPECT_GT(copies, last) << "more tokens, more copies on the busiest die";
    last = copies;
  }
}

}  // namespace
}  // namespace weft
