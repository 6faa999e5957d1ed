// TierCache: which KV blocks one cache node holds, and in which of its tiers (0 the nearest: DRAM,
// then SSD). Pure bookkeeping: least recently used blocks move down a tier, the last tier forgets
// them. The bytes themselves are moved by Stores.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/flat_map.h"
#include "base/quantity.h"

namespace weft {

class TierCache {
 public:
  // Blocks that each tier can hold, nearest first. At least one tier.
  explicit TierCache(const std::vector<int64_t>& capacities);

  // What an insertion or a hit pushed down: `hash` left tier `from` for tier `from` + 1, or was
  // forgotten when there is none below.
  struct Move {
    BlockHash hash;
    int from = 0;
    bool forgotten = false;
    bool operator==(const Move&) const = default;
  };

  // Asks the memory for what insert() or contains() will touch.
  void prefetch(BlockHash hash) const { index_.prefetch(hash.value()); }
  [[nodiscard]] bool contains(BlockHash hash) const { return index_.find(hash.value()) != nullptr; }
  // How many leading blocks of `hashes` are held, in any tier.
  [[nodiscard]] int64_t match(std::span<const BlockHash> hashes) const;
  // Tier of a held block. Requires contains(hash).
  [[nodiscard]] int tier(BlockHash hash) const;
  // The block was used: it becomes the newest of tier 0, and others may move down.
  void touch(BlockHash hash, std::vector<Move>& moves);
  // The block arrived: newest of tier 0. Known blocks are touched. Returns whether it is new.
  bool insert(BlockHash hash, std::vector<Move>& moves);
  // The tier lost all it held (a fault).
  void drop_tier(int tier);
  // 0 while a tier is down: what would be kept there moves on down.
  void set_capacity(int tier, int64_t blocks, std::vector<Move>& moves);

  [[nodiscard]] int tiers() const { return static_cast<int>(tiers_.size()); }
  [[nodiscard]] int64_t held(int tier) const { return tiers_[static_cast<size_t>(tier)].count; }
  [[nodiscard]] int64_t capacity(int tier) const {
    return tiers_[static_cast<size_t>(tier)].capacity;
  }
  void check_integrity() const;

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  struct Entry {
    uint64_t hash = 0;
    uint32_t older = kNone;
    uint32_t newer = kNone;
    int32_t tier = 0;
  };
  struct Tier {
    int64_t capacity = 0;
    int64_t count = 0;
    uint32_t oldest = kNone;
    uint32_t newest = kNone;
  };
  void link(uint32_t index, int tier);
  void unlink(uint32_t index);
  void settle(int tier, std::vector<Move>& moves);
  void forget(uint32_t index);

  std::vector<Tier> tiers_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;
  FlatMap<uint32_t> index_;
};

}  // namespace weft
