// The table of routing policies.
#include "sched/routing.h"

#include <array>

namespace weft {

namespace {

constexpr std::array kPolicies{
    RoutingPolicyEntry{"round_robin", route_round_robin, false, "one after the other"},
    RoutingPolicyEntry{"least_tokens", route_least_tokens, false,
                       "fewest outstanding tokens per package"},
    RoutingPolicyEntry{"prefix_aware", route_prefix_aware, true,
                       "least work left: outstanding tokens plus the uncached part of the prompt"},
};

}  // namespace

const RoutingPolicyEntry* find_routing_policy(std::string_view name) {
  for (const RoutingPolicyEntry& entry : kPolicies) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

std::span<const RoutingPolicyEntry> routing_policies() { return kPolicies; }

}  // namespace weft
