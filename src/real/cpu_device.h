// CpuDevice: computes steps with the engine on this machine's processors, on a thread of its own.
// Twin of sim/model_device.h.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/instance.h"
#include "engine/token_book.h"
#include "ports/device.h"
#include "runtime/loop.h"

namespace weft {

class CpuDevice final : public Device {
 public:
  // `model` and `book` outlive the device. The thread that computes makes the instance, so that its
  // memory lies where it is used.
  CpuDevice(Loop& loop, const CpuModel& model, TokenBook& book, const EngineInstanceConfig& config);
  // Waits for the step under way.
  ~CpuDevice() override;

  // Requires one data-parallel rank.
  void submit(const Batch& batch, StepDone done) override;

 private:
  void compute();
  void finished();
  void leave_all();

  Loop& loop_;
  const CpuModel& model_;
  TokenBook& book_;
  EngineInstanceConfig config_;
  std::vector<RequestId> used_;  // in the book, for the step under way
  std::vector<EnginePart> parts_;
  std::vector<BlockId> tables_;  // theirs: a node that dies takes its own along
  std::vector<size_t> part_of_;  // by work: its part + 1, or 0
  std::vector<SequenceOutput> outputs_;
  StepDone done_;
  Duration took_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool has_step_ = false;
  bool stops_ = false;
  LifetimeRef owner_;  // for the answer to the step under way
  Lifetime lifetime_;
  std::thread thread_;
};

}  // namespace weft
