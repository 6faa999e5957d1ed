// MessageInbox: the inbox of the loop, a mutex, a queue and a bell.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "ports/inbox.h"

namespace weft {

class MessageInbox final : public Inbox {
 public:
  void post(Posted work) override;
  bool wait(Duration at_most) override;
  bool take(std::vector<Posted>& out) override;

 private:
  std::mutex mutex_;
  std::condition_variable posted_;
  std::vector<Posted> queue_;
  std::atomic<bool> any_{false};  // read without the lock, so that an idle inbox costs nothing
};

}  // namespace weft
