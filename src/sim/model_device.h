// ModelDevice: a device that takes the time the cost model says. Twin of real/cpu_device.h.
#pragma once

#include <vector>

#include "cost/step_model.h"
#include "ports/device.h"
#include "runtime/loop.h"

namespace weft {

struct ModelDeviceConfig {
  uint64_t seed = 0;
  double acceptance = 0;  // chance that a draft token is accepted, given that those before it were
};

class ModelDevice final : public Device {
 public:
  // `model` outlives the device; instances of one kind share it.
  ModelDevice(Loop& loop, const StepModel& model, const ModelDeviceConfig& config);

  void submit(const Batch& batch, StepDone done) override;

  // A fault: steps take this many times as long from the next one on (1: healthy). One slow die
  // slows the whole instance, for every layer waits for it.
  void set_slowdown(double factor) { slowdown_ = factor; }

 private:
  void fire();
  void fill_outputs(const Batch& batch);

  const StepModel& model_;
  uint64_t seed_;
  uint64_t accept_below_;  // a 53-bit draw under this accepts
  double slowdown_ = 1.0;
  std::vector<SequenceOutput> outputs_;
  Duration took_;
  StepDone done_;
  Timer timer_;
  Loop& loop_;
};

}  // namespace weft
