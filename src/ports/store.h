// Store: one tier of KV blocks on one node (DRAM, SSD). It moves bytes; which blocks it should hold
// is decided in cache/.
#pragma once

#include <span>

#include "base/callback.h"
#include "base/quantity.h"

namespace weft {

enum class StoreAction { kRead, kWrite };

using StoreDone = Completion<bool>;  // false: the tier is down or the blocks are gone

class Store {
 public:
  virtual ~Store() = default;
  // Reads or writes whole blocks. `done` is called on the loop, never inside submit(). Operations
  // of one store finish in the order of their submission.
  virtual void submit(StoreAction action, std::span<const BlockHash> blocks, StoreDone done) = 0;
};

}  // namespace weft
