// Loads of one rank for the tests of this folder: decodes, and prompts computed whole.
#pragma once

#include "model/batch.h"

namespace weft::fixtures {

inline RankLoad decode_load(int sequences, int64_t context, int draft_tokens = 0) {
  RankLoad load;
  load.decode_sequences = load.sampled = sequences;
  load.decode_tokens = sequences * (1 + draft_tokens);
  load.decode_context = sequences * context;
  return load;
}

inline RankLoad prompt_load(int sequences, int64_t tokens) {
  RankLoad load;
  load.prefill_sequences = load.sampled = sequences;
  load.prefill_tokens = sequences * tokens;
  load.prefill_longest = tokens;
  const auto n = static_cast<double>(tokens);
  load.prefill_products = sequences * n * (n + 1) / 2;
  return load;
}

}  // namespace weft::fixtures
