// Block hashes: equal hashes exactly where prompts have equal prefixes, at any block size.
#include "sim/segments.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/random.h"

namespace weft {
namespace {

Arrival make_arrival(uint64_t id, int64_t prompt, std::vector<Segment> segments) {
  Arrival out;
  out.id = id;
  out.prompt = Tokens(prompt);
  out.output = Tokens(1);
  out.segments = std::move(segments);
  return out;
}

std::vector<BlockHash> hashes(const Arrival& arrival, int64_t block, uint64_t seed = 1) {
  std::vector<BlockHash> out;
  hash_blocks(arrival, Tokens(block), seed, out);
  return out;
}

// The naive reference: every token of the prompt as a pair.
std::vector<std::pair<uint64_t, int64_t>> tokens_of(const Arrival& arrival) {
  std::vector<std::pair<uint64_t, int64_t>> out;
  for (const Segment& segment : arrival.segments) {
    for (int64_t i = 0; i < segment.tokens.count(); ++i) out.emplace_back(segment.content, i);
  }
  while (static_cast<int64_t>(out.size()) < arrival.prompt.count()) {
    out.emplace_back(~arrival.id, static_cast<int64_t>(out.size()));
  }
  out.resize(static_cast<size_t>(arrival.prompt.count()));
  return out;
}

TEST(HashBlocks, OnlyFullBlocksGetOne) {
  EXPECT_EQ(hashes(make_arrival(0, 127, {}), 128).size(), 0u);
  EXPECT_EQ(hashes(make_arrival(0, 128, {}), 128).size(), 1u);
  EXPECT_EQ(hashes(make_arrival(0, 1000, {}), 128).size(), 7u);
}

TEST(HashBlocks, PromptsWithoutContentsShareNothing) {
  const auto a = hashes(make_arrival(1, 256, {}), 128);
  const auto b = hashes(make_arrival(2, 256, {}), 128);
  EXPECT_NE(a[0], b[0]);
  EXPECT_EQ(a, hashes(make_arrival(1, 256, {}), 128));
  EXPECT_NE(a, hashes(make_arrival(1, 256, {}), 128, 2)) << "another seed, other tokens";
}

TEST(HashBlocks, OneChangedBlockChangesAllBehindIt) {
  const auto a =
      hashes(make_arrival(1, 2048, {{7, Tokens(512)}, {8, Tokens(512)}, {9, Tokens(1024)}}), 128);
  const auto b =
      hashes(make_arrival(2, 2048, {{7, Tokens(512)}, {6, Tokens(512)}, {9, Tokens(1024)}}), 128);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i] == b[i], i < 4) << i;
}

TEST(HashBlocks, AGrowingConversationKeepsItsHashes) {
  const auto turn = hashes(make_arrival(1, 1000, {{5, Tokens(1000)}}), 128);
  const auto next = hashes(make_arrival(2, 1700, {{5, Tokens(1700)}}), 128);
  ASSERT_EQ(turn.size(), 7u);
  for (size_t i = 0; i < turn.size(); ++i) EXPECT_EQ(turn[i], next[i]);
}

TEST(HashBlocks, SegmentsPastThePromptAreCut) {
  EXPECT_EQ(hashes(make_arrival(1, 256, {{5, Tokens(10'000)}}), 128),
            hashes(make_arrival(2, 256, {{5, Tokens(256)}}), 128));
}

TEST(HashBlocks, EqualHashesExactlyForEqualPrefixes) {
  Random random(3);
  const auto draw_arrival = [&](uint64_t id) {
    std::vector<Segment> segments;
    int64_t known = 0;
    for (uint64_t count = random.below(5); count > 0; --count) {
      const auto tokens = static_cast<int64_t>(1 + random.below(4) * 13);
      segments.push_back({random.below(3), Tokens(tokens)});
      known += tokens;
    }
    return make_arrival(id, known + static_cast<int64_t>(1 + random.below(40)),
                        std::move(segments));
  };
  for (const int64_t block : {1, 4, 16, 64}) {
    std::map<uint64_t, std::vector<std::pair<uint64_t, int64_t>>> by_hash;
    std::map<std::vector<std::pair<uint64_t, int64_t>>, uint64_t> by_prefix;
    for (uint64_t id = 0; id < 200; ++id) {
      const Arrival arrival = draw_arrival(id);
      const auto tokens = tokens_of(arrival);
      const auto found = hashes(arrival, block);
      for (size_t i = 0; i < found.size(); ++i) {
        const auto length = static_cast<std::ptrdiff_t>(i + 1) * block;
        const std::vector prefix(tokens.begin(), tokens.begin() + length);
        EXPECT_EQ(by_hash.try_emplace(found[i].value(), prefix).first->second, prefix);
        EXPECT_EQ(by_prefix.try_emplace(prefix, found[i].value()).first->second, found[i].value());
      }
    }
  }
}

}  // namespace
}  // namespace weft
