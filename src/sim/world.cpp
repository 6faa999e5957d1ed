// Putting the modelled twins behind the ports, and the faults.
#include "sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sim/model_device.h"
#include "sim/model_store.h"

namespace weft {

namespace {

EndpointPlace place_instance(const Deployment& deployment, size_t index) {
  const InstancePlace& where = deployment.instances[index];
  const DeployedGroup& group = deployment.groups[where.group];
  const System& system = deployment.systems[group.system];
  const Parallel& parallel = group.config.layout.parallel;
  const double dies = static_cast<double>(parallel.tp) * parallel.pp;
  const int heads =
      deployment.model.attention == AttentionKind::kGqa ? deployment.model.kv_heads : 1;
  EndpointPlace place;
  place.system = static_cast<int>(group.system);
  const int domain = system.scale_up_packages > 0 ? system.scale_up_packages : system.packages;
  place.domain = where.first_package / domain;
  place.first_node = where.first_package / system.packages_per_node;
  place.last_node = (where.first_package + where.packages - 1) / system.packages_per_node;
  place.ranks = parallel.dp;
  place.scale_up = dies * system.scale_up.bandwidth;
  place.scale_out = dies * system.scale_out.bandwidth;
  place.host_link = dies * system.host.bandwidth;
  place.shard_share = std::min(parallel.tp, heads) * parallel.pp / dies;
  place.scale_up_latency = system.scale_up.latency_far;
  place.scale_out_latency = system.scale_out.latency_far;
  place.host_latency = system.host.latency_far;
  place.kv_over_scale_out = system.kv_over_scale_out;
  place.host_on_fabric = system.host.name == "ub";
  return place;
}

EndpointPlace place_cache(const Deployment& deployment, size_t index) {
  const CachePlace& where = deployment.caches[index];
  const System& system = deployment.systems[where.system];
  EndpointPlace place;
  place.host = true;
  place.system = static_cast<int>(where.system);
  const int domain = system.scale_up_packages > 0 ? system.scale_up_packages : system.packages;
  place.domain = where.node * system.packages_per_node / domain;
  place.first_node = place.last_node = where.node;
  place.host_link = system.host_port_bandwidth;
  place.scale_out = system.scale_out.bandwidth * system.chip.dies * system.packages_per_node;
  place.scale_out_latency = system.scale_out.latency_far;
  place.host_latency = system.host.latency_far;
  place.host_on_fabric = system.host.name == "ub";
  return place;
}

ModelTransportConfig lay_out(const Deployment& deployment) {
  ModelTransportConfig config;
  config.message_latency = seconds(deployment.message_latency_s);
  config.detection = seconds(deployment.detection_s);
  config.places.emplace_back();  // the router moves no blocks
  for (size_t i = 0; i < deployment.instances.size(); ++i) {
    config.places.push_back(place_instance(deployment, i));
  }
  for (size_t i = 0; i < deployment.caches.size(); ++i) {
    config.places.push_back(place_cache(deployment, i));
  }
  return config;
}

Tokens block_of(const Deployment& deployment) {
  return deployment.cluster.instances.front().scheduler.block;
}

}  // namespace

World::Fault::Fault(World& owner, const FaultConfig& what, std::vector<size_t> nodes)
    : world(owner),
      config(what),
      targets(std::move(nodes)),
      timer(owner.loop_, Callback<>::to<&Fault::fire>(this)) {
  timer.arm(what.at);
}

void World::Fault::fire() {
  on = !on;
  world.apply(*this, on);
  if (on && config.lasts > Duration{}) timer.arm(world.loop_.now() + config.lasts);
}

World::World(Clock& clock, const Deployment& deployment, Scenario& scenario, WorldObserver observer)
    : deployment_(deployment),
      seed_(scenario.seed),
      observer_(observer),
      loop_(clock),
      transport_(loop_, lay_out(deployment)),
      slowdown_(deployment.instances.size(), 1.0),
      player_(loop_, *scenario.workload, block_of(deployment), scenario.seed) {
  for (const DeployedGroup& group : deployment.groups) {
    models_.emplace_back(deployment.model, deployment.systems[group.system], group.config.layout,
                         deployment.engine.spec);
  }
  ClusterParts parts;
  parts.device = [this](size_t instance) { return make_device(instance); };
  parts.stores = [this](size_t cache) { return make_stores(cache); };
  cluster_ =
      std::make_unique<Cluster>(loop_, transport_, deployment.cluster, std::move(parts),
                                Callback<const RequestRecord&>::to<&World::request_ended>(this));
  if (observer_.step_done) cluster_->listen(observer_.step_done);
}

World::~World() = default;

Result<std::unique_ptr<World>> World::make(Clock& clock, const Deployment& deployment,
                                           Scenario& scenario, WorldObserver observer) {
  std::unique_ptr<World> world(new World(clock, deployment, scenario, observer));
  if (auto added = world->add_faults(scenario.faults); !added) return added.error();
  return world;
}

std::unique_ptr<Device> World::make_device(size_t instance) {
  const size_t group = deployment_.instances[instance].group;
  ModelDeviceConfig config;
  config.seed = seed_;
  config.acceptance = deployment_.groups[group].config.acceptance;
  auto device = std::make_unique<ModelDevice>(loop_, models_[group], config);
  device->set_slowdown(slowdown_[instance]);
  return device;
}

std::vector<std::unique_ptr<Store>> World::make_stores(size_t) {
  std::vector<std::unique_ptr<Store>> stores;
  for (const Disk& disk : deployment_.disks) {
    ModelStoreConfig config;
    config.block = deployment_.cluster.caches.front().block;
    config.read_bandwidth = disk.read_bandwidth;
    config.write_bandwidth = disk.write_bandwidth;
    config.latency = disk.latency;
    stores.push_back(std::make_unique<ModelStore>(loop_, config));
  }
  return stores;
}

void World::request_ended(const RequestRecord& record) {
  last_end_ = std::max(last_end_, loop_.now());
  if (observer_.request_ended) observer_.request_ended(record);
  if (plays_) player_.ended(record);
}

Status World::run(const std::function<void()>& progress) {
  plays_ = true;
  player_.start(cluster_->router());
  constexpr uint64_t kProgressTurns = 1 << 16;
  uint64_t turns = 0;
  Router& router = cluster_->router();
  for (;;) {
    while (loop_.run_one_turn()) {
      if (++turns % kProgressTurns == 0 && progress) progress();
    }
    if (player_.error()) return *player_.error();
    if (router.pending() == 0) break;
    router.give_up();  // it waits for a pool that is gone for good
  }
  CHECK(router.in_flight() == 0, "every request ends");
  if (check_every_ > 0) check_deeply();
  if (progress) progress();
  return {};
}

void World::set_integrity_checks(int64_t every) {
  check_every_ = every;
  loop_.listen(every > 0 ? Callback<>::to<&World::check>(this) : Callback<>());
}

void World::check() {
  constexpr int64_t kAllEvery = 256;
  ++checks_;
  if (checks_ % check_every_ == 0) return check_deeply();
  cluster_->check_integrity(checks_ % kAllEvery == 0 ? Integrity::kAll : Integrity::kTouched);
}

void World::check_deeply() {
  cluster_->check_integrity(Integrity::kDeep);
  transport_.check_integrity();
}

bool World::drained() {
  for (size_t i = 0; i < cluster_->instances(); ++i) {
    const InstanceNode* node = cluster_->instance(i);
    if (node == nullptr) continue;
    if (node->scheduler().sequences() != 0 || node->scheduler().blocks_in_use() != 0) return false;
  }
  return cluster_->router().in_flight() == 0;
}

Status World::add_faults(const std::vector<FaultConfig>& faults) {
  for (const FaultConfig& config : faults) {
    int tier = 0;
    auto targets = find_targets(config, tier);
    if (!targets) return targets.error();
    faults_.push_back(std::make_unique<Fault>(*this, config, std::move(*targets)));
    faults_.back()->tier = tier;
  }
  return {};
}

// "decode/0": the first decode instance; "cache/3": the fourth cache node; "dram", "ssd": that tier
// of every cache node.
Result<std::vector<size_t>> World::find_targets(const FaultConfig& fault, int& tier) const {
  std::vector<std::string> known;
  std::vector<size_t> counts(3);
  const size_t instances = deployment_.instances.size();
  for (size_t i = 0; i < instances; ++i) {
    const Role role = deployment_.groups[deployment_.instances[i].group].config.role;
    known.push_back(fmt::format("{}/{}", role_name(role), counts[static_cast<size_t>(role)]++));
  }
  for (size_t i = 0; i < deployment_.caches.size(); ++i)
    known.push_back(fmt::format("cache/{}", i));

  std::vector<size_t> all_caches;
  for (size_t i = 0; i < deployment_.caches.size(); ++i) all_caches.push_back(instances + i);
  if (fault.kind == FaultKind::kTierDown) {
    const bool has_ssd = !deployment_.disks.empty();
    if (!all_caches.empty() && (fault.target == "dram" || (fault.target == "ssd" && has_ssd))) {
      tier = fault.target == "ssd" ? 1 : 0;
      return all_caches;
    }
    return bad_input(fmt::format(
        "{}: fault.target: found \"{}\", expected a tier of [cache]: {}", fault.where, fault.target,
        all_caches.empty() ? "there is none" : (has_ssd ? "dram or ssd" : "dram")));
  }
  for (size_t i = 0; i < known.size(); ++i) {
    if (known[i] != fault.target) continue;
    if (fault.kind == FaultKind::kDieSlow && i >= instances) break;
    return std::vector<size_t>{i};
  }
  if (fault.kind == FaultKind::kDieSlow) known.resize(instances);
  if (known.size() > 6) {
    known.resize(5);
    known.push_back("…");
  }
  return bad_input(fmt::format("{}: fault.target: found \"{}\", expected {}", fault.where,
                               fault.target, join_alternatives(known)));
}

void World::apply(const Fault& fault, bool on) {
  for (const size_t target : fault.targets) {
    switch (fault.config.kind) {
      case FaultKind::kInstanceDown:
        apply_down(target, on);
        break;
      case FaultKind::kDieSlow:
        slowdown_[target] = on ? fault.config.factor : 1.0;
        if (InstanceNode* node = cluster_->instance(target)) {
          static_cast<ModelDevice&>(node->device()).set_slowdown(slowdown_[target]);
        }
        break;
      case FaultKind::kLinkSlow:
        transport_.set_link_share(NodeId(static_cast<uint32_t>(target + 1)),
                                  on ? fault.config.factor : 1.0);
        break;
      case FaultKind::kTierDown:
        if (CacheNode* cache = cluster_->cache(target - deployment_.instances.size())) {
          if (on) {
            cache->tier_down(fault.tier);
          } else {
            cache->tier_up(fault.tier);
          }
        }
        break;
    }
  }
}

void World::apply_down(size_t target, bool on) {
  const size_t instances = deployment_.instances.size();
  if (target < instances) {
    const bool up = cluster_->instance(target) != nullptr;
    if (on && up) cluster_->stop_instance(target);
    if (!on && !up) cluster_->start_instance(target);
    return;
  }
  const bool up = cluster_->cache(target - instances) != nullptr;
  if (on && up) cluster_->stop_cache(target - instances);
  if (!on && !up) cluster_->start_cache(target - instances);
}

}  // namespace weft
