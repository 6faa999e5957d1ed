// Fits the constants of the cost model (hardware/gemm_constants.h, attention_constants.h, engine.h)
// to what the engine's kernels and steps took here.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "apps/kernel_timing.h"
#include "cost/deployment.h"
#include "cost/gemm_cost.h"
#include "hardware/hardware.h"

namespace weft {

struct FitParameter {
  double* value = nullptr;
  double least = 0;
  double most = 1;
};

// Moves the parameters, one after the other by ever smaller steps, to where `error` is least; gives
// that error. Deterministic.
double fit(std::span<const FitParameter> parameters, const std::function<double()>& error);

// sqrt(mean(log(predicted / measured)^2)) over what both have.
double log_error(std::span<const double> predicted, std::span<const double> measured);

struct ProductFit {
  GemmConstants constants;
  double error = 0;  // log_error() of the points
};
// `bytes`: of a weight and of an activation, as they are multiplied.
ProductFit fit_products(std::span<const ProductPoint> points, double weight_bytes,
                        double activation_bytes, const GemmPeaks& peaks);

struct AttentionFitted {
  AttentionPrefillConstants prefill;
  AttentionDecodeConstants decode;
  double prefill_error = 0;
  double decode_error = 0;
};
// With the kernels that the cost model takes for this model's attention.
AttentionFitted fit_attention(std::span<const AttentionPoint> points, const ModelShape& model,
                              const System& system, Format kv);

// Puts the constants where the cost model looks for those of grouped or latent attention.
void set_attention(Chip& chip, AttentionKind kind, Format kv, const AttentionFitted& fitted);

// A step of the engine, and how long it took.
struct StepPoint {
  RankLoad load;
  double seconds = 0;
};
// Where a fit of whole steps begins and what it changes.
struct StepFit {
  System system;  // constants of its kernels, as they were timed alone
  EngineSpec engine;
  AttentionFitted attention;  // of the layout's KV format
  double error = 0;           // log_error() of the steps
};
// What whole steps take beside their kernels: EngineCosts::small_kernel, a time per layer;
// GemmConstants::passes of `kind`, a time per token; and how much less of their rates kernels reach
// in a step than alone (products_share, memory shares).
void fit_steps(std::span<const StepPoint> points, const ModelShape& model,
               const InstanceLayout& layout, GemmKind kind, StepFit& fit);

}  // namespace weft
