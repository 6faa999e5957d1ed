// Cluster: all the nodes of a deployment in one process: a router, instances, cache nodes. Real and
// modelled systems differ only in the factories given here.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "node/cache_node.h"
#include "node/instance_node.h"
#include "node/router.h"

namespace weft {

struct ClusterConfig {
  RouterConfig router;
  std::vector<InstanceConfig> instances;  // ids ascending, in the router's peers
  std::vector<CacheConfig> caches;        // ids ascending, after the instances
};

struct ClusterParts {
  std::function<std::unique_ptr<Device>(size_t instance)> device;
  std::function<std::vector<std::unique_ptr<Store>>(size_t cache)> stores;
};

// What is checked: the nodes that something happened to since the last time, every node, or every
// node with each block it holds.
enum class Integrity : uint8_t { kTouched, kAll, kDeep };

class Cluster {
 public:
  Cluster(Loop& loop, Transport& transport, const ClusterConfig& config, ClusterParts parts,
          Callback<const RequestRecord&> ended);

  [[nodiscard]] Router& router() { return *router_; }
  [[nodiscard]] size_t instances() const { return instances_.size(); }
  [[nodiscard]] size_t caches() const { return caches_.size(); }
  // Null while it is down.
  [[nodiscard]] InstanceNode* instance(size_t index) { return instances_[index].get(); }
  [[nodiscard]] CacheNode* cache(size_t index) { return caches_[index].get(); }
  [[nodiscard]] const ClusterConfig& config() const { return config_; }

  // Destroys a node with all it holds; starts it again, empty.
  void stop_instance(size_t index) { instances_[index].reset(); }
  void start_instance(size_t index);
  void stop_cache(size_t index) { caches_[index].reset(); }
  void start_cache(size_t index);

  // Hears of every step after the router has; one listener.
  void listen(Callback<const StepReport&> listener) { listener_ = listener; }

  void check_integrity(Integrity what);

 private:
  void on_step(const StepReport& report);

  Loop& loop_;
  Transport& transport_;
  ClusterConfig config_;
  ClusterParts parts_;
  Callback<const StepReport&> listener_;
  std::unique_ptr<Router> router_;
  std::vector<std::unique_ptr<InstanceNode>> instances_;
  std::vector<std::unique_ptr<CacheNode>> caches_;
  // changes() of each when it was last checked; ~0: never.
  uint64_t router_checked_ = ~uint64_t{0};
  std::vector<uint64_t> checked_;  // by instance
};

}  // namespace weft
