// The tables of a deployment.
#include "node/deployment_config.h"

#include <fmt/format.h>

#include "sched/routing.h"

namespace weft {

namespace {

Format read_format(ConfigTable& table, std::string_view key, Format fallback) {
  const std::string word = table.choice(key, format_names(), format_name(fallback));
  return format_from_name(word).value_or(fallback);
}

Precision read_precision(ConfigTable& root) {
  Precision precision;
  if (auto table = root.find_table("precision")) {
    precision.weights = read_format(*table, "weights", precision.weights);
    precision.activations = read_format(*table, "activations", precision.activations);
    precision.kv = read_format(*table, "kv", precision.kv);
    if (table->has("attention")) {
      precision.attention = read_format(*table, "attention", precision.weights);
    }
    if (table->has("block_scales")) precision.block_scales = table->boolean("block_scales");
  }
  return precision;
}

Parallel read_parallel(ConfigTable& group) {
  constexpr IntegerRange kDegree{.min = 1, .max = 1 << 20};
  Parallel parallel;
  if (auto table = group.find_table("parallel")) {
    parallel.dp = static_cast<int>(table->integer("dp", 1, kDegree));
    parallel.tp = static_cast<int>(table->integer("tp", 1, kDegree));
    parallel.sp = static_cast<int>(table->integer("sp", 1, kDegree));
    parallel.ep = static_cast<int>(table->integer("ep", 1, kDegree));
    parallel.pp = static_cast<int>(table->integer("pp", 1, kDegree));
  }
  return parallel;
}

GroupConfig read_group(ConfigTable& table, Role role, const Precision& precision) {
  GroupConfig group;
  group.role = role;
  group.where = table.where();
  group.instances = static_cast<int>(table.integer("instances", 1, {.min = 1, .max = 1 << 16}));
  group.hardware = table.text("hardware", "");
  InstanceLayout& layout = group.layout;
  layout.role = role;
  layout.precision = precision;
  layout.packages = static_cast<int>(table.integer("devices", {.min = 1, .max = 1 << 20}));
  layout.parallel = read_parallel(table);
  layout.redundant_experts =
      static_cast<int>(table.integer("redundant_experts", 0, {.min = 0, .max = 1 << 16}));
  layout.microbatches = static_cast<int>(table.integer("microbatches", 1, {.min = 1, .max = 16}));
  layout.expert_imbalance = table.number("expert_imbalance", 0.0, {.min = 0, .max = 1000});
  group.max_tokens_per_step =
      table.integer("max_tokens_per_step", 0, {.min = 1, .max = int64_t{1} << 31});
  group.max_batch_per_device = table.integer("max_batch_per_device", 0, {.min = 1, .max = 1 << 20});
  group.max_waiting = table.integer("max_waiting", group.max_waiting, {.min = 1, .max = 1 << 24});
  group.memory_share = table.number("memory_share", group.memory_share,
                                    {.min = 0.0, .max = 1.0, .exclusive_min = true});
  group.kv_tokens = table.integer("kv_tokens", 0, {.min = 1, .max = int64_t{1} << 40});
  if (role == Role::kPrefill) return group;
  if (table.has("batching")) {
    group.prefill_first =
        table.choice("batching", {"mixed", "prefill_first"}, "mixed") == "prefill_first";
  }
  layout.draft_tokens = static_cast<int>(table.integer("draft_tokens", 0, {.min = 0, .max = 16}));
  group.acceptance = table.number("acceptance", 0.7, {.min = 0, .max = 1});
  return group;
}

constexpr double kGib = 1024.0 * 1024.0 * 1024.0;
constexpr double kTib = kGib * 1024.0;

TierConfig read_tier(ConfigTable& table) {
  constexpr NumberRange kSize{.min = 0, .max = 1e9, .exclusive_min = true};
  TierConfig tier;
  tier.kind = table.choice("kind", {"dram", "ssd"}, "dram");
  if (table.has("tib_per_node")) {
    tier.bytes_per_node = table.number("tib_per_node", kSize) * kTib;
  } else {
    tier.bytes_per_node = table.number("gib_per_node", kSize) * kGib;
  }
  if (tier.kind == "ssd") tier.part = table.text("part");
  return tier;
}

void read_cache(ConfigTable& root, DeploymentConfig& config) {
  auto cache = root.find_table("cache");
  if (!cache) return;
  config.block_tokens = cache->integer("block_tokens", 0, {.min = 1, .max = 4096});
  if (cache->has("prefix_caching")) {
    config.prefix_caching = cache->boolean("prefix_caching", true);
  }
  for (ConfigTable& table : cache->tables("tiers")) config.tiers.push_back(read_tier(table));
  for (size_t i = 0; i < config.tiers.size(); ++i) {
    const bool dram = config.tiers[i].kind == "dram";
    if (dram != (i == 0)) {
      cache->fail("tiers", "the nearest tier is dram and the ones behind it are ssd");
    }
  }
}

void read_router(ConfigTable& root, DeploymentConfig& config) {
  auto router = root.find_table("router");
  if (!router) return;
  std::vector<std::string> names;
  for (const auto& entry : routing_policies()) names.emplace_back(entry.name);
  config.policy = router->choice("policy", names, config.policy);
  config.decode_policy = router->choice("decode_policy", names, config.decode_policy);
  config.max_pending =
      router->integer("max_pending", config.max_pending, {.min = 0, .max = 1 << 24});
  config.max_retries =
      static_cast<int>(router->integer("max_retries", config.max_retries, {.min = 0, .max = 1000}));
  config.max_outstanding = router->integer("max_outstanding", 0, {.min = 1, .max = 1 << 24});
  config.message_latency_s =
      1e-6 *
      router->number("message_latency_us", config.message_latency_s * 1e6, {.min = 0, .max = 1e9});
  config.detection_s = router->number("detection_s", config.detection_s, {.min = 0, .max = 1e6});
}

}  // namespace

DeploymentConfig read_deployment(ConfigTable& root) {
  DeploymentConfig config;
  config.where = root.file().name();
  config.model = root.text("model");
  config.hardware = root.text("hardware");
  config.engine = root.text("engine", "");
  const Precision precision = read_precision(root);
  for (const Role role : {Role::kPrefill, Role::kDecode, Role::kUnified}) {
    for (ConfigTable& table : root.tables(role_name(role))) {
      config.groups.push_back(read_group(table, role, precision));
    }
  }
  bool prefill = false;
  bool decode = false;
  bool unified = false;
  for (const GroupConfig& group : config.groups) {
    prefill = prefill || group.role == Role::kPrefill;
    decode = decode || group.role == Role::kDecode;
    unified = unified || group.role == Role::kUnified;
  }
  if (!prefill && !unified) {
    root.fail(prefill == decode ? "unified" : "prefill",
              "missing; expected [[prefill]] and [[decode]], or [[unified]]");
  }
  if (prefill != decode) {
    root.fail(prefill ? "decode" : "prefill",
              "missing; [[prefill]] and [[decode]] need each other");
  }
  read_cache(root, config);
  read_router(root, config);
  return config;
}

}  // namespace weft
