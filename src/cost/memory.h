// Memory of one die under a layout: weights, buffers, and what is left for KV blocks.
#pragma once

#include <string>

#include "base/result.h"
#include "cost/deployment.h"
#include "hardware/engine.h"

namespace weft {

struct MemoryPlan {
  double capacity = 0;               // bytes per die for what follows, the engine's share taken
  double weights = 0;                // bytes per die
  double buffers = 0;                // activations, dispatch and combine buffers, runtime
  double kv = 0;                     // what is left for KV
  double kv_bytes_per_token = 0;     // per die, for one token of one sequence of its rank
  double kv_bytes_per_sequence = 0;  // per die, whatever the length (windows)
  int64_t blocks_per_rank = 0;       // KV blocks of block_tokens that one data-parallel rank holds
};

struct MemoryLimits {
  Tokens block;                                   // tokens per KV block
  int64_t max_tokens_per_step = 0;                // per instance
  int64_t max_sequences = 0;                      // per instance, in flight
  double memory_share = 0.92;                     // of the die's memory that the engine may use ...
  MemoryShare memory_covers = MemoryShare::kAll;  // ... for what (hardware/engine.h)
  double logit_bytes = 4;  // of the sampler, per sequence and word of the vocabulary
};

// The share of memory, what it covers and the sampler's part: `given` by a deployment or case, or
// (0) the engine's; where neither says, 0.92.
void set_memory_share(MemoryLimits& limits, const EngineScheduling& engine, double given, int dp,
                      const Chip& chip);

// kBadInput when the weights do not fit or no block is left: says by how many GiB per die, and what
// would fit (a larger parallel degree, a smaller format).
Result<MemoryPlan> plan_memory(const ModelShape& model, const System& system,
                               const InstanceLayout& layout, const MemoryLimits& limits);

// The parts of the plan, in bytes per die. Require check_layout() to have passed.

// Weights of the fullest pipeline stage: attention (replicated over dp, split over tp as sharding.h
// says), dense and shared experts, routed experts with redundant copies over ep, router in BF16,
// embedding and head in BF16 split over tp, and the MTP module when draft tokens are proposed.
double weight_bytes(const ModelShape& model, const System& system, const InstanceLayout& layout);

// Dispatch and combine buffers, CM equations 1 and 2: ranks x tokens x message, where tokens = the
// die's own x min(top-k, experts per die): 645 MB at 96 tokens per die and 320 ranks. Decode holds
// its whole batch; where a die brings more than 256 tokens, exchange goes on in pieces of 256 (as
// DeepEP's normal kernels do in their receive buffers).
double exchange_bytes(const ModelShape& model, const System& system, const InstanceLayout& layout,
                      double tokens_per_die);

// Activations of one micro-batch: residual rows, heads, and the widest of attention, dense FFN and
// the hottest die's expert rows; and the sampler's logits.
double workspace_bytes(const ModelShape& model, const System& system, const InstanceLayout& layout,
                       const MemoryLimits& limits);

}  // namespace weft
