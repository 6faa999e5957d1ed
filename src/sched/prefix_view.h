// PrefixView: what the router remembers of the prefixes it sent where. Nobody reports to it and no
// central list of blocks exists: it is each router's own, bounded, and may be out of date.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/quantity.h"

namespace weft {

class PrefixView {
 public:
  // Remembers about `blocks` block hashes; older ones give way.
  explicit PrefixView(int64_t blocks);

  void sent(std::span<const BlockHash> blocks, NodeId node);
  // How many leading blocks were sent to `node`.
  [[nodiscard]] int64_t match(std::span<const BlockHash> blocks, NodeId node) const;
  // The node lost its memory.
  void forget(NodeId node);

 private:
  static constexpr size_t kWays = 8;  // (hash, node) pairs that share one set
  struct Entry {
    uint64_t hash = 0;
    uint32_t node = 0;
    uint32_t age = 0;  // 0: empty; else the turn it was last sent
  };
  using Set = std::array<Entry, kWays>;
  [[nodiscard]] const Entry* find(BlockHash hash, NodeId node) const;

  std::vector<Set> sets_;  // a power of two
  uint32_t turn_ = 0;
};

}  // namespace weft
