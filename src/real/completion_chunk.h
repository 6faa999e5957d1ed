// What a load generator reads of an OpenAI API's answers: one chunk of a streamed completion or
// chat completion, the list of models, and the count of tokens of a text.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft {

struct CompletionChunk {
  bool choice = false;    // there is a choice, with or without text
  bool content = false;   // text, reasoning or a tool call came with it
  bool finished = false;  // a finish_reason came with it
  // From `usage`, where the chunk has one.
  std::optional<int64_t> prompt_tokens, completion_tokens, cached_tokens;
  std::string error;  // the message of an error object; empty: none
};

class CompletionReader {
 public:
  CompletionReader();
  ~CompletionReader();

  // One event's data other than "[DONE]". kBadInput: no JSON, or an object that is neither a chunk
  // nor an error; the message shows what was found, short and on one line.
  Result<CompletionChunk> read(std::string_view json);

  // The message of a reply that is an error, if it has one in a known place; else its beginning.
  std::string read_error(std::string_view body);
  // Ids of GET /v1/models.
  Result<std::vector<std::string>> read_models(std::string_view body);
  // Of POST /tokenize, as vLLM answers: `count`, or the length of `tokens`.
  Result<int64_t> read_token_count(std::string_view body);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

// The beginning of bytes from outside, printable and on one line.
std::string shown_bytes(std::string_view bytes);

}  // namespace weft
