// The only lock between threads and the loop.
#include "runtime/message_inbox.h"

#include <chrono>

namespace weft {

void MessageInbox::post(Posted work) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
    any_.store(true, std::memory_order_release);
  }
  posted_.notify_one();
}

bool MessageInbox::wait(Duration at_most) {
  if (any_.load(std::memory_order_acquire)) return true;
  if (at_most <= Duration{}) return false;
  std::unique_lock lock(mutex_);
  return posted_.wait_for(lock, std::chrono::nanoseconds(at_most.count()),
                          [this] { return !queue_.empty(); });
}

bool MessageInbox::take(std::vector<Posted>& out) {
  if (!any_.load(std::memory_order_acquire)) return false;
  const std::lock_guard lock(mutex_);
  out.swap(queue_);
  queue_.clear();
  any_.store(false, std::memory_order_release);
  return !out.empty();
}

}  // namespace weft
