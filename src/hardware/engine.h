// Engine: what a serving engine's software adds to the arithmetic of a step, and how it batches.
// One entry of catalog/engines each; every constant has a source there, or the word "fitted".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weft {

// Times in seconds.
struct EngineCosts {
  // Between one kernel of a step and the next, and a small kernel (norm, rope, quantise, SwiGLU)
  // that only moves a few rows.
  double kernel_gap = 1e-6;
  double small_kernel = 2.5e-6;
  double kernels_per_attention = 5;  // small ones beside products and attention, each layer
  double kernels_per_dense_ffn = 3;
  double kernels_per_moe_ffn = 4;
  // Host's part of a step, and of each sequence in it.
  double host_step = 0.3e-3;
  double host_sequence = 5e-6;
  // Host's launching of one layer's kernels one by one, ahead of the device, in steps with prompts:
  // those are not captured in graphs.
  double eager_layer = 0.3e-3;
  // What an MoE layer's routing and experts add to that: many small kernels, launched from Python.
  double eager_experts = 0;
  double sampling = 50e-6;
  // Before a request reaches the scheduler: HTTP, tokenising; and per prompt token.
  double request = 2e-3;
  double request_token = 0;
  // What of the shorter of computation and expert exchange disappears under the other with two or
  // more micro-batches.
  double overlap_prefill = 0.8;
  double overlap_decode = 0.8;
  // What its kernels reach of the rates that catalog/kernels was fitted on: dense products and
  // prompts' attention, where operations bound them.
  double products_share = 1;
  double attention_share = 1;
  // Hottest rank's expert load over the mean, with the engine's expert balancing.
  double expert_imbalance = 1.35;
};

// How tokens reach their experts' dies and come back. kAllGather: everybody gets every token, and
// the parts are summed and scattered.
enum class ExchangeKind {
  kDeepEpLowLatency,
  kDeepEpNormal,
  kTrtllmOneSided,
  kTrtllmTwoSided,
  kCloudMatrix,
  kAllGather,
};
// The all-reduce of a tensor-parallel layer.
enum class AllReduceKind { kLibrary, kCustom, kTrtllm };
// Whose kernels compute experts that no exchange has sorted: TensorRT-LLM's, or those of the open
// engines (Triton, Marlin; their attention is FlashAttention's).
enum class ExpertKernels { kTrtllm, kOpen };

// What a step's time depends on.
struct EngineSpec {
  EngineCosts costs;
  ExchangeKind prefill_exchange = ExchangeKind::kDeepEpNormal;
  ExchangeKind decode_exchange = ExchangeKind::kDeepEpLowLatency;
  AllReduceKind all_reduce = AllReduceKind::kCustom;
  ExpertKernels expert_kernels = ExpertKernels::kTrtllm;
  bool captures_decode = true;   // decode steps are graphs, launched at once
  bool host_overlapped = false;  // the host's part runs beside the device's, and shows if longer
  bool quantizes_head = false;   // the head is multiplied in the layers' format, not in BF16
};

// What an engine's share of memory is a share of. kAll: of the die's memory, weights, buffers and
// KV together. kWeightsAndKv: of the die's memory, weights, KV and the runtime; activations lie
// beside them. kFree: of what weights and buffers leave, KV alone.
enum class MemoryShare { kAll, kWeightsAndKv, kFree };

// How it batches. 0: weft's own default for the role.
struct EngineScheduling {
  bool prefill_first = false;  // steps with prompts leave decodes out
  int64_t block_tokens = 0;
  int64_t max_sequences = 0;        // per data-parallel rank
  int64_t max_tokens_per_step = 0;  // per data-parallel rank
  bool prefix_caching = true;
  double memory_share = 0;         // of the device's memory, as memory_covers says
  double memory_reserve = 0;       // bytes of a device; above 0: what the share leaves out
  double memory_reserve_rank = 0;  // and for each data-parallel rank, where there is more than one
  MemoryShare memory_covers = MemoryShare::kAll;
  double logit_bytes = 4;  // memory that the sampler takes per sequence and word of the vocabulary
};

struct Engine {
  std::string name;
  std::string title;
  EngineScheduling scheduling;
  EngineSpec spec;
  std::vector<std::string> fitted;  // keys of the constants that were fitted to published cases
};

// A constant of EngineCosts as the catalog and the fit know it.
struct EngineConstant {
  const char* key;  // "host_step_us"
  double EngineCosts::*member;
  double per_unit;  // the key's unit in a second: 1e6 for microseconds; 1: a number or a share
  double least;     // in seconds: what is physically possible
  double most;
  double start = 0;  // where a fit begins that has seen no case; 0: the default
};
const std::vector<EngineConstant>& engine_constants();
// Puts what was fitted back to the defaults, as if no case had been seen.
void reset_fitted(Engine& engine);

}  // namespace weft
