// The roofline: a kernel takes the longer of its operations over the chip's rate and its bytes over
// the memory's (Williams, Waterman and Patterson, 2009). Coefficients are seconds, made once.
#pragma once

#include <algorithm>
#include <array>

#include "cost/engine_costs.h"
#include "hardware/hardware.h"

namespace weft {

// What a die's kernels reach, or what it peaks at.
struct Rates {
  std::array<double, kFormats> products{};  // operations per second of matrix products
  double attention = 0;                     // of attention kernels
  double memory = 0;                        // bytes per second

  [[nodiscard]] double of(Format format) const { return products[static_cast<size_t>(format)]; }
};

// Attention computes in BF16 whatever KV is kept in (FlashMLA and CANN dequantise first).
inline Rates reached_rates(const Chip& chip, const EngineCosts& engine) {
  Rates rates;
  for (size_t f = 0; f < rates.products.size(); ++f) {
    rates.products[f] = chip.matrix_ops[f] * chip.matrix_efficiency;
  }
  rates.attention = rates.of(Format::kBf16) * engine.attention_share;
  rates.memory = chip.memory_bandwidth * chip.memory_efficiency;
  return rates;
}

// The bound lets attention compute in KV's own format where the chip can.
inline Rates peak_rates(const Chip& chip, Format kv) {
  return {chip.matrix_ops, std::max(chip.ops(Format::kBf16), chip.ops(kv)), chip.memory_bandwidth};
}

// Products of `tokens` rows with weights that are read once.
struct Product {
  double compute = 0;  // seconds per token
  double weights = 0;  // seconds, whatever the tokens
  double traffic = 0;  // seconds per token: rows in and out

  [[nodiscard]] double memory(double tokens) const { return weights + traffic * tokens; }
  [[nodiscard]] double seconds(double tokens) const {
    return std::max(compute * tokens, memory(tokens));
  }
  [[nodiscard]] bool compute_bound(double tokens) const {
    return compute * tokens >= memory(tokens);
  }
};

// A fixed cost and one per token.
struct Line {
  double fixed = 0;
  double per_token = 0;

  [[nodiscard]] double seconds(double tokens) const { return fixed + per_token * tokens; }
};

}  // namespace weft
