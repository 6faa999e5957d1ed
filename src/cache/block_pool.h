// BlockPool: the KV blocks of one rank. Blocks are shared by reference count; full blocks of known
// content can be found again by their chained hash (prefix caching) until their memory is needed,
// least recently used first. The scheme is vLLM's (Kwon et al., SOSP 2023) with its later hash
// index.
#pragma once

#include <span>
#include <vector>

#include "base/flat_map.h"
#include "base/quantity.h"

namespace weft {

class BlockPool {
 public:
  explicit BlockPool(uint32_t blocks);

  // How many leading blocks of `hashes` are present.
  [[nodiscard]] int64_t match(std::span<const BlockHash> hashes) const;
  // Blocks that allocate() could give now: free ones and unreferenced cached ones.
  [[nodiscard]] int64_t available() const {
    return static_cast<int64_t>(free_.size()) + cached_count_;
  }
  [[nodiscard]] int64_t blocks() const { return static_cast<int64_t>(blocks_.size()); }
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
  // The block is full and computed: it can be found by `hash` from now on. When another block has
  // that hash already, this one stays private.
  void publish(BlockId block, BlockHash hash);
  // Asks the memory for what publish() will touch.
  void prefetch(BlockHash hash) const { index_.prefetch(hash.value()); }
  // Drops one reference of each; the last of a table goes first, so that prefixes outlive tails.
  void release(std::span<const BlockId> table);

  // Every block is free, cached or referenced, exactly once; lists and index agree.
  void check_integrity() const;

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  struct Block {
    uint64_t hash = 0;
    uint32_t references = 0;
    uint32_t older = kNone;  // neighbours in the list of unreferenced cached blocks
    uint32_t newer = kNone;
    bool published = false;
  };
  void link_newest(uint32_t index);
  void unlink(uint32_t index);
  uint32_t take_one();

  std::vector<Block> blocks_;
  std::vector<uint32_t> free_;  // unreferenced and without content, a stack
  FlatMap<uint32_t> index_;     // hash → block
  uint32_t oldest_ = kNone;
  uint32_t newest_ = kNone;
  int64_t cached_count_ = 0;  // unreferenced with content
};

}  // namespace weft
