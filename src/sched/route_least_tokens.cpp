// least_tokens: the instance with the fewest outstanding tokens per package; among equals the one
// that was chosen longest ago.
#include "sched/routing.h"

namespace weft {

size_t route_least_tokens(const RoutingQuestion& question) {
  return least_cost(question.candidates, [](const Candidate& c) {
    return static_cast<double>(c.outstanding_tokens) / static_cast<double>(c.packages);
  });
}

}  // namespace weft
