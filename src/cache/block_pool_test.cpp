// BlockPool against a naive model: a list of blocks with reference counts and ages.
#include "cache/block_pool.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <optional>

namespace weft {
namespace {

// What the header promises, with plain lists and linear searches. It follows the pool's choice of
// fresh blocks, and checks that each was free, or the oldest of the cached when none was.
class Reference {
 public:
  explicit Reference(uint32_t blocks) : blocks_(blocks) {}

  [[nodiscard]] std::optional<uint32_t> find(BlockHash hash) const {
    for (uint32_t i = 0; i < blocks_.size(); ++i) {
      if (blocks_[i].hash == hash) return i;
    }
    return std::nullopt;
  }
  [[nodiscard]] int64_t match(std::span<const BlockHash> hashes) const {
    int64_t count = 0;
    while (count < static_cast<int64_t>(hashes.size()) && find(hashes[count])) ++count;
    return count;
  }
  [[nodiscard]] int64_t available() const {
    return std::count_if(blocks_.begin(), blocks_.end(),
                         [](const Block& b) { return b.references == 0; });
  }
  [[nodiscard]] int64_t references(uint32_t block) const { return blocks_[block].references; }

  void share(BlockHash hash) { ++blocks_[*find(hash)].references; }

  void allocate(uint32_t block) {
    Block& entry = blocks_[block];
    RC_ASSERT(entry.references == 0);
    const bool any_free = std::any_of(blocks_.begin(), blocks_.end(),
                                      [](const Block& b) { return b.references == 0 && !b.hash; });
    if (any_free) {
      RC_ASSERT(!entry.hash.has_value());
    } else {
      for (const Block& other : blocks_) {
        if (other.references == 0) RC_ASSERT(entry.released <= other.released);
      }
    }
    entry = {1, std::nullopt, 0};
  }
  void publish(uint32_t block, BlockHash hash) {
    if (!blocks_[block].hash && !find(hash)) blocks_[block].hash = hash;
  }
  // The last of a table first.
  void release(std::span<const BlockId> table) {
    for (size_t i = table.size(); i-- > 0;) {
      Block& entry = blocks_[table[i].value()];
      if (--entry.references == 0) entry.released = ++clock_;
    }
  }

 private:
  struct Block {
    int64_t references = 0;
    std::optional<BlockHash> hash;
    uint64_t released = 0;
  };
  std::vector<Block> blocks_;
  uint64_t clock_ = 0;
};

std::vector<BlockHash> chain(uint64_t prompt, int64_t length) {
  // Prompts share their first two blocks in pairs.
  std::vector<BlockHash> out;
  for (int64_t i = 0; i < length; ++i) {
    const uint64_t family = i < 2 ? prompt / 2 : 100 + prompt;
    out.push_back(BlockHash(family * 1000 + static_cast<uint64_t>(i) + 1));
  }
  return out;
}

// A sequence as the scheduler would have it: shares what is there, allocates the rest, publishes.
struct Table {
  std::vector<BlockId> blocks;
  std::vector<BlockHash> hashes;
  size_t published = 0;
};

struct Twins {
  explicit Twins(uint32_t blocks) : pool(blocks), reference(blocks) {}
  BlockPool pool;
  Reference reference;
  std::vector<Table> tables;

  void start(uint64_t prompt, int64_t length) {
    Table table;
    table.hashes = chain(prompt, length);
    const int64_t hits = pool.match(table.hashes);
    RC_ASSERT(hits == reference.match(table.hashes));
    const auto found = std::span(table.hashes).first(static_cast<size_t>(hits));
    int64_t unreferenced = 0;
    for (const BlockHash hash : found) {
      unreferenced += reference.references(*reference.find(hash)) == 0 ? 1 : 0;
    }
    RC_ASSERT(pool.unreferenced(found) == unreferenced);
    const bool fits = length - hits + unreferenced <= pool.available();
    if (!fits) return;
    pool.share(found, table.blocks);
    for (size_t i = 0; i < found.size(); ++i) {
      RC_ASSERT(table.blocks[i].value() == *reference.find(found[i]));
      reference.share(found[i]);
    }
    grow(table, length - hits);
    table.published = static_cast<size_t>(hits);
    tables.push_back(std::move(table));
  }
  void grow(Table& table, int64_t count) {
    const size_t before = table.blocks.size();
    const bool got = pool.allocate(count, table.blocks);
    RC_ASSERT(got == (count <= reference.available()));
    RC_ASSERT(table.blocks.size() == before + (got ? static_cast<size_t>(count) : 0));
    for (size_t i = before; i < table.blocks.size(); ++i) {
      reference.allocate(table.blocks[i].value());
    }
  }
  void publish(Table& table) {
    if (table.published == table.hashes.size()) return;
    pool.publish(table.blocks, table.hashes, table.published, table.published + 1);
    reference.publish(table.blocks[table.published].value(), table.hashes[table.published]);
    ++table.published;
  }
  void finish(size_t index) {
    pool.release(tables[index].blocks);
    reference.release(tables[index].blocks);
    tables.erase(tables.begin() + static_cast<std::ptrdiff_t>(index));
  }
  void compare() const {
    pool.check_integrity();
    RC_ASSERT(pool.available() == reference.available());
    RC_ASSERT(pool.in_use() == pool.blocks() - pool.available());
    for (uint64_t prompt = 0; prompt < 6; ++prompt) {
      const auto hashes = chain(prompt, 5);
      RC_ASSERT(pool.match(hashes) == reference.match(hashes));
    }
  }
};

RC_GTEST_PROP(BlockPool, DoesWhatANaiveModelDoes, ()) {
  using Step = std::tuple<int, uint64_t, int64_t>;
  const auto steps =
      *rc::gen::scale(2.0, rc::gen::container<std::vector<Step>>(rc::gen::tuple(
                               rc::gen::inRange(0, 10), rc::gen::inRange<uint64_t>(0, 6),
                               rc::gen::inRange<int64_t>(0, 6))));
  Twins twins(*rc::gen::inRange<uint32_t>(1, 14));
  for (const auto& [kind, which, length] : steps) {
    const size_t count = twins.tables.size();
    if (kind < 3) {
      twins.start(which, length);
    } else if (count == 0) {
      continue;
    } else if (kind < 7) {
      twins.publish(twins.tables[which % count]);
    } else if (kind == 7) {
      twins.grow(twins.tables[which % count], length);
    } else {
      twins.finish(which % count);
    }
    twins.compare();
  }
  while (!twins.tables.empty()) twins.finish(0);
  twins.compare();
  RC_ASSERT(twins.pool.in_use() == 0);
}

// Fills a pool with prompts, lets them go, and sees who is evicted first.
TEST(BlockPool, PrefixesOutliveTailsAndNewOutliveOld) {
  BlockPool pool(6);
  std::vector<BlockHash> a{BlockHash(1), BlockHash(2), BlockHash(3)};
  std::vector<BlockHash> b{BlockHash(4), BlockHash(5), BlockHash(6)};
  for (const auto* hashes : {&a, &b}) {
    std::vector<BlockId> table;
    ASSERT_TRUE(pool.allocate(3, table));
    pool.publish(table, *hashes, 0, 3);
    pool.release(table);
  }
  EXPECT_EQ(pool.available(), 6);
  std::vector<BlockId> fresh;
  const std::vector<std::pair<int64_t, int64_t>> left{{2, 3}, {1, 3}, {0, 3}, {0, 2}, {0, 1}};
  for (const auto& [of_a, of_b] : left) {
    ASSERT_TRUE(pool.allocate(1, fresh));
    EXPECT_EQ(pool.match(a), of_a);
    EXPECT_EQ(pool.match(b), of_b);
  }
}

TEST(BlockPool, SharingMakesABlockYoungAgain) {
  BlockPool pool(2);
  const std::vector<BlockHash> first{BlockHash(1)};
  const std::vector<BlockHash> second{BlockHash(2)};
  std::vector<BlockId> table;
  ASSERT_TRUE(pool.allocate(2, table));
  pool.publish(table, first, 0, 1);
  pool.publish(std::span(table).subspan(1), second, 0, 1);
  pool.release(table);  // 2 is the older now
  std::vector<BlockId> shared;
  pool.share(second, shared);
  EXPECT_EQ(pool.in_use(), 1);
  pool.release(shared);  // and now 1 is
  std::vector<BlockId> fresh;
  ASSERT_TRUE(pool.allocate(1, fresh));
  EXPECT_EQ(pool.match(second), 1);
  EXPECT_EQ(pool.match(first), 0);
}

TEST(BlockPool, DuplicatesStayPrivateAndLeaveNothingBehind) {
  BlockPool pool(3);
  std::vector<BlockId> first;
  std::vector<BlockId> second;
  ASSERT_TRUE(pool.allocate(1, first));
  ASSERT_TRUE(pool.allocate(1, second));
  const std::vector<BlockHash> hash{BlockHash(7)};
  const std::vector<BlockHash> other{BlockHash(8)};
  pool.publish(first, hash, 0, 1);
  pool.publish(second, hash, 0, 1);
  pool.publish(first, other, 0, 1);  // it has its content already
  EXPECT_EQ(pool.match(other), 0);
  pool.release(second);
  EXPECT_EQ(pool.match(hash), 1);
  std::vector<BlockId> shared;
  pool.share(hash, shared);
  EXPECT_EQ(shared, first);
  pool.release(first);
  EXPECT_EQ(pool.in_use(), 1);
  pool.release(shared);
  EXPECT_EQ(pool.in_use(), 0);
  pool.check_integrity();
}

// A table that computed what another has published goes on where that one ends, and is found
// through it; what follows a block that is evicted is found again when the block is back.
TEST(BlockPool, ATailBehindAPrivateDoubleIsFound) {
  BlockPool pool(5);
  const std::vector<BlockHash> hashes{BlockHash(1), BlockHash(2), BlockHash(3)};
  std::vector<BlockId> first;
  std::vector<BlockId> second;
  ASSERT_TRUE(pool.allocate(2, first));
  ASSERT_TRUE(pool.allocate(3, second));
  pool.publish(first, hashes, 0, 2);
  pool.publish(second, hashes, 0, 2);
  pool.publish(second, hashes, 2, 3);
  EXPECT_EQ(pool.match(hashes), 3);
  std::vector<BlockId> shared;
  pool.share(hashes, shared);
  EXPECT_EQ(shared, (std::vector<BlockId>{first[0], first[1], second[2]}));
  pool.release(shared);
  pool.release(first);
  std::vector<BlockId> fresh;
  ASSERT_TRUE(pool.allocate(2, fresh));  // the first two blocks go, the third is held
  EXPECT_EQ(pool.match(hashes), 0);
  pool.check_integrity();
  pool.publish(fresh, hashes, 0, 2);
  EXPECT_EQ(pool.match(hashes), 3);
  pool.check_integrity();
}

TEST(BlockPool, ADoubleIsToldBehindAGap) {
  BlockPool pool(9);
  const std::vector<BlockHash> hashes{BlockHash(1), BlockHash(2), BlockHash(3)};
  std::vector<BlockId> tables[3];
  for (auto& table : tables) ASSERT_TRUE(pool.allocate(3, table));
  pool.publish(tables[0], hashes, 0, 1);
  pool.publish(tables[1], hashes, 0, 3);
  pool.publish(tables[2], hashes, 0, 2);
  pool.release(tables[0]);
  std::vector<BlockId> fresh;
  ASSERT_TRUE(pool.allocate(3, fresh));  // the first hash is gone, the others are held
  pool.publish(tables[2], hashes, 2, 3);
  pool.check_integrity();
  pool.release(tables[2]);
  EXPECT_EQ(pool.available(), 3) << "none of its blocks had content that only it has";
  ASSERT_TRUE(pool.allocate(3, fresh));
  pool.publish(fresh, hashes, 0, 1);
  std::vector<BlockId> shared;
  pool.share(hashes, shared);
  EXPECT_EQ(shared, (std::vector<BlockId>{fresh[0], tables[1][1], tables[1][2]}));
}

TEST(BlockPool, AskingForTooMuchDoesNothing) {
  BlockPool pool(3);
  std::vector<BlockId> table;
  EXPECT_FALSE(pool.allocate(4, table));
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(pool.available(), 3);
  EXPECT_TRUE(pool.allocate(0, table));
  EXPECT_TRUE(pool.allocate(3, table));
  EXPECT_FALSE(pool.allocate(1, table));
  EXPECT_EQ(table.size(), 3u);
}

TEST(BlockPoolDeathTest, OurOwnMistakesEndTheProcess) {
  BlockPool pool(2);
  std::vector<BlockId> table;
  ASSERT_TRUE(pool.allocate(1, table));
  pool.release(table);
  EXPECT_DEATH(pool.release(table), "released once per reference");
  const std::vector<BlockHash> hash{BlockHash(1)};
  EXPECT_DEATH(pool.publish(table, hash, 0, 1), "only a held block");
  EXPECT_DEATH(pool.hold(table), "only a held block");
  EXPECT_DEATH(pool.share(hash, table), "only present blocks");
}

}  // namespace
}  // namespace weft
