// Building a cluster, and taking nodes out of it and back in.
#include "node/cluster.h"

#include "base/check.h"

namespace weft {

Cluster::Cluster(Loop& loop, Transport& transport, const ClusterConfig& config, ClusterParts parts,
                 Callback<const RequestRecord&> ended)
    : loop_(loop),
      transport_(transport),
      config_(config),
      parts_(std::move(parts)),
      router_(std::make_unique<Router>(loop, transport, config.router, ended)),
      instances_(config.instances.size()),
      caches_(config.caches.size()),
      checked_(config.instances.size()) {
  for (size_t i = 0; i < instances_.size(); ++i) start_instance(i);
  for (size_t i = 0; i < caches_.size(); ++i) start_cache(i);
}

void Cluster::start_instance(size_t index) {
  CHECK(instances_[index] == nullptr, "an instance is started when it is down");
  instances_[index] = std::make_unique<InstanceNode>(
      loop_, transport_, parts_.device(index), config_.instances[index],
      Callback<const StepReport&>::to<&Cluster::on_step>(this));
  checked_[index] = ~uint64_t{0};
}

void Cluster::start_cache(size_t index) {
  CHECK(caches_[index] == nullptr, "a cache node is started when it is down");
  caches_[index] =
      std::make_unique<CacheNode>(transport_, parts_.stores(index), config_.caches[index]);
}

void Cluster::on_step(const StepReport& report) {
  router_->on_step(report);
  if (listener_) listener_(report);
}

void Cluster::check_integrity(Integrity what) {
  const bool all = what != Integrity::kTouched;
  if (all || router_->changes() != router_checked_) router_->check_integrity();
  router_checked_ = router_->changes();
  for (size_t i = 0; i < instances_.size(); ++i) {
    const InstanceNode* instance = instances_[i].get();
    if (instance == nullptr || (!all && instance->changes() == checked_[i])) continue;
    instance->check_integrity(what == Integrity::kDeep);
    checked_[i] = instance->changes();
  }
  if (what != Integrity::kDeep) return;
  for (const auto& cache : caches_) {
    if (cache != nullptr) cache->cache().check_integrity();
  }
  loop_.check_integrity();
}

}  // namespace weft
