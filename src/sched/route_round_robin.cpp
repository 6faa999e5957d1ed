// round_robin: the instance that was chosen longest ago.
#include "sched/routing.h"

namespace weft {

size_t route_round_robin(const RoutingQuestion& question) {
  size_t best = 0;
  for (size_t i = 1; i < question.candidates.size(); ++i) {
    if (question.candidates[i].last_used < question.candidates[best].last_used) best = i;
  }
  return best;
}

}  // namespace weft
