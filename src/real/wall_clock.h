// WallClock: the machine's monotonic clock, counted from the clock's own making. Twin of
// sim/virtual_clock.h.
#pragma once

#include <chrono>

#include "ports/clock.h"

namespace weft {

class WallClock final : public Clock {
 public:
  WallClock();
  [[nodiscard]] Instant now() const override;
  void wait_until(Instant deadline, Inbox& inbox) override;

 private:
  std::chrono::steady_clock::time_point origin_;
};

}  // namespace weft
