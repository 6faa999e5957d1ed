// Hands a step to the thread that computes, and its answer to the loop.
#include "real/cpu_device.h"

#include <chrono>

#include "base/check.h"

namespace weft {

CpuDevice::CpuDevice(Loop& loop, const CpuModel& model, TokenBook& book,
                     const EngineInstanceConfig& config)
    : loop_(loop), model_(model), book_(book), config_(config), thread_([this] { compute(); }) {}

CpuDevice::~CpuDevice() {
  {
    const std::lock_guard lock(mutex_);
    stops_ = true;
  }
  wake_.notify_one();
  thread_.join();
  leave_all();
}

void CpuDevice::leave_all() {
  for (const RequestId request : used_) book_.leave(request);
  used_.clear();
}

void CpuDevice::submit(const Batch& batch, StepDone done) {
  CHECK(used_.empty() && parts_.empty(), "one step at a time");
  CHECK(batch.loads.size() == 1, "one data-parallel rank");
  done_ = std::move(done);
  part_of_.assign(batch.work.size(), 0);
  outputs_.assign(batch.work.size(), {});
  size_t blocks = 0;
  for (const SequenceWork& work : batch.work) blocks += work.table.size();
  tables_.clear();
  tables_.reserve(blocks);  // parts point into it
  for (size_t i = 0; i < batch.work.size(); ++i) {
    const SequenceWork& work = batch.work[i];
    if (work.tokens == 0) continue;
    TokenSequence* sequence = book_.use(work.request);
    if (sequence == nullptr) {  // nobody waits for it
      outputs_[i] = {work.samples ? 1 : 0, true};
      continue;
    }
    used_.push_back(work.request);
    const size_t first = tables_.size();
    tables_.insert(tables_.end(), work.table.begin(), work.table.end());
    parts_.push_back({.sequence = sequence,
                      .context = work.context.count(),
                      .tokens = work.tokens,
                      .decode = work.decode,
                      .samples = work.samples,
                      .table = std::span(tables_).subspan(first),
                      .output = {}});
    // A device that died may have added tokens that nobody heard of.
    sequence->truncate(work.generated);
    part_of_[i] = parts_.size();
  }
  {
    const std::lock_guard lock(mutex_);
    has_step_ = true;
    owner_ = LifetimeRef(lifetime_);
  }
  wake_.notify_one();
}

void CpuDevice::compute() {
  EngineInstance instance(model_, config_);
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return has_step_ || stops_; });
    if (stops_) return;
    has_step_ = false;
    LifetimeRef owner = std::move(owner_);
    lock.unlock();
    const auto start = std::chrono::steady_clock::now();
    instance.step(parts_);
    took_ = nanoseconds(std::chrono::duration_cast<std::chrono::nanoseconds>(
                            std::chrono::steady_clock::now() - start)
                            .count());
    loop_.inbox().post({std::move(owner), [this] { finished(); }});
    lock.lock();
  }
}

void CpuDevice::finished() {
  for (size_t i = 0; i < part_of_.size(); ++i) {
    if (part_of_[i] > 0) outputs_[i] = parts_[part_of_[i] - 1].output;
  }
  parts_.clear();
  leave_all();
  const StepDone done = std::move(done_);
  done({outputs_, took_});
}

}  // namespace weft
