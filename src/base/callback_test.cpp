// Callback, Lifetime and Completion: a late answer never reaches a dead owner.
#include "base/callback.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace weft {
namespace {

struct Owner {
  void add(int a, const std::string& b) { seen.emplace_back(a, b); }
  void done(uint64_t tag, int value) { results.emplace_back(tag, value); }
  void take(std::unique_ptr<int> value) { taken = std::move(value); }
  std::vector<std::pair<int, std::string>> seen;
  std::vector<std::pair<uint64_t, int>> results;
  std::unique_ptr<int> taken;
  Lifetime lifetime;
};

Completion<int> completion(Owner& owner, uint64_t tag) {
  return {owner.lifetime, Callback<uint64_t, int>::to<&Owner::done>(&owner), tag};
}

TEST(Callback, CallsTheMethodOfItsObject) {
  Owner owner;
  const auto callback = Callback<int, const std::string&>::to<&Owner::add>(&owner);
  callback(1, "a");
  callback(2, "b");
  EXPECT_EQ(owner.seen.size(), 2u);
  EXPECT_EQ(owner.seen[1].second, "b");
  const auto mover = Callback<std::unique_ptr<int>>::to<&Owner::take>(&owner);
  mover(std::make_unique<int>(9));
  EXPECT_EQ(*owner.taken, 9);
}

TEST(Callback, EmptyIsFalse) {
  Owner owner;
  EXPECT_FALSE((Callback<int>{}));
  EXPECT_TRUE((Callback<int, const std::string&>::to<&Owner::add>(&owner)));
  static_assert(sizeof(Callback<int>) == 2 * sizeof(void*));
}

TEST(LifetimeRef, KnowsWhetherItsOwnerLives) {
  auto lifetime = std::make_unique<Lifetime>();
  const LifetimeRef first(*lifetime);
  LifetimeRef second = first;
  LifetimeRef moved = std::move(second);
  LifetimeRef assigned;
  EXPECT_FALSE(assigned.alive());
  assigned = moved;
  EXPECT_TRUE(first.alive() && moved.alive() && assigned.alive());
  EXPECT_FALSE(second.alive());  // NOLINT: moved from on purpose
  lifetime.reset();
  EXPECT_FALSE(first.alive() || moved.alive() || assigned.alive());
  assigned = LifetimeRef();
  moved = LifetimeRef(moved);
  EXPECT_FALSE(moved.alive());
}

TEST(LifetimeRef, SelfAssignmentKeepsIt) {
  Lifetime lifetime;
  LifetimeRef ref(lifetime);
  const LifetimeRef& same = ref;
  ref = same;
  EXPECT_TRUE(ref.alive());
}

TEST(Completion, BringsItsTagBackToALiveOwner) {
  Owner owner;
  completion(owner, 7)(41);
  EXPECT_EQ(owner.results, (std::vector<std::pair<uint64_t, int>>{{7, 41}}));
}

// The address sanitizer would see the call into the dead owner.
TEST(Completion, DoesNothingOnceItsOwnerIsDead) {
  auto owner = std::make_unique<Owner>();
  const Completion<int> done = completion(*owner, 1);
  const Completion<int> copy = done;
  owner.reset();
  done(1);
  copy(2);
  Completion<int>{}(3);
}

TEST(Completion, AnOwnerMayDieInsideItsOwnCompletion) {
  struct Suicide {
    void done(uint64_t) { self->reset(); }
    std::optional<Suicide>* self;
    Lifetime lifetime;
    explicit Suicide(std::optional<Suicide>* at) : self(at) {}
  };
  std::optional<Suicide> owner;
  owner.emplace(&owner);
  const Completion<> done(owner->lifetime, Callback<uint64_t>::to<&Suicide::done>(&*owner));
  done();
  EXPECT_FALSE(owner.has_value());
  done();
}

TEST(Completion, MayTravelThroughAnotherThreadAndBack) {
  Owner owner;
  std::optional<Completion<int>> here(completion(owner, 3));
  std::optional<Completion<int>> back;
  std::thread worker([there = std::move(here), &back]() mutable { back = std::move(there); });
  worker.join();
  (*back)(5);
  EXPECT_EQ(owner.results.size(), 1u);
}

}  // namespace
}  // namespace weft
