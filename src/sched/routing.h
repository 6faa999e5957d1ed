// Routing: which instance a request goes to. A policy is one pure function in a file of its own and
// a row in the table of routing.cpp.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/quantity.h"
#include "model/request.h"

namespace weft {

// An instance that can take the request now, as the router knows it from what it has sent there
// and heard back.
struct Candidate {
  NodeId node;
  int64_t outstanding_tokens = 0;  // prompts and outputs so far of the requests there
  int64_t outstanding_requests = 0;
  int64_t cached_tokens = 0;  // of this prompt, sent there before (0 unless asked for)
  int64_t packages = 1;       // its size
  uint64_t last_used = 0;     // the turn it was chosen last
};

struct RoutingQuestion {
  const Request& request;
  std::span<const Candidate> candidates;  // not empty, by ascending node
  uint64_t turn = 0;                      // counts the router's decisions for this role
};

// Index of the chosen candidate.
using RoutingPolicy = size_t (*)(const RoutingQuestion& question);

struct RoutingPolicyEntry {
  std::string_view name;
  RoutingPolicy choose;
  bool wants_prefixes;  // fill Candidate::cached_tokens
  std::string_view summary;
};

// Index of the candidate of least cost; among equals the one that was chosen longest ago. `cost` is
// asked once for each.
template <class Cost>
size_t least_cost(std::span<const Candidate> candidates, Cost cost) {
  size_t best = 0;
  double least = cost(candidates[0]);
  for (size_t i = 1; i < candidates.size(); ++i) {
    const double other = cost(candidates[i]);
    const bool older = candidates[i].last_used < candidates[best].last_used;
    if (other < least || (other == least && older)) best = i, least = other;
  }
  return best;
}

// Null when there is no policy of that name.
const RoutingPolicyEntry* find_routing_policy(std::string_view name);
std::span<const RoutingPolicyEntry> routing_policies();

// The policies.
size_t route_round_robin(const RoutingQuestion& question);
size_t route_least_tokens(const RoutingQuestion& question);
size_t route_prefix_aware(const RoutingQuestion& question);

}  // namespace weft
