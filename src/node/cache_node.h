// CacheNode: one host's share of the pooled KV cache as a peer: DRAM, then the stores below it.
// Which blocks are its own every peer computes alone (cache/placement.h).
#pragma once

#include <memory>
#include <vector>

#include "cache/tier_cache.h"
#include "ports/store.h"
#include "ports/transport.h"

namespace weft {

struct CacheConfig {
  NodeId id;
  Bytes block;                      // KV bytes of one block
  std::vector<int64_t> capacities;  // blocks per tier, memory first
};

struct CacheCounters {
  std::vector<int64_t> hits;  // blocks sent, by the tier they were found in
  int64_t lookups = 0;        // blocks asked for
  int64_t saved = 0;          // blocks taken in
};

class CacheNode {
 public:
  // `stores[i]` is tier i + 1; tier 0 is this node's memory, which the transport reads itself.
  CacheNode(Transport& transport, std::vector<std::unique_ptr<Store>> stores,
            const CacheConfig& config);
  ~CacheNode();
  CacheNode(const CacheNode&) = delete;
  CacheNode& operator=(const CacheNode&) = delete;

  // A tier loses what it holds and takes nothing until it is back.
  void tier_down(int tier);
  void tier_up(int tier);

  [[nodiscard]] const TierCache& cache() const { return cache_; }
  [[nodiscard]] const CacheCounters& counters() const { return counters_; }
  [[nodiscard]] Bytes block_bytes() const { return config_.block; }

 private:
  // Blocks on their way to an instance.
  struct Fetch {
    NodeId to;
    RequestId request;
    uint32_t rank = 0;
    int64_t tag = 0;
    int64_t count = 0;
    int64_t reading = 0;  // stores that have not answered
    bool failed = false;
  };

  void receive(const Message& message);
  void peer_changed(NodeId, PeerEvent) {}
  void on_lookup(const Message& message);
  void on_fetch(const Message& message);
  void read_done(uint64_t job, bool ok);
  void send_blocks(size_t job);
  void sent(uint64_t job, bool ok);
  void answer(size_t job, int64_t count);
  void demote();
  void wrote(uint64_t, bool) {}

  Transport& transport_;
  std::vector<std::unique_ptr<Store>> stores_;
  CacheConfig config_;
  TierCache cache_;
  CacheCounters counters_;
  std::vector<Fetch> fetches_;
  std::vector<size_t> free_fetches_;
  std::vector<TierCache::Move> moves_;
  std::vector<std::vector<BlockHash>> by_tier_;  // scratch
  Lifetime lifetime_;
};

}  // namespace weft
