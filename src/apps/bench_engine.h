// weft bench engine: how fast a checkpoint runs here, beside what this machine could do.
#pragma once

#include <string>
#include <vector>

#include "apps/local_model.h"
#include "base/result.h"

namespace weft {

struct BenchEngineOptions {
  LocalModelOptions model;
  int64_t prompt = 512;
  std::vector<int64_t> batches = {1, 4, 16};
  int64_t steps = 32;
  int repeats = 5;
  std::string json;
};

Status bench_engine(const BenchEngineOptions& options);

}  // namespace weft
