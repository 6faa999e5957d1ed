// Time of an expert group's dispatch and combine by kind of software:
//   seconds = fixed(experts, dies, domains) + tokens x (longer + exposed x shorter),
// of a transfer (the busier of the scale-up and the scale-out link) and the cores' work. Linear in
// the tokens, so that a plan costs nanoseconds.
#pragma once

#include "hardware/hardware.h"
#include "hardware/link_constants.h"
#include "model/format.h"

namespace weft {

// DeepEP's low-latency kernels send every copy alone, its normal kernels once per domain, to fan
// out there (deepseek-ai/DeepEP, docs/legacy.md); TensorRT-LLM's NVLink all-to-all sends once per
// die; CloudMatrix's FusedDispatch and FusedCombine each copy (CM section 4.2.1, arXiv
// 2506.12708v2).
struct ExchangeRoute {
  ExchangeSoftware software = ExchangeSoftware::kDeepEpLowLatency;
  int dies = 1;               // expert-parallel ranks
  int experts = 256;          // routed ones and their replicas, of the group
  int copies = 8;             // per token, the shared expert's too where it is exchanged
  bool is_even = false;       // copies go to as many dies as they can; else drawn evenly at random
  double domain_limit = 1e9;  // group-limited routing: domains (nodes) that a token goes to
  double cores = 0;           // that normal kernels take; 0: the software's default
  bool is_out_only = false;   // low-latency kernels before they used NVLink: all over scale-out
};

// What one token's one copy is on the wire, with its scales and header.
struct ExchangeRow {
  double dispatch = 0;  // bytes
  double combine = 0;
};
// DeepEP: a scale per 128 values and 16 bytes of header; CloudMatrix: a slot of 512 bytes; NVFP4: a
// scale per 16 values. Combine is BF16.
ExchangeRow exchange_row(ExchangeSoftware software, Format dispatch, double hidden);

struct ExchangePlan {
  double fixed = 0;      // seconds
  double per_token = 0;  // seconds per token of one die
  // Part of the two during which its cores are taken; the rest is transfer alone, and other work
  // may run meanwhile (low-latency kernels with a receive hook).
  double busy_fixed = 0;
  double busy_per_token = 0;

  [[nodiscard]] double seconds(double tokens) const { return fixed + per_token * tokens; }
  [[nodiscard]] double busy_seconds(double tokens) const {
    return busy_fixed + busy_per_token * tokens;
  }
};

// `row`: bytes of a copy in this direction.
ExchangePlan plan_dispatch(const System& system, const ExchangeConstants& constants,
                           const ExchangeRoute& route, double row);
ExchangePlan plan_combine(const System& system, const ExchangeConstants& constants,
                          const ExchangeRoute& route, double row);

// Copies of one token that travel, as means over tokens.
struct ExchangeCopies {
  double all = 0;      // those that the cores handle
  double inside = 0;   // leave the die over the scale-up link
  double outside = 0;  // leave over the scale-out link
  double domains = 0;  // domains that copies go to, where one goes to each
};
ExchangeCopies exchange_copies(const System& system, const ExchangeRoute& route);

}  // namespace weft
