// Sleeping until a deadline, in naps of at most an hour so that no clock arithmetic overflows.
#include "real/wall_clock.h"

#include <algorithm>

namespace weft {

WallClock::WallClock() : origin_(std::chrono::steady_clock::now()) {}

Instant WallClock::now() const {
  const auto passed = std::chrono::steady_clock::now() - origin_;
  return Instant(std::chrono::duration_cast<std::chrono::nanoseconds>(passed).count());
}

void WallClock::wait_until(Instant deadline, Inbox& inbox) {
  constexpr Duration kNap = seconds(3600);
  for (Instant at = now(); at < deadline; at = now()) {
    if (inbox.wait(std::min(kNap, deadline - at))) return;
  }
}

}  // namespace weft
