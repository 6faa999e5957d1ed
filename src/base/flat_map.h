// FlatMap: a hash map from 64-bit keys to small values in one array, for the block indexes. Keys
// are hashes already; lookups touch one or two cache lines. Iteration is not offered: its order
// would depend on history.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/random.h"

namespace weft {

template <class Value>
class FlatMap {
 public:
  [[nodiscard]] size_t size() const { return size_; }

  // Null when absent. Valid until the next insert or erase.
  Value* find(uint64_t key) {
    if (slots_.empty()) return nullptr;
    for (size_t i = home(key);; i = next(i)) {
      if (!slots_[i].used) return nullptr;
      if (slots_[i].key == key) return &slots_[i].value;
    }
  }
  const Value* find(uint64_t key) const { return const_cast<FlatMap*>(this)->find(key); }

  // Inserts when absent; returns where the value lies and whether it is new.
  std::pair<Value*, bool> insert(uint64_t key, Value value) {
    if ((size_ + 1) * 4 > slots_.size() * 3) grow();
    size_t i = home(key);
    for (; slots_[i].used; i = next(i)) {
      if (slots_[i].key == key) return {&slots_[i].value, false};
    }
    slots_[i] = {key, std::move(value), true};
    ++size_;
    return {&slots_[i].value, true};
  }

  // Backward-shift deletion: no tombstones, so long runs never degrade.
  bool erase(uint64_t key) {
    if (slots_.empty()) return false;
    size_t i = home(key);
    for (; slots_[i].key != key || !slots_[i].used; i = next(i)) {
      if (!slots_[i].used) return false;
    }
    for (size_t j = next(i); slots_[j].used; j = next(j)) {
      const size_t want = home(slots_[j].key);
      const bool stays = i <= j ? (i < want && want <= j) : (i < want || want <= j);
      if (stays) continue;
      slots_[i] = std::move(slots_[j]);
      i = j;
    }
    slots_[i].used = false;
    --size_;
    return true;
  }

  void clear() {
    slots_.clear();
    size_ = 0;
  }

 private:
  struct Slot {
    uint64_t key = 0;
    Value value{};
    bool used = false;
  };
  [[nodiscard]] size_t home(uint64_t key) const { return mix64(key) & (slots_.size() - 1); }
  [[nodiscard]] size_t next(size_t i) const { return (i + 1) & (slots_.size() - 1); }

  void grow() {
    std::vector<Slot> old = std::move(slots_);
    slots_ = std::vector<Slot>(old.empty() ? 16 : old.size() * 2);
    size_ = 0;
    for (Slot& slot : old) {
      if (slot.used) insert(slot.key, std::move(slot.value));
    }
  }

  std::vector<Slot> slots_;  // a power of two
  size_t size_ = 0;
};

}  // namespace weft
