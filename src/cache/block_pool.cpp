// Reference counts, a free stack, a list of cached blocks by age, and an index by hash.
#include "cache/block_pool.h"

#include <algorithm>

#include "base/check.h"

namespace weft {

BlockPool::BlockPool(uint32_t blocks) : count_(blocks) {
  blocks_.reserve(blocks);
  free_.reserve(blocks);
}

// The block of this hash, or kNone. `before` is that of the hash before, kNone when there is none.
uint32_t BlockPool::find(uint32_t before, BlockHash hash) const {
  if (before != kNone) {
    const uint32_t next = blocks_[before].next;
    if (next != kNone && blocks_[next].hash == hash) return next;
  }
  const uint32_t* at = index_.find(hash.value());
  return at == nullptr ? kNone : *at;
}

// The block of the last hash, or kNone, also when blocks are missing on the way.
uint32_t BlockPool::find_last(std::span<const BlockHash> hashes) const {
  uint32_t at = kNone;
  for (const BlockHash hash : hashes) at = find(at, hash);
  return at;
}

int64_t BlockPool::match(std::span<const BlockHash> hashes) const {
  int64_t count = 0;
  uint32_t at = kNone;
  for (const BlockHash hash : hashes) {
    at = find(at, hash);
    if (at == kNone) break;
    ++count;
  }
  return count;
}

int64_t BlockPool::unreferenced(std::span<const BlockHash> hashes) const {
  int64_t count = 0;
  uint32_t at = kNone;
  for (const BlockHash hash : hashes) {
    at = find(at, hash);
    if (at != kNone && blocks_[at].references == 0) ++count;
  }
  return count;
}

void BlockPool::share(std::span<const BlockHash> hashes, std::vector<BlockId>& table) {
  uint32_t at = kNone;
  for (const BlockHash hash : hashes) {
    at = find(at, hash);
    CHECK(at != kNone, "only present blocks are shared");
    if (blocks_[at].references++ == 0) unlink(at);
    table.push_back(BlockId(at));
  }
}

bool BlockPool::allocate(int64_t count, std::vector<BlockId>& table) {
  if (count > available()) return false;
  const int64_t empty = available() - cached_count_;
  for (int64_t i = 0; i < std::min(count, empty); ++i) take(take_empty(), table);
  if (count > empty) take_oldest(count - empty, table);
  return true;
}

void BlockPool::take(uint32_t index, std::vector<BlockId>& table) {
  blocks_[index].references = 1;
  table.push_back(BlockId(index));
}

uint32_t BlockPool::take_empty() {
  if (free_.empty()) {
    blocks_.emplace_back();
    return static_cast<uint32_t>(blocks_.size() - 1);
  }
  const uint32_t index = free_.back();
  free_.pop_back();
  return index;
}

// The cached blocks that were used longest ago forget their content.
void BlockPool::take_oldest(int64_t count, std::vector<BlockId>& table) {
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t index = oldest_;
    unlink(index);
    forget(index);
    take(index, table);
  }
}

// `at` is the block of the hash before; the table's own may be a private double of it.
void BlockPool::publish(std::span<const BlockId> table, std::span<const BlockHash> hashes,
                        size_t first, size_t end) {
  if (first >= end) return;
  uint32_t at = first == 0 ? kNone : table[first - 1].value();
  if (at != kNone && !blocks_[at].published()) at = find_last(hashes.first(first));
  for (size_t i = first; i < end; ++i) {
    const uint32_t index = table[i].value();
    CHECK(blocks_[index].references > 0, "only a held block can be published");
    if (blocks_[index].published()) {
      at = index;
      continue;
    }
    const uint32_t known = find(at, hashes[i]);
    if (known == kNone) make_known(index, at, hashes[i]);
    at = known == kNone ? index : known;
  }
}

void BlockPool::make_known(uint32_t index, uint32_t before, BlockHash hash) {
  blocks_[index].hash = hash;
  if (before != kNone && blocks_[before].next == kNone) {
    blocks_[before].next = index;
    blocks_[index].before = before;
  } else {
    blocks_[index].before = kIndexed;
    index_.insert(hash.value(), index);
  }
}

// The content goes; what was found through it must be found without it.
void BlockPool::forget(uint32_t index) {
  Block& entry = blocks_[index];
  if (entry.before == kIndexed) {
    index_.erase(entry.hash.value());
  } else {
    blocks_[entry.before].next = kNone;
  }
  if (entry.next != kNone) {
    blocks_[entry.next].before = kIndexed;
    index_.insert(blocks_[entry.next].hash.value(), entry.next);
  }
  entry.before = entry.next = kNone;
}

void BlockPool::hold(std::span<const BlockId> table) {
  for (const BlockId block : table) {
    CHECK(blocks_[block.value()].references > 0, "only a held block can be held again");
    ++blocks_[block.value()].references;
  }
}

void BlockPool::release(std::span<const BlockId> table) {
  for (size_t i = table.size(); i-- > 0;) {
    const uint32_t index = table[i].value();
    Block& entry = blocks_[index];
    CHECK(entry.references > 0, "a block is released once per reference");
    if (--entry.references > 0) continue;
    if (entry.published()) {
      link_newest(index);
    } else {
      free_.push_back(index);
    }
  }
}

void BlockPool::link_newest(uint32_t index) {
  blocks_[index].older = newest_;
  blocks_[index].newer = kNone;
  if (newest_ != kNone) blocks_[newest_].newer = index;
  newest_ = index;
  if (oldest_ == kNone) oldest_ = index;
  ++cached_count_;
}

void BlockPool::unlink(uint32_t index) {
  Block& entry = blocks_[index];
  if (entry.older != kNone) blocks_[entry.older].newer = entry.newer;
  if (entry.newer != kNone) blocks_[entry.newer].older = entry.older;
  if (oldest_ == index) oldest_ = entry.newer;
  if (newest_ == index) newest_ = entry.older;
  entry.older = entry.newer = kNone;
  --cached_count_;
}

int64_t BlockPool::references() const {
  int64_t sum = 0;
  for (const Block& entry : blocks_) sum += entry.references;
  return sum;
}

void BlockPool::check_integrity() const {
  int64_t referenced = 0;
  size_t indexed = 0;
  for (uint32_t i = 0; i < blocks_.size(); ++i) {
    const Block& entry = blocks_[i];
    referenced += entry.references > 0 ? 1 : 0;
    if (!entry.published()) {
      CHECK(entry.next == kNone, "only a published block leads to another");
      continue;
    }
    const bool alone = entry.before == kIndexed;
    indexed += alone ? 1 : 0;
    CHECK(find(alone ? kNone : entry.before, entry.hash) == i, "a published block is found");
    CHECK(alone || index_.find(entry.hash.value()) == nullptr, "and in one way");
    CHECK(entry.next == kNone || blocks_[entry.next].before == i, "blocks are linked both ways");
  }
  CHECK(index_.size() == indexed, "the index holds what is found through no other");
  int64_t cached = 0;
  uint32_t before = kNone;
  for (uint32_t i = oldest_; i != kNone; i = blocks_[i].newer) {
    CHECK(blocks_[i].references == 0 && blocks_[i].published(),
          "cached means unreferenced content");
    CHECK(blocks_[i].older == before, "the list of cached blocks is linked both ways");
    before = i;
    ++cached;
  }
  CHECK(before == newest_ && cached == cached_count_, "the list of cached blocks is whole");
  for (const uint32_t i : free_) {
    CHECK(blocks_[i].references == 0 && !blocks_[i].published(), "free means empty");
  }
  CHECK(referenced + cached + static_cast<int64_t>(free_.size()) ==
                static_cast<int64_t>(blocks_.size()) &&
            blocks_.size() <= count_,
        "every block is free, cached or held");
}

}  // namespace weft
