// The threads that compute: the caller and helpers that stay awake between two pieces of work, so
// that handing work out and collecting it costs about a microsecond.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/aligned_bytes.h"

namespace weft {

// Part of [0, count).
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  [[nodiscard]] int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

// The part of [0, count) that `thread` of `threads` takes: multiples of `grain` but for the last,
// contiguous, in the order of the threads, sizes at most one grain apart. Requires grain > 0.
[[nodiscard]] Range split(int64_t count, int64_t grain, int thread, int threads);

// Pieces of work, count of them, handed out one by one: each thread takes those of its own part in
// rising order (always the same thread, while all are equally fast), then helps the others with
// theirs. Reset between runs by one thread.
class WorkQueue {
 public:
  explicit WorkQueue(int threads) : parts_(static_cast<size_t>(threads)) {}

  void reset(int64_t count);
  // A piece in [0, count), or -1 when none is left. Each piece is handed out once.
  [[nodiscard]] int64_t take(int thread);

 private:
  struct alignas(64) Part {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  std::vector<Part> parts_;
};

class Workers {
 public:
  // threads >= 1, the calling thread among them. With `pin` each is bound to a CPU of its own, the
  // caller included until this object dies: threads are laid over the NUMA nodes of
  // /sys/devices/system/node in contiguous runs (thread t of T on node t * nodes / T), first one
  // per core, then on the cores' second threads. What a thread touches first then lies on its node,
  // and split() brings it back to the same thread. Without enough CPUs nothing is pinned.
  Workers(int threads, bool pin);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  [[nodiscard]] int threads() const { return static_cast<int>(helpers_.size()) + 1; }
  [[nodiscard]] bool pinned() const { return pinned_; }

  // Calls work(thread) once for each thread in [0, threads()), the caller as thread 0, and returns
  // when all have come back. No allocation. `work` must not throw, nor call run() of this object;
  // one thread calls run() at a time. A helper that waits spins for about 50 us, then sleeps.
  template <class Work>
  void run(Work&& work) {
    using Plain = std::remove_reference_t<Work>;
    run_erased([](void* context, int thread) { (*static_cast<Plain*>(context))(thread); },
               const_cast<void*>(static_cast<const void*>(std::addressof(work))));
  }

  // Memory of one thread for the time of one run(), at least `size` bytes, aligned to cache lines.
  // Each thread asks for its own; asking again for more loses the content.
  [[nodiscard]] std::byte* scratch(int thread, size_t size) {
    AlignedBytes& bytes = scratch_[static_cast<size_t>(thread)];
    bytes.reserve(size);
    return bytes.data();
  }
  // For one run() at a time: reset before it.
  [[nodiscard]] WorkQueue& queue() { return queue_; }

 private:
  using Function = void (*)(void* context, int thread);

  void run_erased(Function function, void* context);
  void help(int thread);
  [[nodiscard]] uint32_t await_work(uint32_t seen);

  Function function_ = nullptr;  // null: helpers end
  void* context_ = nullptr;
  alignas(64) std::atomic<uint32_t> round_{0};   // one more for each run()
  alignas(64) std::atomic<int32_t> pending_{0};  // helpers that have not come back
  WorkQueue queue_;
  std::vector<AlignedBytes> scratch_;
  std::vector<std::thread> helpers_;
  bool pinned_ = false;
  std::array<uint64_t, 16> caller_cpus_{};  // the caller's CPUs before it was pinned
};

}  // namespace weft
