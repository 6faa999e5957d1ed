// Device: computes one step of one instance at a time.
#pragma once

#include "base/callback.h"
#include "model/batch.h"

namespace weft {

using StepDone = Completion<const StepOutput&>;

class Device {
 public:
  virtual ~Device() = default;
  // Starts a step; requires that none is under way. `batch` and what it points to stay valid until
  // `done` is called, on the loop, in a later turn or later in this one, never inside submit().
  virtual void submit(const Batch& batch, StepDone done) = 0;
};

}  // namespace weft
