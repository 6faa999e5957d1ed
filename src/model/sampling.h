// How a request wants its tokens chosen, and what comes of one choice: plain data that the API
// reads and writes and the engine's sampler (engine/sampler.h) acts on.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/result.h"

namespace weft {

struct SamplingParams {
  double temperature = 1.0;         // 0: the likeliest token
  int32_t top_k = 0;                // 0: all
  double top_p = 1.0;               // in (0, 1]
  double min_p = 0.0;               // least share of the likeliest token's probability
  double repetition_penalty = 1.0;  // > 0; for tokens of prompt and output
  double presence_penalty = 0.0;    // for tokens of the output
  double frequency_penalty = 0.0;   // for each time in the output
  std::vector<std::pair<int32_t, float>> logit_bias = {};  // by rising id, each once
  uint64_t seed = 0;
  int32_t logprobs = -1;  // -1: none; n: of the token and of the n likeliest
};

// kBadInput: "temperature: found -1, expected ...". Ids are checked against `vocab`.
Status check_sampling(const SamplingParams& params, int32_t vocab);

inline constexpr int32_t kMaxLogprobs = 20;

struct TokenLogprob {
  int32_t id = -1;
  float logprob = 0;
};

struct Sample {
  TokenLogprob token;             // logprob is 0 where none was asked for
  std::vector<TokenLogprob> top;  // likeliest first, ties by lower id
};

}  // namespace weft
