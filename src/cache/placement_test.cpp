// Rendezvous placement: balanced, the same whatever the order of the nodes, and of least movement.
#include "cache/placement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

namespace weft {
namespace {

constexpr uint64_t kStripes = 20000;

std::vector<NodeId> nodes(uint32_t count) {
  std::vector<NodeId> out;
  for (uint32_t i = 0; i < count; ++i) out.push_back(NodeId(100 + i));
  return out;
}

BlockHash stripe(uint64_t i) { return BlockHash(mix64(77, i)); }

NodeId place(uint64_t i, const std::vector<NodeId>& among) {
  return among[owner(stripe(i), among)];
}

TEST(Placement, EveryNodeOwnsItsShare) {
  for (const uint32_t count : {1u, 2u, 5u, 24u}) {
    const auto among = nodes(count);
    std::map<NodeId, int> owned;
    for (uint64_t i = 0; i < kStripes; ++i) ++owned[place(i, among)];
    ASSERT_EQ(owned.size(), count);
    const double share = double{kStripes} / count;
    for (const auto& [node, stripes] : owned) EXPECT_NEAR(stripes, share, 5 * std::sqrt(share));
  }
}

TEST(Placement, WhenANodeLeavesOnlyItsOwnStripesMove) {
  const auto before = nodes(8);
  for (size_t gone = 0; gone < before.size(); ++gone) {
    auto after = before;
    after.erase(after.begin() + static_cast<std::ptrdiff_t>(gone));
    std::map<NodeId, int> taken;
    for (uint64_t i = 0; i < kStripes / 4; ++i) {
      const NodeId was = place(i, before);
      const NodeId is = place(i, after);
      if (was == before[gone]) {
        ++taken[is];
      } else {
        EXPECT_EQ(was, is);
      }
    }
    EXPECT_EQ(taken.size(), after.size()) << "the load of the lost node spreads over all others";
  }
}

TEST(Placement, DoesNotDependOnTheOrderOfTheNodes) {
  auto among = nodes(6);
  auto reversed = among;
  std::reverse(reversed.begin(), reversed.end());
  for (uint64_t i = 0; i < 1000; ++i) EXPECT_EQ(place(i, among), place(i, reversed));
}

}  // namespace
}  // namespace weft
