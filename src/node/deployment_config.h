// DeploymentConfig: the part of a scenario that says what is deployed: model, hardware, precision,
// instances by role, cache tiers, router. `simulate`, `serve` and `plan` read the same tables.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/config.h"
#include "cost/deployment.h"

namespace weft {

// One [[prefill]], [[decode]] or [[unified]] table: `instances` alike.
struct GroupConfig {
  Role role = Role::kUnified;
  int instances = 1;
  std::string hardware;  // of this group, when not the deployment's
  InstanceLayout layout;
  int64_t max_tokens_per_step = 0;    // per instance; 0: by role (see README)
  int64_t max_batch_per_device = 0;   // sequences per package, in flight; 0: by role
  int64_t max_waiting = 65536;        // per instance
  std::optional<bool> prefill_first;  // steps with prompts leave decodes out; none: the engine's
  double acceptance = 0;              // chance that a draft token is accepted
  double memory_share = 0;            // of a die's memory that the engine may use; 0: the engine's
  int64_t kv_tokens = 0;              // that a rank's KV holds; 0: what memory leaves
  std::string where;                  // "file:line", for messages
};

struct TierConfig {
  std::string kind;  // "dram" or "ssd"
  double bytes_per_node = 0;
  std::string part;  // ssd: a name in catalog/disks
};

struct DeploymentConfig {
  std::string model;
  std::string hardware;
  std::string engine;  // a name in catalog/engines; empty: weft
  std::vector<GroupConfig> groups;
  std::vector<TierConfig> tiers;
  int64_t block_tokens = 0;            // 0: 128, or 16 for models under 20 billion parameters
  std::optional<bool> prefix_caching;  // none: the engine's
  std::string policy = "least_tokens";
  std::string decode_policy = "least_tokens";
  int64_t max_pending = 65536;
  int max_retries = 3;
  int64_t max_outstanding = 0;  // requests per prefill or unified instance; 0: what it can queue
  double message_latency_s = 20e-6;
  double detection_s = 1.0;
  std::string where;
};

// Reads the keys above from the scenario's root table; other keys are left alone. Errors are kept
// in the table's file and come back from its finish().
DeploymentConfig read_deployment(ConfigTable& root);

}  // namespace weft
