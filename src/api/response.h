// Answers in OpenAI's shapes: whole ones, chunks of a stream as server-sent events, lists of
// models. Everything is appended to a string of the caller's, who keeps it for its memory; a chunk
// with one token costs less than a microsecond.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/error.h"
#include "api/tool_parser.h"
#include "model/sampling.h"
#include "model/tokenizer.h"

namespace weft {

enum class FinishReason { kStop, kLength, kToolCalls };

struct Usage {
  int64_t prompt = 0;  // tokens
  int64_t completion = 0;
  int64_t cached = 0;  // of the prompt, found in the cache
};

// What all parts of one answer share.
struct AnswerHead {
  std::string id;       // "chatcmpl-..." or "cmpl-..."
  int64_t created = 0;  // seconds since 1970
  std::string model;
  std::string fingerprint;  // system_fingerprint; "": null
};

// A "chatcmpl-" or "cmpl-" with 24 hexadecimal digits of `seed`.
std::string chat_id(uint64_t seed);
std::string completion_id(uint64_t seed);

// One finished choice. Samples are empty unless log probabilities were asked for.
struct ChatChoice {
  int64_t index = 0;
  std::string content;
  std::vector<ToolCall> calls;
  FinishReason finish = FinishReason::kStop;
  std::string stop;  // the stop string that was met, or ""
  bool has_logprobs = false;
  std::vector<Sample> samples;
};
struct CompletionChoice {
  int64_t index = 0;
  std::string text;
  FinishReason finish = FinishReason::kStop;
  std::string stop;
  bool has_logprobs = false;
  std::vector<Sample> samples;
  std::vector<int64_t> offsets;  // characters of the text before each sample
};

std::string chat_response(const AnswerHead& head, std::span<const ChatChoice> choices,
                          const Usage& usage, const Tokenizer& tokenizer);
std::string completion_response(const AnswerHead& head, std::span<const CompletionChoice> choices,
                                const Usage& usage, const Tokenizer& tokenizer);

// The events of a stream of chat chunks. Order for each choice: role, any of content and call,
// finish; then, when asked for, usage; then append_done().
class ChatChunks {
 public:
  // With `has_usage` every chunk says "usage": null, as OpenAI does with include_usage.
  ChatChunks(const AnswerHead& head, const Tokenizer& tokenizer, bool has_usage);

  void role(std::string& out, int64_t index) const;
  // `samples`: of the tokens behind the text when log probabilities were asked for.
  void content(std::string& out, int64_t index, std::string_view text,
               std::span<const Sample> samples = {}, const Usage* usage = nullptr) const;
  // A whole call, the `number`-th of its choice.
  void call(std::string& out, int64_t index, size_t number, const ToolCall& call) const;
  void finish(std::string& out, int64_t index, FinishReason reason,
              std::string_view stop = {}) const;
  void usage(std::string& out, const Usage& usage) const;

 private:
  void begin(std::string& out, int64_t index) const;

  const Tokenizer& tokenizer_;
  bool has_usage_;
  std::string before_choices_;  // up to the list of choices
};

// The same for text completions: any of text, then finish.
class CompletionChunks {
 public:
  CompletionChunks(const AnswerHead& head, const Tokenizer& tokenizer, bool has_usage);
  // `offsets`: characters of the choice's text before each sample.
  void text(std::string& out, int64_t index, std::string_view text,
            std::span<const Sample> samples = {}, std::span<const int64_t> offsets = {},
            const Usage* usage = nullptr) const;
  void finish(std::string& out, int64_t index, FinishReason reason,
              std::string_view stop = {}) const;
  void usage(std::string& out, const Usage& usage) const;

 private:
  const Tokenizer& tokenizer_;
  bool has_usage_;
  std::string before_choices_;
};

// "data: [DONE]", and an error amid a stream, after which nothing but it comes.
void append_done(std::string& out);
void append_stream_error(std::string& out, const ApiError& error);

struct ModelInfo {
  std::string id;
  int64_t created = 0;
  int64_t context = 0;  // max_model_len
};
std::string models_response(std::span<const ModelInfo> models);
std::string model_response(const ModelInfo& model);
std::string tokenize_response(std::span<const int32_t> tokens, int64_t context);
std::string detokenize_response(std::string_view text);

// Characters of well-formed UTF-8, as text_offset counts them.
int64_t character_count(std::string_view text);

}  // namespace weft
