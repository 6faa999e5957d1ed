// Clock: where time comes from. The wall clock sleeps, the virtual clock jumps; nothing else in
// the program differs between serving and foreseeing.
#pragma once

#include "base/time.h"
#include "ports/inbox.h"

namespace weft {

class Clock {
 public:
  virtual ~Clock() = default;
  // Never goes back.
  [[nodiscard]] virtual Instant now() const = 0;
  // Returns when `deadline` is reached or something lies in the inbox, whichever is first.
  // With Instant::never() only the inbox can end it; a clock that cannot wait for that returns.
  virtual void wait_until(Instant deadline, Inbox& inbox) = 0;
};

}  // namespace weft
