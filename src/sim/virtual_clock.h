// VirtualClock: time that jumps to the next deadline. Twin of real/wall_clock.h.
#pragma once

#include "ports/clock.h"

namespace weft {

class VirtualClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return now_; }
  void wait_until(Instant deadline, Inbox& inbox) override {
    if (deadline != Instant::never() && deadline > now_ && !inbox.wait(Duration{})) {
      now_ = deadline;
    }
  }

 private:
  Instant now_;
};

}  // namespace weft
