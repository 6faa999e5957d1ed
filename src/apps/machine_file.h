// The hardware file of --calibrate as text: a system of one package with the constants of its
// kernels and of the engine's steps.
#pragma once

#include <string>
#include <vector>

#include "apps/kernel_fit.h"

namespace weft {

// Sizes that a kernel was timed with; of decode attention, sequences and keys are m and n.
struct TimedRange {
  double least_m = 0, most_m = 0;
  double least_n = 0, most_n = 0;
  double least_k = 0, most_k = 0;
};

struct CalibratedProducts {
  const char* name = "";  // "int8", as catalog/kernels has it
  GemmKind kind = GemmKind::kBf16;
  ProductFit fit;
  TimedRange range;
};

struct CalibratedAttention {
  Format kv = Format::kBf16;
  AttentionFitted fit;
  TimedRange prefill;  // m: sequences, n: keys
  TimedRange decode;
};

// What one machine was found to do.
struct Calibration {
  std::string machine;  // "2 threads, amx"
  std::string model;    // whose shapes were timed
  AttentionKind attention_kind = AttentionKind::kGqa;
  System system;  // peaks, memory, constants
  EngineSpec engine;
  std::vector<CalibratedProducts> products;
  std::vector<CalibratedAttention> attention;
  double step_error = 0;
};

std::string machine_file(const Calibration& calibration);

}  // namespace weft
