// Loop: the one event loop, the same on every clock. Events run in (instant, sequence) order;
// within one turn now() stands still.
#pragma once

#include <cstdint>
#include <vector>

#include "base/callback.h"
#include "base/time.h"
#include "ports/clock.h"
#include "runtime/message_inbox.h"

namespace weft {

class Timer;

class Loop {
 public:
  explicit Loop(Clock& clock);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // The instant of this turn.
  [[nodiscard]] Instant now() const { return now_; }

  // Runs until stop(), or until no timer is armed and `keep_waiting` is false. With true it waits
  // for the inbox for ever (a server).
  void run(bool keep_waiting = false);
  // One turn: waits for the next deadline or the inbox, then runs everything that is due.
  // False when nothing is armed and nothing was posted.
  bool run_one_turn(bool keep_waiting = false);
  void stop() { stopped_ = true; }
  // Called after every event, also those of one turn; one listener.
  void listen(Callback<> listener) { listener_ = listener; }

  [[nodiscard]] Inbox& inbox() { return inbox_; }
  [[nodiscard]] uint64_t events() const { return events_; }
  [[nodiscard]] size_t armed() const { return heap_.size() - (vacant_ ? 1 : 0); }
  void check_integrity() const;

 private:
  friend class Timer;
  struct Entry {
    Instant at;
    uint64_t sequence;
    Timer* timer;
    bool operator<(const Entry& o) const { return at != o.at ? at < o.at : sequence < o.sequence; }
  };
  void arm(Timer& timer, Instant at);
  void disarm(Timer& timer);
  void place(size_t index, const Entry& entry);
  void sift_up(size_t index, const Entry& entry);
  void sift_down(size_t index, const Entry& entry);
  void run_due();
  void drop_root();
  void run_inbox();

  Clock& clock_;
  MessageInbox inbox_;
  Instant now_;
  uint64_t next_sequence_ = 1;
  uint64_t events_ = 0;
  bool stopped_ = false;
  bool vacant_ = false;      // the root's timer is firing; the place is free
  std::vector<Entry> heap_;  // four children per node
  std::vector<Posted> taken_;
  Callback<> listener_;
};

// A member of the object that waits. Fires once per arm(); dies with its owner.
class Timer {
 public:
  Timer(Loop& loop, Callback<> fire) : loop_(loop), fire_(fire) {}
  ~Timer() { cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Fires at `at`, or in this turn when that has passed. Arming again moves it.
  void arm(Instant at) { loop_.arm(*this, at); }
  void cancel() {
    if (armed()) loop_.disarm(*this);
  }
  [[nodiscard]] bool armed() const { return index_ != kIdle; }

 private:
  friend class Loop;
  static constexpr size_t kIdle = ~size_t{0};
  Loop& loop_;
  Callback<> fire_;
  size_t index_ = kIdle;
};

}  // namespace weft
