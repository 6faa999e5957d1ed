// For the tests of nodes: a cluster on the smallest twins, with a list of what came of its
// requests. Included by tests only.
#pragma once

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <optional>

#include "node/cluster.h"
#include "node/loopback_transport.h"
#include "node/node_test_kit.h"

namespace weft {

struct TestClusterConfig {
  int unified = 0;
  int prefill = 0;
  int decode = 0;
  SchedulerConfig scheduler;  // of every instance; the role is set
  int64_t max_outstanding = 64;
  int caches = 0;
  std::vector<int64_t> capacities{64};  // of a cache node's tiers, in blocks
  uint64_t store_fails_every = 0;
  double kv_bytes_per_token = 2;  // a byte of a copy takes 1 ns
  Duration detection = nanoseconds(2000);
  RouterConfig router;  // ids and peers are set
  uint64_t seed = 1;
};

// Unified instances with 64 blocks of 4 tokens, and no caches.
inline TestClusterConfig small_cluster(int unified) {
  TestClusterConfig config;
  config.unified = unified;
  config.scheduler.block = Tokens(4);
  config.scheduler.blocks_per_rank = 64;
  config.scheduler.max_tokens_per_rank = 64;
  config.scheduler.max_sequences_per_rank = 8;
  return config;
}

class TestCluster {
 public:
  explicit TestCluster(const TestClusterConfig& config)
      : config_(complete(config)),
        transport(loop, node_count(config), config.detection, config.seed),
        cluster(loop, transport, config_, parts(config),
                Callback<const RequestRecord&>::to<&TestCluster::ended>(this)) {}

  // Node ids: the router is 0, then unified, prefill and decode instances, then cache nodes.
  static size_t node_count(const TestClusterConfig& c) {
    const int nodes = 1 + c.unified + c.prefill + c.decode + c.caches;
    return static_cast<size_t>(nodes);
  }

  // Submits a request whose first `shared` tokens are those of its family; its tag is its number.
  void submit(int64_t prompt, int64_t output, uint64_t family = 0, int64_t shared = 0,
              int priority = 0, Instant deadline = Instant::never()) {
    const uint64_t tag = submitted.size();
    const int64_t block = config_.instances.front().scheduler.block.count();
    std::vector<BlockHash> blocks;
    for (int64_t i = 0; i < prompt / block; ++i) {
      const bool common = (i + 1) * block <= shared;
      blocks.push_back(BlockHash(mix64(common ? family : ~tag, static_cast<uint64_t>(i))));
    }
    submitted.push_back({prompt, output, shared, deadline, false, {}});
    records.emplace_back();
    submitted[tag].id =
        cluster.router().submit({Tokens(prompt), Tokens(output), priority, deadline, blocks, tag});
  }

  void cancel(uint64_t tag) {
    submitted[tag].cancelled = true;
    cluster.router().cancel(submitted[tag].id);
  }

  // Runs until nothing moves any more; every invariant is checked after every turn.
  void run(int64_t most_turns = 200000) {
    while (loop.run_one_turn()) {
      cluster.check_integrity(Integrity::kDeep);
      CHECK(--most_turns > 0, "the cluster comes to rest");
    }
  }
  // The same, for a while.
  void run_for(Duration time) {
    const Instant end = loop.now() + time;
    while (loop.now() < end && loop.run_one_turn()) cluster.check_integrity(Integrity::kDeep);
  }

  [[nodiscard]] bool all_free() {
    for (size_t i = 0; i < cluster.instances(); ++i) {
      const InstanceNode* node = cluster.instance(i);
      if (node == nullptr) continue;
      if (node->scheduler().sequences() != 0 || node->scheduler().blocks_in_use() != 0)
        return false;
    }
    return cluster.router().in_flight() == 0 && cluster.router().pending() == 0;
  }
  [[nodiscard]] int64_t count(RequestEnd end) const {
    return std::count_if(records.begin(), records.end(),
                         [end](const auto& r) { return r.has_value() && r->end == end; });
  }

  struct Submitted {
    int64_t prompt = 0;
    int64_t output = 0;
    int64_t shared = 0;
    Instant deadline;
    bool cancelled = false;
    RequestId id;
  };
  std::deque<Submitted> submitted;                   // by tag
  std::deque<std::optional<RequestRecord>> records;  // by tag; empty until it has ended
  std::function<void(const RequestRecord&)> on_end;  // after it was noted
  TestClock clock;
  Loop loop{clock};

 private:
  static ClusterConfig complete(const TestClusterConfig& config) {
    ClusterConfig out;
    out.router = config.router;
    out.router.id = NodeId(0);
    uint32_t next = 1;
    const auto add = [&](Role role, int count) {
      for (int i = 0; i < count; ++i) {
        InstanceConfig instance;
        instance.id = NodeId(next++);
        instance.router = NodeId(0);
        instance.scheduler = config.scheduler;
        instance.scheduler.role = role;
        instance.kv_bytes_per_token = config.kv_bytes_per_token;
        out.router.peers.push_back({instance.id, role, 1, config.max_outstanding});
        out.instances.push_back(instance);
      }
    };
    add(Role::kUnified, config.unified);
    add(Role::kPrefill, config.prefill);
    add(Role::kDecode, config.decode);
    for (int i = 0; i < config.caches; ++i) {
      const Bytes block(
          std::llround(config.kv_bytes_per_token * config.scheduler.block.as_double()));
      out.caches.push_back({NodeId(next++), block, config.capacities});
      for (InstanceConfig& instance : out.instances) {
        if (instance.scheduler.role != Role::kDecode) instance.caches.push_back(out.caches[i].id);
      }
    }
    return out;
  }

  ClusterParts parts(const TestClusterConfig& config) {
    ClusterParts out;
    out.device = [this](size_t) { return std::make_unique<FixedDevice>(loop); };
    out.stores = [this, tiers = config.capacities.size(),
                  fails = config.store_fails_every](size_t) {
      std::vector<std::unique_ptr<Store>> stores;
      for (size_t i = 1; i < tiers; ++i)
        stores.push_back(std::make_unique<FixedStore>(loop, fails));
      return stores;
    };
    return out;
  }

  void ended(const RequestRecord& record) {
    CHECK(record.tag < records.size() && !records[record.tag], "a request ends once");
    records[record.tag] = record;
    if (on_end) on_end(record);
  }

  ClusterConfig config_;

 public:
  LoopbackTransport transport;
  Cluster cluster;
};

}  // namespace weft
