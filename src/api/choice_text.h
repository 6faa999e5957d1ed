// ChoiceText: what one choice of an answer says, from its tokens: whole characters, cut before the
// stop strings, calls of tools told from text. One for each choice; pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "api/request.h"
#include "api/response.h"
#include "api/stop_strings.h"
#include "api/tool_parser.h"
#include "model/tokenizer.h"

namespace weft {

class ChoiceText {
 public:
  // `tokenizer` must outlive it. `format` is kNone unless the request may call tools. `seed` makes
  // the ids of calls: another for each choice.
  ChoiceText(const Tokenizer& tokenizer, const GenerationOptions& options, ToolFormat format,
             uint64_t seed);

  // What the token makes clear, perhaps nothing. The token that ends the text (of the model or of
  // stop_token_ids) is not to be added. Nothing comes after a stop string.
  ToolOutput add(int32_t token);
  // What was held back. Once, at the end.
  ToolOutput finish();

  // Characters of the text that the tokens so far made clear, with what stop strings and calls hold
  // back; a token begins there, or where it completes a character that another began.
  [[nodiscard]] int64_t characters() const { return characters_; }
  // A stop string was met: no more tokens are needed.
  [[nodiscard]] bool has_stopped() const { return stops_.found().has_value(); }
  // That string, or "".
  [[nodiscard]] std::string_view stop() const;
  // Why it ended. Requires finish().
  [[nodiscard]] FinishReason reason(bool reached_length) const;

 private:
  const Tokenizer& tokenizer_;
  Detokenizer detokenizer_;
  StopStrings stops_;
  ToolParser tools_;
  std::vector<std::string> stop_strings_;
  std::vector<int32_t> markers_;  // special tokens that mark calls
  int64_t min_tokens_;
  int64_t tokens_ = 0;
  int64_t characters_ = 0;
};

// The format to read a request's answer with: none where no tool may be called, or where the answer
// has to be JSON.
ToolFormat answer_format(const ChatRequest& request, ToolFormat of_template);

}  // namespace weft
