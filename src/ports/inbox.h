// Inbox: how other threads hand work to the loop. The only door into it.
#pragma once

#include <functional>
#include <vector>

#include "base/callback.h"
#include "base/time.h"

namespace weft {

// Work for the loop's thread; skipped when its owner has died in the meantime. Threads that cannot
// have a reference to an owner, who lives as long as they and the loop, post with `is_unowned`.
struct Posted {
  LifetimeRef owner;
  std::function<void()> run;
  bool is_unowned = false;
};

class Inbox {
 public:
  virtual ~Inbox() = default;
  // From any thread. `owner` was copied on the loop's thread and is moved here.
  virtual void post(Posted work) = 0;
  // Blocks until something is posted or `at_most` has passed; true when there is something.
  virtual bool wait(Duration at_most) = 0;
  // Moves out what is there, in the order of posting. Returns false when there was nothing.
  virtual bool take(std::vector<Posted>& out) = 0;
};

}  // namespace weft
