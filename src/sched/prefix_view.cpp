// A set-associative table: fixed memory, the oldest of a set gives way.
#include "sched/prefix_view.h"

#include <algorithm>
#include <bit>

#include "base/random.h"

namespace weft {

PrefixView::PrefixView(int64_t blocks)
    : sets_(std::bit_ceil(
          static_cast<size_t>(std::max<int64_t>(1, blocks / static_cast<int64_t>(kWays))))) {}

const PrefixView::Entry* PrefixView::find(BlockHash hash, NodeId node) const {
  const Set& set = sets_[mix64(hash.value()) & (sets_.size() - 1)];
  for (const Entry& entry : set) {
    if (entry.age != 0 && entry.hash == hash.value() && entry.node == node.value()) return &entry;
  }
  return nullptr;
}

void PrefixView::sent(std::span<const BlockHash> blocks, NodeId node) {
  ++turn_;
  for (const BlockHash hash : blocks) {
    Set& set = sets_[mix64(hash.value()) & (sets_.size() - 1)];
    Entry* place = const_cast<Entry*>(find(hash, node));
    if (place == nullptr) {
      place = &*std::min_element(set.begin(), set.end(),
                                 [](const Entry& a, const Entry& b) { return a.age < b.age; });
    }
    *place = {hash.value(), node.value(), turn_};
  }
}

int64_t PrefixView::match(std::span<const BlockHash> blocks, NodeId node) const {
  int64_t count = 0;
  for (const BlockHash hash : blocks) {
    if (find(hash, node) == nullptr) break;
    ++count;
  }
  return count;
}

void PrefixView::forget(NodeId node) {
  for (Set& set : sets_) {
    for (Entry& entry : set) {
      if (entry.node == node.value()) entry = {};
    }
  }
}

}  // namespace weft
