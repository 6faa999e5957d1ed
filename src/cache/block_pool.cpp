// Reference counts, a free stack, a list of cached blocks by age, and an index by hash.
#include "cache/block_pool.h"

#include "base/check.h"

namespace weft {

BlockPool::BlockPool(uint32_t blocks) : blocks_(blocks), free_(blocks) {
  for (uint32_t i = 0; i < blocks; ++i) free_[i] = blocks - 1 - i;
}

int64_t BlockPool::match(std::span<const BlockHash> hashes) const {
  int64_t count = 0;
  for (const BlockHash hash : hashes) {
    if (index_.find(hash.value()) == nullptr) break;
    ++count;
  }
  return count;
}

int64_t BlockPool::unreferenced(std::span<const BlockHash> hashes) const {
  int64_t count = 0;
  for (const BlockHash hash : hashes) {
    const uint32_t* at = index_.find(hash.value());
    if (at != nullptr && blocks_[*at].references == 0) ++count;
  }
  return count;
}

void BlockPool::share(std::span<const BlockHash> hashes, std::vector<BlockId>& table) {
  for (const BlockHash hash : hashes) {
    const uint32_t* at = index_.find(hash.value());
    CHECK(at != nullptr, "only present blocks are shared");
    if (blocks_[*at].references++ == 0) unlink(*at);
    table.push_back(BlockId(*at));
  }
}

uint32_t BlockPool::take_one() {
  if (!free_.empty()) {
    const uint32_t index = free_.back();
    free_.pop_back();
    return index;
  }
  const uint32_t index = oldest_;
  unlink(index);
  index_.erase(blocks_[index].hash);
  blocks_[index].published = false;
  return index;
}

bool BlockPool::allocate(int64_t count, std::vector<BlockId>& table) {
  if (count > available()) return false;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t index = take_one();
    blocks_[index].references = 1;
    table.push_back(BlockId(index));
  }
  return true;
}

void BlockPool::publish(BlockId block, BlockHash hash) {
  Block& entry = blocks_[block.value()];
  CHECK(entry.references > 0, "only a held block can be published");
  if (entry.published) return;
  if (!index_.insert(hash.value(), block.value()).second) return;
  entry.hash = hash.value();
  entry.published = true;
}

void BlockPool::release(std::span<const BlockId> table) {
  for (size_t i = table.size(); i-- > 0;) {
    const uint32_t index = table[i].value();
    Block& entry = blocks_[index];
    CHECK(entry.references > 0, "a block is released once per reference");
    if (--entry.references > 0) continue;
    if (entry.published) {
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

void BlockPool::check_integrity() const {
  int64_t referenced = 0;
  size_t published = 0;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const Block& entry = blocks_[i];
    referenced += entry.references > 0 ? 1 : 0;
    if (!entry.published) continue;
    ++published;
    const uint32_t* at = index_.find(entry.hash);
    CHECK(at != nullptr && *at == i, "a published block is in the index");
  }
  CHECK(index_.size() == published, "the index holds published blocks only");
  int64_t cached = 0;
  uint32_t before = kNone;
  for (uint32_t i = oldest_; i != kNone; i = blocks_[i].newer) {
    CHECK(blocks_[i].references == 0 && blocks_[i].published, "cached means unreferenced content");
    CHECK(blocks_[i].older == before, "the list of cached blocks is linked both ways");
    before = i;
    ++cached;
  }
  CHECK(before == newest_ && cached == cached_count_, "the list of cached blocks is whole");
  for (const uint32_t i : free_) {
    CHECK(blocks_[i].references == 0 && !blocks_[i].published, "free means empty");
  }
  CHECK(referenced + cached + static_cast<int64_t>(free_.size()) == blocks(),
        "every block is free, cached or held");
}

}  // namespace weft
