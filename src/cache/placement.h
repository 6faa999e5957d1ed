// Which cache node holds a block: rendezvous hashing (Thaler and Ravishankar, 1998). Every peer
// computes the same answer alone; when a node leaves, only its own blocks move.
#pragma once

#include <span>

#include "base/quantity.h"
#include "base/random.h"

namespace weft {

// Consecutive blocks of a prompt live on one node in stripes of this many, so that one request
// talks to few nodes.
inline constexpr int64_t kStripeBlocks = 16;

// Index into `nodes` (not empty) of the node that owns the stripe beginning with `first`.
inline size_t owner(BlockHash first, std::span<const NodeId> nodes) {
  size_t best = 0;
  uint64_t best_weight = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const uint64_t weight = mix64(first.value(), nodes[i].value());
    if (i == 0 || weight > best_weight) {
      best = i;
      best_weight = weight;
    }
  }
  return best;
}

}  // namespace weft
