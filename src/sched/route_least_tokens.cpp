// least_tokens: the instance with the fewest outstanding tokens per package; among equals the one
// that was chosen longest ago.
#include <tuple>

#include "sched/routing.h"

namespace weft {

size_t route_least_tokens(const RoutingQuestion& question) {
  const auto cost = [](const Candidate& c) {
    return std::tuple(static_cast<double>(c.outstanding_tokens) / static_cast<double>(c.packages),
                      c.last_used);
  };
  size_t best = 0;
  for (size_t i = 1; i < question.candidates.size(); ++i) {
    if (cost(question.candidates[i]) < cost(question.candidates[best])) best = i;
  }
  return best;
}

}  // namespace weft
