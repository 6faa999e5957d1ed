// FlatMap: a hash map from 64-bit keys to small values in one array, for the block indexes. Lookups
// touch one or two cache lines. Iteration is not offered: its order would depend on history.
#pragma once

#include <cstddef>
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
    const uint64_t stored = store(key);
    for (size_t i = home(stored);; i = next(i)) {
      if (slots_[i].key == stored) return &slots_[i].value;
      if (slots_[i].key == kEmpty) return nullptr;
    }
  }
  const Value* find(uint64_t key) const { return const_cast<FlatMap*>(this)->find(key); }

  // Inserts when absent; returns where the value lies and whether it is new.
  std::pair<Value*, bool> insert(uint64_t key, Value value) {
    if ((size_ + 1) * 4 > slots_.size() * 3) grow();
    const uint64_t stored = store(key);
    size_t i = home(stored);
    for (; slots_[i].key != kEmpty; i = next(i)) {
      if (slots_[i].key == stored) return {&slots_[i].value, false};
    }
    slots_[i] = {stored, std::move(value)};
    ++size_;
    return {&slots_[i].value, true};
  }

  // Backward-shift deletion: no tombstones, so long runs never degrade.
  bool erase(uint64_t key) {
    if (slots_.empty()) return false;
    const uint64_t stored = store(key);
    size_t i = home(stored);
    for (; slots_[i].key != stored; i = next(i)) {
      if (slots_[i].key == kEmpty) return false;
    }
    for (size_t j = next(i); slots_[j].key != kEmpty; j = next(j)) {
      const size_t want = home(slots_[j].key);
      const bool stays = i <= j ? (i < want && want <= j) : (i < want || want <= j);
      if (stays) continue;
      slots_[i] = std::move(slots_[j]);
      i = j;
    }
    slots_[i] = Slot{};
    --size_;
    return true;
  }

  // Asks the memory for the key's place ahead of its use.
  void prefetch(uint64_t key) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[home(store(key))]);
  }

  void clear() {
    slots_.clear();
    size_ = 0;
  }

 private:
  static constexpr uint64_t kEmpty = 0;
  struct Slot {
    uint64_t key = kEmpty;
    Value value{};
  };
  // Keys are kept mixed, so that any keys spread and none but one is the empty mark: mix64 is a
  // bijection, and the key that it sends to kEmpty shares a place with that of ~kEmpty.
  static uint64_t store(uint64_t key) {
    const uint64_t mixed = mix64(key);
    return mixed == kEmpty ? ~kEmpty : mixed;
  }
  [[nodiscard]] size_t home(uint64_t stored) const { return stored & (slots_.size() - 1); }
  [[nodiscard]] size_t next(size_t i) const { return (i + 1) & (slots_.size() - 1); }

  void grow() {
    std::vector<Slot> old = std::move(slots_);
    slots_ = std::vector<Slot>(old.empty() ? 16 : old.size() * 2);
    size_ = 0;
    for (Slot& slot : old) {
      if (slot.key == kEmpty) continue;
      size_t i = home(slot.key);
      while (slots_[i].key != kEmpty) i = next(i);
      slots_[i] = std::move(slot);
      ++size_;
    }
  }

  std::vector<Slot> slots_;  // a power of two
  size_t size_ = 0;
};

}  // namespace weft
