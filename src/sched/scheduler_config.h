// SchedulerConfig: the limits and habits of one instance's scheduler.
#pragma once

#include <cstdint>

#include "base/quantity.h"
#include "model/role.h"

namespace weft {

struct SchedulerConfig {
  Role role = Role::kUnified;
  int ranks = 1;      // data-parallel ranks, each with a pool of its own
  Tokens block{128};  // tokens per KV block
  int64_t blocks_per_rank = 0;
  int64_t max_tokens_per_rank = 8192;    // computed in one step
  int64_t max_sequences_per_rank = 256;  // running or loading at a time
  int64_t max_waiting = 65536;           // per instance; more are refused
  int draft_tokens = 0;                  // MTP: proposed per decode step
  bool prefix_caching = true;
  bool prefill_first = false;  // steps that compute prompts leave decoding sequences out
};

}  // namespace weft
