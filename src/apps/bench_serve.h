// weft bench serve: load on any OpenAI-compatible server, and what its users would have seen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace weft {

struct BenchServeOptions {
  std::string url;
  std::string model;     // empty: the first that the server lists
  std::string workload;  // a TOML file: a scenario with [workload], or that table alone
  std::string trace;
  std::optional<double> speedup;
  std::optional<double> rate;
  std::string process = "poisson";
  double cv = 2;  // of gamma
  std::optional<int> concurrency;
  std::optional<uint64_t> requests;
  std::optional<double> duration_s;
  int64_t input_tokens = 512;
  int64_t output_tokens = 128;
  double prefix_reuse = 0;
  int64_t shared_prefix = 0;
  std::string endpoint = "completions";
  bool token_ids = false;
  std::vector<int64_t> token_range;  // low, and one past the last
  std::optional<double> slo_ttft_ms, slo_tpot_ms;
  uint64_t seed = 1;
  std::string api_key;
  double timeout_s = 600;
  std::string json;
};

Status bench_serve(const BenchServeOptions& options);

}  // namespace weft
