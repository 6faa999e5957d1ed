// LoadPrompts: the bodies of requests for any OpenAI-compatible server, out of arrivals that say
// how many tokens and which contents.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/segments.h"

namespace weft {

// How a text of so many words becomes tokens at the server: tokens = fixed + per_word * words.
struct WordScale {
  double fixed = 0;  // of a chat template, and of a beginning-of-text token
  double per_word = 1;
};
// The line through two measured points; words_a < words_b. Nothing sensible: one token a word.
WordScale fit_words(int64_t words_a, int64_t tokens_a, int64_t words_b, int64_t tokens_b);

struct TokenRange {
  int64_t low = 1000;
  int64_t high = 10000;  // one past the last
};

struct LoadPromptsConfig {
  std::string model;
  bool chat = false;
  std::optional<TokenRange> token_ids;  // prompts as token ids; not with chat
  bool ignore_eos = true;               // asks for every output token; not all servers know it
  bool usage = true;                    // asks for stream_options.include_usage
  uint64_t seed = 1;
};

// Equal contents give equal words or ids: what two arrivals share by their segments is shared in
// the text, from its start; the rest is like no other prompt of this seed.
class LoadPrompts {
 public:
  explicit LoadPrompts(LoadPromptsConfig config);

  void scale(WordScale scale) { scale_ = scale; }
  [[nodiscard]] const LoadPromptsConfig& config() const { return config_; }
  [[nodiscard]] const char* path() const;

  // The JSON of one streamed request.
  [[nodiscard]] std::string body(const Arrival& arrival) const;
  // `words` words as one text that belongs to `key`; and the request that has it as its prompt.
  [[nodiscard]] std::string text(uint64_t key, int64_t words) const;
  [[nodiscard]] std::string text_body(uint64_t key, int64_t words, int64_t output) const;

 private:
  [[nodiscard]] std::string begin(int64_t output) const;
  void add_words(std::string& out, const Arrival& arrival) const;
  void add_ids(std::string& out, const Arrival& arrival) const;
  [[nodiscard]] std::string around(const std::string& text, int64_t output) const;

  LoadPromptsConfig config_;
  WordScale scale_;
  std::string quoted_model_;
};

}  // namespace weft
