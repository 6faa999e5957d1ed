// TierCache against a naive model: one list of hashes by age per tier.
#include "cache/tier_cache.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>

namespace weft {
namespace {

using Move = TierCache::Move;

// Oldest first in every tier.
struct Reference {
  std::vector<std::deque<uint64_t>> tiers;
  std::vector<int64_t> capacities;
  std::vector<Move> moves;

  [[nodiscard]] int find(uint64_t hash) const {
    for (size_t t = 0; t < tiers.size(); ++t) {
      if (std::find(tiers[t].begin(), tiers[t].end(), hash) != tiers[t].end()) {
        return static_cast<int>(t);
      }
    }
    return -1;
  }
  void settle() {
    for (size_t t = 0; t < tiers.size(); ++t) {
      while (static_cast<int64_t>(tiers[t].size()) > capacities[t]) {
        const uint64_t hash = tiers[t].front();
        tiers[t].pop_front();
        const bool last = t + 1 == tiers.size();
        if (!last) tiers[t + 1].push_back(hash);
        moves.push_back({BlockHash(hash), static_cast<int>(t), last});
      }
    }
  }
  void use(uint64_t hash) {
    for (auto& tier : tiers) std::erase(tier, hash);
    tiers[0].push_back(hash);
    settle();
  }
};

struct Twins {
  explicit Twins(const std::vector<int64_t>& capacities) : cache(capacities) {
    reference.capacities = capacities;
    reference.tiers.resize(capacities.size());
  }
  TierCache cache;
  Reference reference;
  std::vector<Move> moves;

  void step(int kind, uint64_t hash, int64_t value) {
    const int tier = static_cast<int>(value) % cache.tiers();
    const bool known = reference.find(hash) >= 0;
    if (kind < 4) {
      RC_ASSERT(cache.insert(BlockHash(hash), moves) == !known);
      reference.use(hash);
    } else if (kind < 7) {
      cache.touch(BlockHash(hash), moves);
      if (known) reference.use(hash);
    } else if (kind == 7) {
      cache.drop_tier(tier);
      reference.tiers[static_cast<size_t>(tier)].clear();
    } else {
      cache.set_capacity(tier, value, moves);
      reference.capacities[static_cast<size_t>(tier)] = value;
      reference.settle();
    }
  }
  void compare() const {
    cache.check_integrity();
    RC_ASSERT(moves == reference.moves);
    for (int t = 0; t < cache.tiers(); ++t) {
      RC_ASSERT(cache.held(t) == static_cast<int64_t>(reference.tiers[t].size()));
      RC_ASSERT(cache.capacity(t) == reference.capacities[t]);
    }
    for (uint64_t hash = 0; hash < 12; ++hash) {
      const int tier = reference.find(hash);
      RC_ASSERT(cache.contains(BlockHash(hash)) == (tier >= 0));
      if (tier >= 0) RC_ASSERT(cache.tier(BlockHash(hash)) == tier);
    }
  }
};

RC_GTEST_PROP(TierCache, DoesWhatANaiveModelDoes, ()) {
  using Step = std::tuple<int, uint64_t, int64_t>;
  const auto steps =
      *rc::gen::scale(2.0, rc::gen::container<std::vector<Step>>(rc::gen::tuple(
                               rc::gen::inRange(0, 9), rc::gen::inRange<uint64_t>(0, 12),
                               rc::gen::inRange<int64_t>(0, 5))));
  const auto tiers = *rc::gen::inRange<size_t>(1, 4);
  Twins twins(*rc::gen::container<std::vector<int64_t>>(tiers, rc::gen::inRange<int64_t>(0, 5)));
  for (const auto& [kind, hash, value] : steps) {
    twins.step(kind, hash, value);
    twins.compare();
  }
}

TEST(TierCache, TheOldestMovesDownAndTheLastTierForgets) {
  TierCache cache({2, 1});
  std::vector<Move> moves;
  for (uint64_t i = 1; i <= 4; ++i) EXPECT_TRUE(cache.insert(BlockHash(i), moves));
  EXPECT_EQ(moves,
            (std::vector<Move>{
                {BlockHash(1), 0, false}, {BlockHash(2), 0, false}, {BlockHash(1), 1, true}}));
  EXPECT_EQ(cache.tier(BlockHash(2)), 1);
  EXPECT_FALSE(cache.contains(BlockHash(1)));
  moves.clear();
  cache.touch(BlockHash(2), moves);  // up again, and 3 goes down in its place
  EXPECT_EQ(cache.tier(BlockHash(2)), 0);
  EXPECT_EQ(moves, (std::vector<Move>{{BlockHash(3), 0, false}}));
}

TEST(TierCache, MatchCountsAnUnbrokenRunInAnyTier) {
  TierCache cache({1, 4});
  std::vector<Move> moves;
  for (const uint64_t i : {1, 2, 4}) cache.insert(BlockHash(i), moves);
  const std::vector<BlockHash> run{BlockHash(1), BlockHash(2), BlockHash(3), BlockHash(4)};
  EXPECT_EQ(cache.match(run), 2);
  EXPECT_EQ(cache.match({}), 0);
}

TEST(TierCache, ATierThatIsDownLetsBlocksThrough) {
  TierCache cache({2, 2});
  std::vector<Move> moves;
  cache.insert(BlockHash(1), moves);
  cache.drop_tier(0);
  cache.set_capacity(0, 0, moves);
  EXPECT_TRUE(moves.empty());
  cache.insert(BlockHash(2), moves);
  EXPECT_EQ(cache.tier(BlockHash(2)), 1);
  EXPECT_FALSE(cache.contains(BlockHash(1)));
  cache.set_capacity(0, 2, moves);
  cache.insert(BlockHash(3), moves);
  EXPECT_EQ(cache.tier(BlockHash(3)), 0);
}

}  // namespace
}  // namespace weft
