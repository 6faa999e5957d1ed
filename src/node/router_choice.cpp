// Which instance a request goes to: the candidates, kept up to date, and the policy.
#include <algorithm>

#include "node/router.h"

namespace weft {

std::optional<size_t> Router::choose(const Entry& entry, bool decode) {
  const RoutingPolicyEntry& policy = decode ? *decode_policy_ : *policy_;
  std::vector<Candidate>& candidates = candidates_[decode ? 1 : 0];
  if (candidates.empty()) return std::nullopt;
  if (policy.wants_prefixes) {
    const auto all = static_cast<int64_t>(entry.blocks.size());
    for (Candidate& candidate : candidates) {
      const int64_t blocks = prefixes_.match(entry.blocks, candidate.node);
      candidate.cached_tokens = all > 0 ? blocks * (entry.request.prompt.count() / all) : 0;
    }
  }
  const NodeId chosen = candidates[policy.choose({entry.request, candidates, turns_})].node;
  const auto peer = std::lower_bound(peers_.begin(), peers_.end(), chosen,
                                     [](const Peer& p, NodeId id) { return p.config.id < id; });
  return static_cast<size_t>(peer - peers_.begin());
}

// The peer has changed: brings its place among the candidates up to date.
void Router::list(const Peer& peer) {
  std::vector<Candidate>& candidates = candidates_[peer.config.role == Role::kDecode ? 1 : 0];
  const NodeId id = peer.config.id;
  auto at = std::lower_bound(candidates.begin(), candidates.end(), id,
                             [](const Candidate& c, NodeId node) { return c.node < node; });
  const bool listed = at != candidates.end() && at->node == id;
  if (!peer.open()) {
    if (listed) candidates.erase(at);
    return;
  }
  if (!listed) at = candidates.insert(at, Candidate{});
  *at = {id, peer.outstanding_tokens, peer.outstanding_requests,
         0,  peer.config.packages,    peer.last_used};
}

}  // namespace weft
