// Deployment: a DeploymentConfig with all names looked up, every degree checked, memory planned and
// every instance and cache node placed on hardware.
#pragma once

#include <string>
#include <vector>

#include "cost/memory.h"
#include "hardware/catalog.h"
#include "node/cluster.h"
#include "node/deployment_config.h"

namespace weft {

struct DeployedGroup {
  GroupConfig config;
  size_t system = 0;  // in Deployment::systems
  MemoryPlan memory;
  SchedulerConfig scheduler;
};

// Consecutive packages of one system.
struct InstancePlace {
  size_t group = 0;
  int first_package = 0;
  int packages = 0;
};

struct CachePlace {
  size_t system = 0;
  int node = 0;  // host within the system
};

struct Deployment {
  ModelShape model;
  Engine engine;
  std::vector<System> systems;
  std::vector<DeployedGroup> groups;
  std::vector<InstancePlace> instances;  // as cluster.instances
  std::vector<CachePlace> caches;        // as cluster.caches
  std::vector<Disk> disks;               // by tier below memory
  ClusterConfig cluster;
  double message_latency_s = 0;
  double detection_s = 0;

  [[nodiscard]] int packages(Role role) const;
  [[nodiscard]] int packages() const;
};

// One sentence with file, line and key when a name is unknown, degrees do not divide, packages are
// short, or memory does not suffice.
Result<Deployment> deploy(const DeploymentConfig& config, const Catalog& catalog);
// The same with another engine's constants than the catalog's.
Result<Deployment> deploy(const DeploymentConfig& config, const Catalog& catalog,
                          const Engine& engine);

}  // namespace weft
