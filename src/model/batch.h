// Batch: the work of one step of an instance; StepOutput: what came of it. Plain data, shared by
// the scheduler that plans it and the device that computes it.
#pragma once

#include <cstdint>
#include <span>

#include "base/quantity.h"
#include "base/time.h"

namespace weft {

// One sequence's part of a step.
struct SequenceWork {
  RequestId request;
  Tokens context;         // tokens whose KV is in place before the step
  int32_t tokens = 0;     // tokens computed in the step: a chunk of the prompt, or 1 + draft
                          // tokens; 0: the sequence sits this step out
  uint16_t rank = 0;      // data-parallel rank that holds the sequence
  bool decode = false;    // decode step (1 + draft tokens), else a chunk of prefill
  bool samples = false;   // the step ends in a new token (every decode, the last chunk)
  uint32_t slot = 0;      // the scheduler's own index of the sequence
  int64_t generated = 0;  // output tokens so far
  std::span<const BlockId> table;  // the blocks of the sequence, in order
};

// What one data-parallel rank computes in a step: the sums that its time depends on.
struct RankLoad {
  int64_t prefill_tokens = 0;   // prompt tokens computed
  double prefill_products = 0;  // sum over chunks of queries x mean keys seen (q (c + (q+1)/2))
  int64_t prefill_context = 0;  // sum over chunks of the KV tokens read from before the chunk
  int64_t prefill_longest = 0;  // not a sum: the most keys that any query of a chunk sees
  int32_t prefill_sequences = 0;
  int32_t decode_sequences = 0;
  int64_t decode_tokens = 0;   // sequences x (1 + draft tokens)
  int64_t decode_context = 0;  // sum over decode sequences of the KV tokens read
  int32_t sampled = 0;         // sequences that end the step with a new token

  auto operator<=>(const RankLoad&) const = default;
};

struct Batch {
  uint64_t step = 0;                   // counts the instance's steps, from 1
  std::span<const SequenceWork> work;  // stays valid until the step is done
  std::span<const RankLoad> loads;     // one per data-parallel rank
  int64_t tokens = 0;                  // computed in the step, all ranks
};

// Tokens that one sequence gained: 0 for a chunk that is not the prompt's last, up to 1 + draft.
struct SequenceOutput {
  int32_t tokens = 0;
  bool end = false;  // the model said stop
};

struct StepOutput {
  std::span<const SequenceOutput> outputs;  // one per SequenceWork, in the batch's order
  Duration took;
};

}  // namespace weft
