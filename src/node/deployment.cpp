// Looking names up, checking, planning memory, and giving every node its id and place.
#include "node/deployment.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace weft {

namespace {

constexpr double kSmallModel = 20e9;  // parameters; below it blocks are 16 tokens

Error at(const std::string& where, const Error& error) {
  return {error.code, fmt::format("{}: {}", where, error.message)};
}

// The system of that name, added when it is new.
Result<size_t> find_system(const std::string& name, const Catalog& catalog, Deployment& out,
                           std::vector<std::string>& names) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return i;
  }
  auto system = catalog.system(name);
  if (!system) return system.error();
  out.systems.push_back(std::move(*system));
  names.push_back(name);
  return names.size() - 1;
}

int64_t default_tokens_per_step(const GroupConfig& group, const EngineScheduling& engine) {
  if (group.max_tokens_per_step > 0) return group.max_tokens_per_step;
  if (engine.max_tokens_per_step > 0 && group.role == Role::kUnified) {
    return engine.max_tokens_per_step * group.layout.parallel.dp;
  }
  if (group.role == Role::kPrefill) return int64_t{16384} * group.layout.packages;
  return int64_t{8192} * group.layout.parallel.dp;
}

int64_t default_batch_per_device(const GroupConfig& group, const EngineScheduling& engine) {
  if (group.max_batch_per_device > 0) return group.max_batch_per_device;
  if (engine.max_sequences > 0 && group.role != Role::kPrefill) {
    return ceil_div(engine.max_sequences * group.layout.parallel.dp, group.layout.packages);
  }
  return group.role == Role::kPrefill ? 1024 : 256;
}

Result<SchedulerConfig> plan_scheduler(const DeploymentConfig& config, const GroupConfig& group,
                                       const Deployment& out, const System& system,
                                       MemoryPlan& memory) {
  const int64_t dp = group.layout.parallel.dp;
  SchedulerConfig scheduler;
  scheduler.role = group.role;
  scheduler.ranks = group.layout.parallel.dp;
  const EngineScheduling& engine = out.engine.scheduling;
  const bool small = out.model.total_parameters() < kSmallModel;
  const int64_t block = engine.block_tokens > 0 ? engine.block_tokens : (small ? 16 : 128);
  scheduler.block = Tokens(config.block_tokens > 0 ? config.block_tokens : block);
  const int64_t tokens = default_tokens_per_step(group, engine);
  const int64_t sequences = default_batch_per_device(group, engine) * group.layout.packages;
  scheduler.max_tokens_per_rank = ceil_div(tokens, dp);
  scheduler.max_sequences_per_rank = ceil_div(sequences, dp);
  scheduler.max_waiting = group.max_waiting;
  scheduler.draft_tokens = group.layout.draft_tokens;
  scheduler.prefix_caching = config.prefix_caching.value_or(engine.prefix_caching);
  scheduler.prefill_first = group.prefill_first.value_or(engine.prefill_first);
  MemoryLimits limits;
  limits.block = scheduler.block;
  limits.max_tokens_per_step = tokens;
  limits.max_sequences = scheduler.max_sequences_per_rank * dp;
  set_memory_share(limits, engine, group.memory_share, group.layout.parallel.dp, system.chip);
  auto plan = plan_memory(out.model, system, group.layout, limits);
  if (!plan) return plan.error();
  memory = *plan;
  if (group.kv_tokens > 0) {
    memory.blocks_per_rank = std::max<int64_t>(1, group.kv_tokens / scheduler.block.count());
  }
  scheduler.blocks_per_rank = memory.blocks_per_rank;
  return scheduler;
}

Status add_group(const DeploymentConfig& config, const GroupConfig& group, const Catalog& catalog,
                 Deployment& out, std::vector<std::string>& names) {
  const std::string& name = group.hardware.empty() ? config.hardware : group.hardware;
  auto system = find_system(name, catalog, out, names);
  if (!system) return at(group.where, system.error());
  const System& hardware = out.systems[*system];
  if (auto fits = check_layout(group.layout, out.model, hardware); !fits) {
    return at(group.where, fits.error());
  }
  if (group.layout.draft_tokens > 0 && out.model.mtp_layers == 0) {
    return bad_input(fmt::format("{}: draft_tokens: found {}, but {} has no MTP layer; expected 0",
                                 group.where, group.layout.draft_tokens, out.model.name));
  }
  DeployedGroup deployed;
  deployed.config = group;
  deployed.system = *system;
  auto scheduler = plan_scheduler(config, group, out, hardware, deployed.memory);
  if (!scheduler) return at(group.where, scheduler.error());
  deployed.scheduler = *scheduler;
  out.groups.push_back(std::move(deployed));
  return {};
}

// Instances take consecutive packages of their system, in the order of the tables.
Status place_instances(const DeploymentConfig& config, Deployment& out) {
  std::vector<int> used(out.systems.size());
  for (size_t g = 0; g < out.groups.size(); ++g) {
    const DeployedGroup& group = out.groups[g];
    for (int i = 0; i < group.config.instances; ++i) {
      out.instances.push_back({g, used[group.system], group.config.layout.packages});
      used[group.system] += group.config.layout.packages;
    }
  }
  for (size_t s = 0; s < used.size(); ++s) {
    const System& system = out.systems[s];
    if (used[s] <= system.packages) continue;
    return bad_input(fmt::format(
        "{}: hardware: {} has {} packages but the instances need {}; a cluster of {} is named "
        "\"{}x{}\"",
        config.where, system.name, system.packages, used[s], ceil_div(used[s], system.packages),
        ceil_div(used[s], system.packages), system.name));
  }
  return {};
}

Status place_caches(const DeploymentConfig& config, const Catalog& catalog, Deployment& out) {
  if (config.tiers.empty()) return {};
  for (size_t i = 1; i < config.tiers.size(); ++i) {
    auto disk = catalog.disk(config.tiers[i].part);
    if (!disk) return at(config.where, disk.error());
    if (!(disk->read_bandwidth > 0) || !(disk->write_bandwidth > 0)) {
      return bad_input(fmt::format(
          "{}: tiers: {} has no published read and write bandwidth; expected a disk that has",
          config.where, config.tiers[i].part));
    }
    out.disks.push_back(*disk);
  }
  std::set<std::pair<size_t, int>> hosts;
  for (const InstancePlace& place : out.instances) {
    const size_t s = out.groups[place.group].system;
    const int per_node = out.systems[s].packages_per_node;
    const int last = (place.first_package + place.packages - 1) / per_node;
    for (int node = place.first_package / per_node; node <= last; ++node) hosts.insert({s, node});
  }
  for (const auto& [s, node] : hosts) out.caches.push_back({s, node});
  return {};
}

void number_nodes(const DeploymentConfig& config, Deployment& out) {
  uint32_t next = 0;
  RouterConfig& router = out.cluster.router;
  router.id = NodeId(next++);
  router.policy = config.policy;
  router.decode_policy = config.decode_policy;
  router.max_pending = config.max_pending;
  router.max_retries = config.max_retries;
  int64_t blocks = 0;
  for (const InstancePlace& place : out.instances) {
    const DeployedGroup& group = out.groups[place.group];
    InstanceConfig instance;
    instance.id = NodeId(next++);
    instance.router = router.id;
    instance.scheduler = group.scheduler;
    const Format kv = group.config.layout.precision.kv;
    instance.kv_bytes_per_token = out.model.kv_bytes_per_token(kv);
    instance.kv_bytes_per_sequence = out.model.kv_bytes_per_sequence(kv);
    const int64_t slots = group.scheduler.max_sequences_per_rank * group.scheduler.ranks;
    int64_t outstanding = slots + group.scheduler.max_waiting;
    if (group.config.role == Role::kDecode) outstanding = slots;
    if (group.config.role != Role::kDecode && config.max_outstanding > 0) {
      outstanding = config.max_outstanding;
    }
    router.peers.push_back({instance.id, group.config.role, place.packages, outstanding});
    blocks += group.scheduler.blocks_per_rank * group.scheduler.ranks;
    out.cluster.instances.push_back(std::move(instance));
  }
  router.prefix_view_blocks = std::clamp<int64_t>(2 * blocks, 1 << 12, 1 << 22);
  for (size_t i = 0; i < out.caches.size(); ++i) {
    CacheConfig cache;
    cache.id = NodeId(next++);
    const InstanceConfig& any = out.cluster.instances.front();
    const double block = any.kv_bytes_per_token * any.scheduler.block.as_double();
    cache.block = Bytes(static_cast<int64_t>(block));
    for (const TierConfig& tier : config.tiers) {
      cache.capacities.push_back(static_cast<int64_t>(tier.bytes_per_node / block));
    }
    out.cluster.caches.push_back(std::move(cache));
  }
  for (InstanceConfig& instance : out.cluster.instances) {
    if (instance.scheduler.role == Role::kDecode) continue;
    for (const CacheConfig& cache : out.cluster.caches) instance.caches.push_back(cache.id);
  }
}

}  // namespace

int Deployment::packages(Role role) const {
  int sum = 0;
  for (const InstancePlace& place : instances) {
    if (groups[place.group].config.role == role) sum += place.packages;
  }
  return sum;
}

int Deployment::packages() const {
  return packages(Role::kPrefill) + packages(Role::kDecode) + packages(Role::kUnified);
}

Result<Deployment> deploy(const DeploymentConfig& config, const Catalog& catalog) {
  auto engine = catalog.engine(config.engine.empty() ? "weft" : config.engine, config.hardware);
  if (!engine) return at(config.where, engine.error());
  return deploy(config, catalog, *engine);
}

Result<Deployment> deploy(const DeploymentConfig& config, const Catalog& catalog,
                          const Engine& engine) {
  Deployment out;
  out.engine = engine;
  out.message_latency_s = config.message_latency_s;
  out.detection_s = config.detection_s;
  auto model = catalog.model(config.model);
  if (!model) return at(config.where, model.error());
  out.model = std::move(*model);
  std::vector<std::string> names;
  for (const GroupConfig& group : config.groups) {
    if (auto added = add_group(config, group, catalog, out, names); !added) return added.error();
  }
  if (auto placed = place_instances(config, out); !placed) return placed.error();
  if (auto placed = place_caches(config, catalog, out); !placed) return placed.error();
  number_nodes(config, out);
  return out;
}

}  // namespace weft
