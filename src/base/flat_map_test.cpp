// FlatMap against std::map under random operations.
#include "base/flat_map.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <memory>

namespace weft {
namespace {

// The one key that mix64 sends to the mark of an empty slot.
constexpr uint64_t kMixesToZero = 0x61c8864680b583eb;
static_assert(mix64(kMixesToZero) == 0);

struct Operation {
  int kind = 0;
  uint64_t key = 0;
};

rc::Gen<Operation> operation(uint64_t keys) {
  return rc::gen::map(rc::gen::pair(rc::gen::inRange(0, 4), rc::gen::inRange<uint64_t>(0, keys)),
                      [](const std::pair<int, uint64_t>& p) {
                        const uint64_t key = p.second == 5 ? kMixesToZero : p.second;
                        return Operation{p.first, key};
                      });
}

void play(const std::vector<Operation>& operations) {
  FlatMap<int> map;
  std::map<uint64_t, int> reference;
  int next = 0;
  for (const Operation& op : operations) {
    if (op.kind <= 1) {
      const auto [at, fresh] = map.insert(op.key, next);
      const auto [want, want_fresh] = reference.insert({op.key, next});
      RC_ASSERT(fresh == want_fresh);
      RC_ASSERT(*at == want->second);
      *at = want->second = ++next;
    } else if (op.kind == 2) {
      RC_ASSERT(map.erase(op.key) == (reference.erase(op.key) == 1));
    } else {
      const int* found = map.find(op.key);
      const auto want = reference.find(op.key);
      RC_ASSERT((found != nullptr) == (want != reference.end()));
      if (found != nullptr) RC_ASSERT(*found == want->second);
    }
    RC_ASSERT(map.size() == reference.size());
  }
  for (const auto& [key, value] : reference) {
    RC_ASSERT(map.find(key) != nullptr);
    RC_ASSERT(*map.find(key) == value);
  }
}

RC_GTEST_PROP(FlatMap, DoesWhatStdMapDoesOnFewKeys, ()) {
  play(*rc::gen::container<std::vector<Operation>>(operation(12)));
}

RC_GTEST_PROP(FlatMap, DoesWhatStdMapDoesOnManyKeys, ()) {
  play(*rc::gen::scale(20.0, rc::gen::container<std::vector<Operation>>(operation(300))));
}

// Fills the table to its brink again and again, so that runs of slots wrap round its end.
TEST(FlatMap, SurvivesLongChurn) {
  Random random(3);
  FlatMap<uint64_t> map;
  std::map<uint64_t, uint64_t> reference;
  for (int i = 0; i < 100000; ++i) {
    const uint64_t key = random.below(24);
    if (random.below(2) == 0) {
      ASSERT_EQ(map.insert(key, key * 7).second, reference.insert({key, key * 7}).second);
    } else {
      ASSERT_EQ(map.erase(key), reference.erase(key) == 1);
    }
    const uint64_t asked = random.below(24);
    ASSERT_EQ(map.find(asked) != nullptr, reference.contains(asked));
  }
  for (const auto& [key, value] : reference) ASSERT_EQ(*map.find(key), value);
}

TEST(FlatMap, ErasedValuesAreLetGo) {
  FlatMap<std::shared_ptr<int>> map;
  const auto value = std::make_shared<int>(1);
  map.insert(1, value);
  map.insert(2, value);
  EXPECT_EQ(value.use_count(), 3);
  map.erase(1);
  EXPECT_EQ(value.use_count(), 2);
  map.clear();
  EXPECT_EQ(value.use_count(), 1);
  EXPECT_EQ(map.size(), 0u);
  EXPECT_EQ(map.find(2), nullptr);
}

TEST(FlatMap, TheKeyThatMixesToTheEmptyMarkIsAKey) {
  FlatMap<int> map;
  EXPECT_EQ(map.find(kMixesToZero), nullptr);
  EXPECT_FALSE(map.erase(kMixesToZero));
  EXPECT_TRUE(map.insert(kMixesToZero, 4).second);
  EXPECT_FALSE(map.insert(kMixesToZero, 5).second);
  ASSERT_NE(map.find(kMixesToZero), nullptr);
  EXPECT_EQ(*map.find(kMixesToZero), 4);
  EXPECT_TRUE(map.erase(kMixesToZero));
  EXPECT_EQ(map.find(kMixesToZero), nullptr);
}

}  // namespace
}  // namespace weft
