// Sampler: from the logits of one position to a token. The order, which is vLLM's: mask of allowed
// tokens; logit bias; repetition, then frequency and presence penalties; temperature; top-k, then
// top-p, then min-p; a draw. Log probabilities are those of the raw logits (log-softmax before
// any of this).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/sampling.h"

namespace weft {

// How often tokens occurred, for the penalties. Small: only what occurred is kept.
class TokenCounts {
 public:
  struct Entry {
    int32_t id;
    int32_t output;  // times in the output; 0: only in the prompt
  };
  void add_prompt(std::span<const int32_t> ids);
  void add_output(int32_t id);
  [[nodiscard]] std::span<const Entry> entries() const { return entries_; }

 private:
  Entry& entry(int32_t id);
  std::vector<Entry> entries_;  // by rising id
};

class Sampler {
 public:
  // Chooses a token; changes `logits` (one per token of the vocabulary, not empty, NaN counts as
  // minus infinity). `position` counts the sequence's tokens: seed and position alone decide the
  // draw, whatever else is in the batch. `allowed`: empty, or a bit per token, lowest first; when
  // nothing is allowed, or nothing is above minus infinity, the token is -1.
  Sample sample(std::span<float> logits, const SamplingParams& params, const TokenCounts& counts,
                uint64_t position, std::span<const uint32_t> allowed = {});

 private:
  void keep_top(std::span<const float> logits, const SamplingParams& params);
  int32_t draw(const SamplingParams& params, uint64_t position) const;

  struct Candidate {
    int32_t id;
    float logit;
    double weight;  // exp(logit - highest)
  };
  std::vector<Candidate> candidates_;  // kept between calls for its memory
};

// The likeliest token, the lowest id of equals; -1 when all are minus infinity or NaN.
int32_t greedy_token(std::span<const float> logits);

}  // namespace weft
