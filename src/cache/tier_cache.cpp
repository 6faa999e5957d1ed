// One list by age per tier, and an index by hash over all of them.
#include "cache/tier_cache.h"

#include "base/check.h"

namespace weft {

TierCache::TierCache(const std::vector<int64_t>& capacities) {
  CHECK(!capacities.empty(), "a cache node has at least one tier");
  for (const int64_t capacity : capacities) tiers_.push_back({.capacity = capacity});
}

int64_t TierCache::match(std::span<const BlockHash> hashes) const {
  int64_t count = 0;
  for (const BlockHash hash : hashes) {
    if (!contains(hash)) break;
    ++count;
  }
  return count;
}

int TierCache::tier(BlockHash hash) const {
  const uint32_t* at = index_.find(hash.value());
  CHECK(at != nullptr, "only held blocks have a tier");
  return entries_[*at].tier;
}

void TierCache::touch(BlockHash hash, std::vector<Move>& moves) {
  const uint32_t* at = index_.find(hash.value());
  if (at == nullptr) return;
  const uint32_t index = *at;
  unlink(index);
  link(index, 0);
  settle(0, moves);
}

bool TierCache::insert(BlockHash hash, std::vector<Move>& moves) {
  if (contains(hash)) return touch(hash, moves), false;
  uint32_t index = 0;
  if (free_.empty()) {
    index = static_cast<uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  entries_[index].hash = hash.value();
  index_.insert(hash.value(), index);
  link(index, 0);
  settle(0, moves);
  return true;
}

// Moves the oldest down until every tier from `tier` on is within its capacity.
void TierCache::settle(int tier, std::vector<Move>& moves) {
  for (int t = tier; t < tiers(); ++t) {
    Tier& level = tiers_[static_cast<size_t>(t)];
    while (level.count > level.capacity) {
      const uint32_t index = level.oldest;
      const bool last = t + 1 == tiers();
      moves.push_back({BlockHash(entries_[index].hash), t, last});
      unlink(index);
      if (last) {
        forget(index);
      } else {
        link(index, t + 1);
      }
    }
  }
}

void TierCache::forget(uint32_t index) {
  index_.erase(entries_[index].hash);
  free_.push_back(index);
}

void TierCache::drop_tier(int tier) {
  Tier& level = tiers_[static_cast<size_t>(tier)];
  while (level.oldest != kNone) {
    const uint32_t index = level.oldest;
    unlink(index);
    forget(index);
  }
}

void TierCache::set_capacity(int tier, int64_t blocks, std::vector<Move>& moves) {
  tiers_[static_cast<size_t>(tier)].capacity = blocks;
  settle(tier, moves);
}

void TierCache::link(uint32_t index, int tier) {
  Tier& level = tiers_[static_cast<size_t>(tier)];
  Entry& entry = entries_[index];
  entry.tier = tier;
  entry.older = level.newest;
  entry.newer = kNone;
  if (level.newest != kNone) entries_[level.newest].newer = index;
  level.newest = index;
  if (level.oldest == kNone) level.oldest = index;
  ++level.count;
}

void TierCache::unlink(uint32_t index) {
  Entry& entry = entries_[index];
  Tier& level = tiers_[static_cast<size_t>(entry.tier)];
  if (entry.older != kNone) entries_[entry.older].newer = entry.newer;
  if (entry.newer != kNone) entries_[entry.newer].older = entry.older;
  if (level.oldest == index) level.oldest = entry.newer;
  if (level.newest == index) level.newest = entry.older;
  --level.count;
}

void TierCache::check_integrity() const {
  size_t listed = 0;
  for (int t = 0; t < tiers(); ++t) {
    const Tier& level = tiers_[static_cast<size_t>(t)];
    int64_t count = 0;
    for (uint32_t i = level.oldest; i != kNone; i = entries_[i].newer) {
      CHECK(entries_[i].tier == t, "a block is in the list of its tier");
      const uint32_t* at = index_.find(entries_[i].hash);
      CHECK(at != nullptr && *at == i, "a held block is in the index");
      ++count;
    }
    CHECK(count == level.count && count <= level.capacity, "a tier is within its capacity");
    listed += static_cast<size_t>(count);
  }
  CHECK(listed == index_.size(), "the index holds what the tiers hold");
  CHECK(listed + free_.size() == entries_.size(), "every entry is held or free");
}

}  // namespace weft
