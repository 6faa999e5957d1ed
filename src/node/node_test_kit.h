// For the tests of nodes: the ports' twins at their smallest. Time jumps, a device takes a fixed
// time for a step, a store for an operation. Included by tests only.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "ports/device.h"
#include "ports/store.h"
#include "runtime/loop.h"

namespace weft {

class TestClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return now_; }
  void wait_until(Instant deadline, Inbox&) override {
    if (deadline != Instant::never()) now_ = std::max(now_, deadline);
  }

 private:
  Instant now_;
};

// Every step takes 1 µs and 10 ns for each of its tokens. A decode with drafts gains a number of
// tokens that hangs on the request and its position alone.
class FixedDevice final : public Device {
 public:
  explicit FixedDevice(Loop& loop)
      : loop_(loop), timer_(loop, Callback<>::to<&FixedDevice::fire>(this)) {}

  void submit(const Batch& batch, StepDone done) override {
    CHECK(!timer_.armed(), "one step at a time");
    outputs_.clear();
    for (const SequenceWork& work : batch.work) {
      const uint64_t hash = mix64(work.request.value(), static_cast<uint64_t>(work.generated));
      const auto gain = static_cast<int32_t>(1 + hash % static_cast<uint64_t>(work.tokens + 1));
      outputs_.push_back({work.decode ? std::min(gain, work.tokens) : (work.samples ? 1 : 0)});
    }
    took_ = nanoseconds(1000 + 10 * batch.tokens);
    done_ = std::move(done);
    timer_.arm(loop_.now() + took_);
  }

 private:
  void fire() { done_({outputs_, took_}); }

  Loop& loop_;
  std::vector<SequenceOutput> outputs_;
  Duration took_;
  StepDone done_;
  Timer timer_;
};

// Operations end one after the other, 400 ns each; every `fails_every`-th read fails (0: none).
class FixedStore final : public Store {
 public:
  FixedStore(Loop& loop, uint64_t fails_every)
      : loop_(loop),
        fails_every_(fails_every),
        timer_(loop, Callback<>::to<&FixedStore::fire>(this)) {}

  void submit(StoreAction action, std::span<const BlockHash>, StoreDone done) override {
    const bool read = action == StoreAction::kRead;
    const bool fails = read && fails_every_ != 0 && ++reads_ % fails_every_ == 0;
    queue_.push_back({std::move(done), !fails});
    if (!timer_.armed()) timer_.arm(loop_.now() + nanoseconds(400));
  }

 private:
  struct Operation {
    StoreDone done;
    bool ok = true;
  };
  void fire() {
    const Operation operation = std::move(queue_.front());
    queue_.erase(queue_.begin());
    if (!queue_.empty()) timer_.arm(loop_.now() + nanoseconds(400));
    operation.done(operation.ok);
  }

  Loop& loop_;
  uint64_t fails_every_;
  uint64_t reads_ = 0;
  std::vector<Operation> queue_;
  Timer timer_;
};

}  // namespace weft
