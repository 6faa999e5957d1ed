// PrefixView: it never claims what was not sent, remembers all of it while there is room, and its
// memory does not grow.
#include "sched/prefix_view.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "base/random.h"

namespace weft {
namespace {

std::vector<BlockHash> chain(uint64_t prompt, size_t length) {
  std::vector<BlockHash> out;
  for (uint64_t i = 0; i < length; ++i) out.push_back(BlockHash(mix64(prompt, i)));
  return out;
}

TEST(PrefixView, CountsLeadingBlocksSentToThatNode) {
  PrefixView view(1024);
  const auto prompt = chain(1, 8);
  view.sent(std::span(prompt).first(5), NodeId(1));
  EXPECT_EQ(view.match(prompt, NodeId(1)), 5);
  EXPECT_EQ(view.match(prompt, NodeId(2)), 0);
  EXPECT_EQ(view.match(chain(2, 8), NodeId(1)), 0);
  EXPECT_EQ(view.match({}, NodeId(1)), 0);
  view.sent(std::span(prompt).subspan(6), NodeId(1));
  EXPECT_EQ(view.match(prompt, NodeId(1)), 5) << "a gap ends the prefix";
}

TEST(PrefixView, ForgetsANodeAndNoOther) {
  PrefixView view(1024);
  const auto prompt = chain(1, 8);
  view.sent(prompt, NodeId(0));
  view.sent(prompt, NodeId(1));
  view.forget(NodeId(0));
  EXPECT_EQ(view.match(prompt, NodeId(0)), 0);
  EXPECT_EQ(view.match(prompt, NodeId(1)), 8);
}

RC_GTEST_PROP(PrefixView, NeverClaimsWhatWasNotSent, ()) {
  PrefixView view(*rc::gen::inRange<int64_t>(1, 200));
  std::set<std::pair<uint64_t, uint32_t>> sent;
  const auto steps = *rc::gen::container<std::vector<std::tuple<int, uint64_t, uint32_t>>>(
      rc::gen::tuple(rc::gen::inRange(0, 8), rc::gen::inRange<uint64_t>(0, 20),
                     rc::gen::inRange<uint32_t>(0, 4)));
  for (const auto& [kind, prompt, node] : steps) {
    const auto blocks = chain(prompt, 6);
    if (kind == 0) {
      view.forget(NodeId(node));
      std::erase_if(sent, [&dead = node](const auto& s) { return s.second == dead; });
    } else if (kind < 4) {
      view.sent(blocks, NodeId(node));
      sent.insert({prompt, node});
      const int64_t kept = view.match(blocks, NodeId(node));
      RC_ASSERT(kept <= 6);
    } else {
      const int64_t claimed = view.match(blocks, NodeId(node));
      if (!sent.contains({prompt, node})) RC_ASSERT(claimed == 0);
    }
  }
}

// As many blocks as it was made for, spread by their hashes: nearly all are there.
TEST(PrefixView, RemembersAboutAsManyAsItWasMadeFor) {
  PrefixView view(4096);
  for (uint64_t prompt = 0; prompt < 256; ++prompt) view.sent(chain(prompt, 8), NodeId(1));
  int64_t kept = 0;
  for (uint64_t prompt = 0; prompt < 256; ++prompt) kept += view.match(chain(prompt, 8), NodeId(1));
  EXPECT_GT(kept, 256 * 8 * 95 / 100);
}

TEST(PrefixView, TheLatestOutlivesTheOldest) {
  PrefixView view(64);
  int64_t latest = 0;
  for (uint64_t prompt = 0; prompt < 1000; ++prompt) {
    view.sent(chain(prompt, 4), NodeId(1));
    latest += view.match(chain(prompt, 4), NodeId(1));
  }
  EXPECT_EQ(latest, 4000) << "what was sent just now is there";
  int64_t oldest = 0;
  for (uint64_t prompt = 0; prompt < 900; ++prompt)
    oldest += view.match(chain(prompt, 4), NodeId(1));
  EXPECT_EQ(oldest, 0);
}

}  // namespace
}  // namespace weft
