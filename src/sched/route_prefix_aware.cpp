// prefix_aware: the longest cached prefix weighed against load. Both are tokens: what is queued
// there, and what of this prompt would have to be computed there.
#include "sched/routing.h"

namespace weft {

size_t route_prefix_aware(const RoutingQuestion& question) {
  const int64_t prompt = question.request.prompt.count();
  return least_cost(question.candidates, [prompt](const Candidate& c) {
    const int64_t work = c.outstanding_tokens + prompt - c.cached_tokens;
    return static_cast<double>(work) / static_cast<double>(c.packages);
  });
}

}  // namespace weft
