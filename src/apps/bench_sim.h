// The simulator's own benchmark: whole scenarios, each in a process of its own, beside the bound
// that their events and tokens allow.
#pragma once

#include <string>

#include "base/result.h"

namespace weft {

struct BenchSimOptions {
  bool quick = false;
  std::string only;
  std::string json;
};

Status bench_sim(const BenchSimOptions& options);

}  // namespace weft
