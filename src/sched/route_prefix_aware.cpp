// prefix_aware: the longest cached prefix weighed against load. Both are tokens: what is queued
// there, and what of this prompt would have to be computed there.
#include <tuple>

#include "sched/routing.h"

namespace weft {

size_t route_prefix_aware(const RoutingQuestion& question) {
  const int64_t prompt = question.request.prompt.count();
  const auto cost = [prompt](const Candidate& c) {
    const int64_t work = c.outstanding_tokens + prompt - c.cached_tokens;
    return std::tuple(static_cast<double>(work) / static_cast<double>(c.packages), c.last_used);
  };
  size_t best = 0;
  for (size_t i = 1; i < question.candidates.size(); ++i) {
    if (cost(question.candidates[i]) < cost(question.candidates[best])) best = i;
  }
  return best;
}

}  // namespace weft
