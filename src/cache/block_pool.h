// BlockPool: the KV blocks of one rank. Blocks are shared by reference count; full blocks of known
// content can be found again by their chained hash (prefix caching) until their memory is needed,
// least recently used first. The scheme is vLLM's (Kwon et al., SOSP 2023) with its later hash
// index; a block is mostly found through the one before it, which spares the index.
#pragma once

#include <span>
#include <vector>

#include "base/flat_map.h"
#include "base/quantity.h"

namespace weft {

class BlockPool {
 public:
  explicit BlockPool(uint32_t blocks);

  // Hashes are given from a prompt's first block on: a hash has one that it can follow.

  // How many leading blocks of `hashes` are present.
  [[nodiscard]] int64_t match(std::span<const BlockHash> hashes) const;
  // Blocks that allocate() could give now: free ones and unreferenced cached ones.
  [[nodiscard]] int64_t available() const {
    return blocks() - static_cast<int64_t>(blocks_.size() - free_.size()) + cached_count_;
  }
  [[nodiscard]] int64_t blocks() const { return count_; }
  // Blocks that some sequence holds.
  [[nodiscard]] int64_t in_use() const { return blocks() - available(); }

  // Takes a reference on each of these present blocks and appends them to `table`. Requires that
  // match(hashes) == hashes.size().
  void share(std::span<const BlockHash> hashes, std::vector<BlockId>& table);
  // Of these present blocks, how many nobody references (they count as available until shared).
  [[nodiscard]] int64_t unreferenced(std::span<const BlockHash> hashes) const;
  // Appends `count` fresh blocks with one reference each; false, and nothing done, when there are
  // not as many.
  bool allocate(int64_t count, std::vector<BlockId>& table);
  // Blocks [first, end) of a held table are full and computed: they can be found by their hashes
  // from now on. Where another block has a hash already, the table's own stays private.
  void publish(std::span<const BlockId> table, std::span<const BlockHash> hashes, size_t first,
               size_t end);
  // Takes one more reference on each of these held blocks.
  void hold(std::span<const BlockId> table);
  // Drops one reference of each; the last of a table goes first, so that prefixes outlive tails.
  void release(std::span<const BlockId> table);

  // All references together; counts them.
  [[nodiscard]] int64_t references() const;
  // Every block is free, cached or referenced, exactly once; lists and index agree.
  void check_integrity() const;

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  static constexpr uint32_t kIndexed = kNone - 1;
  struct Block {
    BlockHash hash;
    uint32_t references = 0;
    uint32_t older = kNone;  // neighbours in the list of unreferenced cached blocks
    uint32_t newer = kNone;
    uint32_t before = kNone;  // published: it is found through that block, or is kIndexed
    uint32_t next = kNone;    // the one that is found through this one
    [[nodiscard]] bool published() const { return before != kNone; }
  };
  [[nodiscard]] uint32_t find(uint32_t before, BlockHash hash) const;
  [[nodiscard]] uint32_t find_last(std::span<const BlockHash> hashes) const;
  void make_known(uint32_t index, uint32_t before, BlockHash hash);
  void forget(uint32_t index);
  void link_newest(uint32_t index);
  void unlink(uint32_t index);
  void take(uint32_t index, std::vector<BlockId>& table);
  uint32_t take_empty();
  void take_oldest(int64_t count, std::vector<BlockId>& table);

  uint32_t count_;
  std::vector<Block> blocks_;   // those that were ever taken; the rest is free too
  std::vector<uint32_t> free_;  // unreferenced and without content, a stack
  FlatMap<uint32_t> index_;     // hash → block, of those that are kIndexed
  uint32_t oldest_ = kNone;
  uint32_t newest_ = kNone;
  int64_t cached_count_ = 0;  // unreferenced with content
};

}  // namespace weft
