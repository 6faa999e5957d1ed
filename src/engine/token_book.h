// TokenBook: the tokens of every request that is under way, in one place for all devices of a
// process. The scheduler counts tokens; here they are. A device adds what it makes, in the order of
// the sequence; the front reads it.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/flat_map.h"
#include "base/quantity.h"
#include "engine/sampler.h"
#include "model/token_mask.h"

namespace weft {

// One request's tokens and how to go on with them.
struct TokenSequence {
  std::vector<int32_t> tokens;  // the prompt, then the output
  int64_t prompt = 0;
  int64_t max_output = 0;
  SamplingParams sampling;
  std::vector<int32_t> stop_tokens;  // the first of these ends the output, and is part of it
  int64_t min_output = 0;            // before that many tokens none of these comes
  std::unique_ptr<TokenConstraint> constraint;  // what the output has to follow, or null
  std::vector<Sample> samples;  // of each output token, if sampling.logprobs asks for them
  bool failed = false;          // the model gave no number to choose by

  // The device's own.
  TokenCounts counts;           // for penalties, when there are any
  std::vector<int32_t> drafts;  // proposed for the positions after `tokens`
  int users = 0;                // steps under way that read this
  bool closed = false;

  [[nodiscard]] int64_t generated() const { return static_cast<int64_t>(tokens.size()) - prompt; }
  [[nodiscard]] std::span<const int32_t> output() const {
    return std::span(tokens).subspan(static_cast<size_t>(prompt));
  }
  [[nodiscard]] bool has_penalties() const;
  // One more token of the output.
  void append(Sample sample);
  // Back to `generated` tokens of output, which it has.
  void truncate(int64_t generated);
};

// All calls on the loop's thread. Between use() and leave() a device's thread may read and extend
// the sequence, and nobody else looks at it.
class TokenBook {
 public:
  // Requires that `request` is not open.
  void open(RequestId request, TokenSequence sequence);
  // Null when it is not open.
  [[nodiscard]] TokenSequence* find(RequestId request);
  // Forgets it, once no step uses it any longer.
  void close(RequestId request);

  // For one step; null when nobody wants it any longer.
  TokenSequence* use(RequestId request);
  void leave(RequestId request);

  [[nodiscard]] size_t sequences() const { return sequences_.size(); }

 private:
  FlatMap<std::unique_ptr<TokenSequence>> sequences_;
};

}  // namespace weft
