// How a model is laid over dies: the parallel degrees, precision and knobs of one instance.
#pragma once

#include <string>

#include "base/result.h"
#include "hardware/hardware.h"
#include "model/role.h"
#include "model/shape.h"

namespace weft {

// Degrees in dies. dp * tp * pp is the instance's number of dies; sp shares the tp group; ep
// spreads the experts over dp * tp dies of a pipeline stage and divides it.
struct Parallel {
  int dp = 1;
  int tp = 1;
  int sp = 1;
  int ep = 1;
  int pp = 1;
};

struct InstanceLayout {
  Role role = Role::kUnified;
  int packages = 1;  // "devices" in a scenario
  Parallel parallel;
  Precision precision;
  int redundant_experts = 0;  // extra copies of routed experts over the EP group
  int microbatches = 1;
  int draft_tokens = 0;         // MTP tokens proposed per decode step
  double expert_imbalance = 0;  // hottest rank's expert load over the mean; 0: the engine's default
};

// "dp*tp*pp = 320 but 160 packages of 2 dies are 320" style check of the degrees against the
// hardware and the model. One sentence on what does not divide, and what would.
Status check_layout(const InstanceLayout& layout, const ModelShape& model, const System& system);

}  // namespace weft
