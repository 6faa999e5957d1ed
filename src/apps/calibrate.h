// weft bench engine --calibrate: measures this machine and writes a hardware file, with which
// `weft simulate` and `weft estimate` foresee weft's own engine here.
#pragma once

#include <string>

#include "apps/local_model.h"
#include "base/result.h"

namespace weft {

struct CalibrateOptions {
  LocalModelOptions model;  // without a folder: one that is made for this, of random weights
  std::string file;
  double seconds = 20;  // that kernels are timed for, about; steps and packing come on top
};

// Prints how far the constants are from what was measured, and the steps' times beside the cost
// model's, as the file that was written gives them.
Status calibrate(const CalibrateOptions& options);

}  // namespace weft
