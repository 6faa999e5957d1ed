// Fork and join over atomics: a helper watches a counter of rounds, first awake and then in the
// kernel's queue; and where the threads are put.
#include "kernels/workers.h"

#include <sched.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>

#include "base/check.h"

namespace weft {
namespace {

constexpr int kSpins = 1000;  // pauses of about 50 ns each before a helper sleeps

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// A list of CPUs as Linux writes it: "0-3,8,10-11". What cannot be read ends the list.
std::vector<int> read_cpu_list(const std::string& path) {
  std::vector<int> cpus;
  std::ifstream file(path);
  int first = 0;
  while (file >> first && first >= 0) {
    int last = first;
    if (file.peek() == '-') {
      file.get();
      file >> last;
    }
    for (int cpu = first; file && cpu <= last && cpu < CPU_SETSIZE; ++cpu) cpus.push_back(cpu);
    if (file.get() != ',') break;
  }
  return cpus;
}

bool is_first_of_core(int cpu) {
  const std::string core = "/sys/devices/system/cpu/cpu" + std::to_string(cpu);
  const std::vector<int> siblings = read_cpu_list(core + "/topology/thread_siblings_list");
  return siblings.empty() || siblings.front() == cpu;
}

// The CPUs that this process may use, by node, one thread of each core before the others.
std::vector<std::vector<int>> cpus_by_node(const cpu_set_t& allowed) {
  const std::string folder = "/sys/devices/system/node/";
  std::vector<std::vector<int>> nodes;
  for (int node : read_cpu_list(folder + "online")) {
    std::vector<int> cpus = read_cpu_list(folder + "node" + std::to_string(node) + "/cpulist");
    std::erase_if(cpus, [&](int cpu) { return !CPU_ISSET(cpu, &allowed); });
    std::stable_partition(cpus.begin(), cpus.end(), is_first_of_core);
    if (!cpus.empty()) nodes.push_back(std::move(cpus));
  }
  if (nodes.empty()) {
    nodes.emplace_back();
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &allowed)) nodes.back().push_back(cpu);
    }
  }
  return nodes;
}

// One CPU per thread, or nothing when a node has too few.
std::vector<int> place(int threads, const cpu_set_t& allowed) {
  const std::vector<std::vector<int>> nodes = cpus_by_node(allowed);
  const int node_count = static_cast<int>(nodes.size());
  std::vector<size_t> used(nodes.size(), 0);
  std::vector<int> cpus;
  for (int thread = 0; thread < threads; ++thread) {
    const auto node = static_cast<size_t>(static_cast<int64_t>(thread) * node_count / threads);
    if (used[node] == nodes[node].size()) return {};
    cpus.push_back(nodes[node][used[node]++]);
  }
  return cpus;
}

void pin_this_thread(int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  sched_setaffinity(0, sizeof(one), &one);
}

}  // namespace

Range split(int64_t count, int64_t grain, int thread, int threads) {
  CHECK(count >= 0 && grain > 0 && thread >= 0 && thread < threads);
  const int64_t grains = (count + grain - 1) / grain;
  const int64_t each = grains / threads, rest = grains % threads;
  const int64_t begin = each * thread + std::min<int64_t>(thread, rest);
  const int64_t end = begin + each + (thread < rest ? 1 : 0);
  return {std::min(begin * grain, count), std::min(end * grain, count)};
}

Workers::Workers(int threads, bool pin) : queue_(threads), scratch_(static_cast<size_t>(threads)) {
  CHECK(threads >= 1);
  static_assert(sizeof(cpu_set_t) == sizeof(caller_cpus_));
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::vector<int> cpus;
  if (pin && sched_getaffinity(0, sizeof(allowed), &allowed) == 0) cpus = place(threads, allowed);
  pinned_ = !cpus.empty();
  std::memcpy(caller_cpus_.data(), &allowed, sizeof(allowed));
  for (int thread = 1; thread < threads; ++thread) {
    const int cpu = pinned_ ? cpus[static_cast<size_t>(thread)] : -1;
    helpers_.emplace_back([this, thread, cpu] {
      if (cpu >= 0) pin_this_thread(cpu);
      help(thread);
    });
  }
  if (pinned_) pin_this_thread(cpus.front());
}

Workers::~Workers() {
  function_ = nullptr;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
  if (pinned_) {
    cpu_set_t allowed;
    std::memcpy(&allowed, caller_cpus_.data(), sizeof(allowed));
    sched_setaffinity(0, sizeof(allowed), &allowed);
  }
}

void Workers::run_erased(Function function, void* context) {
  if (!helpers_.empty()) {
    function_ = function;
    context_ = context;
    pending_.store(static_cast<int32_t>(helpers_.size()), std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
  }
  function(context, 0);
  // A helper may have lost its CPU to another program: then this one gives way as well.
  for (int spins = 0; pending_.load(std::memory_order_acquire) != 0; ++spins) {
    spins < kSpins ? pause() : static_cast<void>(sched_yield());
  }
}

uint32_t Workers::await_work(uint32_t seen) {
  for (int spins = 0; spins < kSpins; ++spins) {
    const uint32_t round = round_.load(std::memory_order_acquire);
    if (round != seen) return round;
    pause();
  }
  round_.wait(seen, std::memory_order_acquire);
  return round_.load(std::memory_order_acquire);
}

void Workers::help(int thread) {
  for (uint32_t seen = 0;;) {
    seen = await_work(seen);
    if (function_ == nullptr) return;
    function_(context_, thread);
    pending_.fetch_sub(1, std::memory_order_release);
  }
}

void WorkQueue::reset(int64_t count) {
  const int threads = static_cast<int>(parts_.size());
  for (int thread = 0; thread < threads; ++thread) {
    const Range range = split(count, 1, thread, threads);
    Part& part = parts_[static_cast<size_t>(thread)];
    part.next.store(range.begin, std::memory_order_relaxed);
    part.end = range.end;
  }
}

int64_t WorkQueue::take(int thread) {
  const size_t threads = parts_.size();
  for (size_t i = 0; i < threads; ++i) {
    Part& part = parts_[(static_cast<size_t>(thread) + i) % threads];
    if (part.next.load(std::memory_order_relaxed) >= part.end) continue;
    const int64_t piece = part.next.fetch_add(1, std::memory_order_relaxed);
    if (piece < part.end) return piece;
  }
  return -1;
}

}  // namespace weft
