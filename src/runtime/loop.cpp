// The event loop: a four-ary heap of timers and an inbox.
#include "runtime/loop.h"

#include <algorithm>

#include "base/check.h"

namespace weft {

namespace {
constexpr size_t kArity = 4;
}

Loop::Loop(Clock& clock) : clock_(clock), now_(clock.now()) {}

void Loop::place(size_t index, const Entry& entry) {
  heap_[index] = entry;
  entry.timer->index_ = index;
}

void Loop::sift_up(size_t index, const Entry& entry) {
  while (index > 0) {
    const size_t parent = (index - 1) / kArity;
    if (!(entry < heap_[parent])) break;
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, entry);
}

void Loop::sift_down(size_t index, const Entry& entry) {
  for (;;) {
    const size_t first = index * kArity + 1;
    if (first >= heap_.size()) break;
    size_t best = first;
    const size_t end = std::min(first + kArity, heap_.size());
    for (size_t child = first + 1; child < end; ++child) {
      if (heap_[child] < heap_[best]) best = child;
    }
    if (!(heap_[best] < entry)) break;
    place(index, heap_[best]);
    index = best;
  }
  place(index, entry);
}

void Loop::arm(Timer& timer, Instant at) {
  const Entry entry{std::max(at, now_), next_sequence_++, &timer};
  if (timer.index_ == Timer::kIdle) {
    if (vacant_) {
      vacant_ = false;
      return sift_down(0, entry);
    }
    heap_.push_back(entry);
    sift_up(heap_.size() - 1, entry);
    return;
  }
  const size_t index = timer.index_;
  if (entry < heap_[index]) {
    sift_up(index, entry);
  } else {
    sift_down(index, entry);
  }
}

void Loop::disarm(Timer& timer) {
  const size_t index = timer.index_;
  timer.index_ = Timer::kIdle;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (index == heap_.size()) return;
  if (index > 0 && last < heap_[(index - 1) / kArity]) {
    sift_up(index, last);
  } else {
    sift_down(index, last);
  }
}

// Only what was armed before the turn's end and is due; a timer that arms itself for now() runs
// in the same turn, after everything that was already waiting for this instant.
//
// While a timer fires, its entry stays at the root: it is smaller than anything that can be armed,
// and mostly the timer, or one like it, is armed again and takes the place in one pass.
void Loop::run_due() {
  while (!heap_.empty() && heap_.front().at <= now_ && !stopped_) {
    Timer* timer = heap_.front().timer;
    timer->index_ = Timer::kIdle;
    vacant_ = true;
    ++events_;
    timer->fire_();
    if (vacant_) drop_root();
    if (listener_) listener_();
  }
}

void Loop::drop_root() {
  vacant_ = false;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (!heap_.empty()) sift_down(0, last);
}

void Loop::run_inbox() {
  if (!inbox_.take(taken_)) return;
  for (Posted& work : taken_) {
    ++events_;
    if (work.is_unowned || work.owner.alive()) work.run();
    if (listener_) listener_();
  }
  taken_.clear();
}

bool Loop::run_one_turn(bool keep_waiting) {
  if (heap_.empty() && !keep_waiting) {
    if (!inbox_.wait(Duration{})) return false;
  }
  clock_.wait_until(heap_.empty() ? Instant::never() : heap_.front().at, inbox_);
  now_ = std::max(now_, clock_.now());
  run_inbox();
  run_due();
  return true;
}

void Loop::run(bool keep_waiting) {
  stopped_ = false;
  while (!stopped_ && run_one_turn(keep_waiting)) {
  }
}

void Loop::check_integrity() const {
  for (size_t i = 0; i < heap_.size(); ++i) {
    const bool firing = i == 0 && vacant_;
    CHECK(firing || heap_[i].timer->index_ == i, "a timer knows its place");
    CHECK(i == 0 || !(heap_[i] < heap_[(i - 1) / kArity]), "the heap is ordered");
  }
}

}  // namespace weft
