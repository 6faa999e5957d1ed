// Answers, written field by field.
#include "api/response.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/json_text.h"
#include "api/logprobs.h"
#include "base/random.h"

namespace weft {
namespace {

std::string_view name_of(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kToolCalls:
      break;
  }
  return "tool_calls";
}

void append_head(std::string& out, const AnswerHead& head, std::string_view object) {
  out += R"({"id":)";
  append_json(out, head.id);
  out += R"(,"object":")";
  out += object;
  out += R"(","created":)";
  append_json(out, head.created);
  out += R"(,"model":)";
  append_json(out, head.model);
  out += R"(,"system_fingerprint":)";
  append_json_or_null(out, head.fingerprint);
  out += R"(,"choices":[)";
}

void append_usage(std::string& out, const Usage& usage) {
  out += R"({"prompt_tokens":)";
  append_json(out, usage.prompt);
  out += R"(,"completion_tokens":)";
  append_json(out, usage.completion);
  out += R"(,"total_tokens":)";
  append_json(out, usage.prompt + usage.completion);
  out += R"(,"prompt_tokens_details":{"cached_tokens":)";
  append_json(out, usage.cached);
  out += "}}";
}

void append_finish(std::string& out, FinishReason reason, std::string_view stop) {
  out += R"(,"finish_reason":")";
  out += name_of(reason);
  out += R"(","stop_reason":)";
  append_json_or_null(out, stop);
}

void append_call(std::string& out, const ToolCall& call) {
  out += R"("id":)";
  append_json(out, call.id);
  out += R"(,"type":"function","function":{"name":)";
  append_json(out, call.name);
  out += R"(,"arguments":)";
  append_json(out, call.arguments);
  out += "}}";
}

void append_chat_choice(std::string& out, const ChatChoice& choice, const Tokenizer& tokenizer) {
  out += R"({"index":)";
  append_json(out, choice.index);
  out += R"(,"message":{"role":"assistant","content":)";
  if (choice.content.empty() && !choice.calls.empty()) {
    out += "null";
  } else {
    append_json(out, choice.content);
  }
  out += R"(,"refusal":null)";
  for (size_t i = 0; i < choice.calls.size(); ++i) {
    out += i == 0 ? R"(,"tool_calls":[{)" : ",{";
    append_call(out, choice.calls[i]);
  }
  if (!choice.calls.empty()) out += ']';
  out += R"(},"logprobs":)";
  if (choice.has_logprobs) {
    append_chat_logprobs(out, choice.samples, tokenizer);
  } else {
    out += "null";
  }
  append_finish(out, choice.finish, choice.stop);
  out += '}';
}

// Ends an event; what is open is the list of choices.
void end_event(std::string& out, bool has_usage, const Usage* usage) {
  out += ']';
  if (usage != nullptr) {
    out += R"(,"usage":)";
    append_usage(out, *usage);
  } else if (has_usage) {
    out += R"(,"usage":null)";
  }
  out += "}\n\n";
}

constexpr std::string_view kNoFinish = R"(,"finish_reason":null})";

std::string event_start(const AnswerHead& head, std::string_view object) {
  std::string out = "data: ";
  append_head(out, head, object);
  return out;
}

void append_model(std::string& out, const ModelInfo& model) {
  out += R"({"id":)";
  append_json(out, model.id);
  out += R"(,"object":"model","created":)";
  append_json(out, model.created);
  out += R"(,"owned_by":"weft","max_model_len":)";
  append_json(out, model.context);
  out += '}';
}

std::string id_of(std::string_view prefix, uint64_t seed) {
  const uint64_t high = mix64(seed, 1);
  return fmt::format("{}{:016x}{:08x}", prefix, high, mix64(high) >> 32);
}

}  // namespace

int64_t character_count(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xC0) != 0x80; });
}

std::string chat_id(uint64_t seed) { return id_of("chatcmpl-", seed); }
std::string completion_id(uint64_t seed) { return id_of("cmpl-", seed); }

std::string chat_response(const AnswerHead& head, std::span<const ChatChoice> choices,
                          const Usage& usage, const Tokenizer& tokenizer) {
  std::string out;
  append_head(out, head, "chat.completion");
  for (size_t i = 0; i < choices.size(); ++i) {
    if (i > 0) out += ',';
    append_chat_choice(out, choices[i], tokenizer);
  }
  out += R"(],"usage":)";
  append_usage(out, usage);
  out += '}';
  return out;
}

std::string completion_response(const AnswerHead& head, std::span<const CompletionChoice> choices,
                                const Usage& usage, const Tokenizer& tokenizer) {
  std::string out;
  append_head(out, head, "text_completion");
  for (size_t i = 0; i < choices.size(); ++i) {
    const CompletionChoice& choice = choices[i];
    out += i > 0 ? R"(,{"index":)" : R"({"index":)";
    append_json(out, choice.index);
    out += R"(,"text":)";
    append_json(out, choice.text);
    out += R"(,"logprobs":)";
    if (choice.has_logprobs) {
      append_completion_logprobs(out, choice.samples, tokenizer, choice.offsets);
    } else {
      out += "null";
    }
    append_finish(out, choice.finish, choice.stop);
    out += '}';
  }
  out += R"(],"usage":)";
  append_usage(out, usage);
  out += '}';
  return out;
}

ChatChunks::ChatChunks(const AnswerHead& head, const Tokenizer& tokenizer, bool has_usage)
    : tokenizer_(tokenizer),
      has_usage_(has_usage),
      before_choices_(event_start(head, "chat.completion.chunk")) {}

void ChatChunks::begin(std::string& out, int64_t index) const {
  out += before_choices_;
  out += R"({"index":)";
  append_json(out, index);
  out += R"(,"delta":{)";
}

void ChatChunks::role(std::string& out, int64_t index) const {
  begin(out, index);
  out += R"("role":"assistant","content":""},"logprobs":null)";
  out += kNoFinish;
  end_event(out, has_usage_, nullptr);
}

void ChatChunks::content(std::string& out, int64_t index, std::string_view text,
                         std::span<const Sample> samples, const Usage* usage) const {
  begin(out, index);
  out += R"("content":)";
  append_json(out, text);
  out += R"(},"logprobs":)";
  if (samples.empty()) {
    out += "null";
  } else {
    append_chat_logprobs(out, samples, tokenizer_);
  }
  out += kNoFinish;
  end_event(out, has_usage_, usage);
}

void ChatChunks::call(std::string& out, int64_t index, size_t number, const ToolCall& call) const {
  begin(out, index);
  out += R"("tool_calls":[{"index":)";
  append_json(out, static_cast<int64_t>(number));
  out += ',';
  append_call(out, call);
  out += R"(]},"logprobs":null)";
  out += kNoFinish;
  end_event(out, has_usage_, nullptr);
}

void ChatChunks::finish(std::string& out, int64_t index, FinishReason reason,
                        std::string_view stop) const {
  begin(out, index);
  out += R"(},"logprobs":null)";
  append_finish(out, reason, stop);
  out += '}';
  end_event(out, has_usage_, nullptr);
}

void ChatChunks::usage(std::string& out, const Usage& usage) const {
  out += before_choices_;
  end_event(out, true, &usage);
}

CompletionChunks::CompletionChunks(const AnswerHead& head, const Tokenizer& tokenizer,
                                   bool has_usage)
    : tokenizer_(tokenizer),
      has_usage_(has_usage),
      before_choices_(event_start(head, "text_completion")) {}

void CompletionChunks::text(std::string& out, int64_t index, std::string_view text,
                            std::span<const Sample> samples, std::span<const int64_t> offsets,
                            const Usage* usage) const {
  out += before_choices_;
  out += R"({"index":)";
  append_json(out, index);
  out += R"(,"text":)";
  append_json(out, text);
  out += R"(,"logprobs":)";
  if (samples.empty()) {
    out += "null";
  } else {
    append_completion_logprobs(out, samples, tokenizer_, offsets);
  }
  out += kNoFinish;
  end_event(out, has_usage_, usage);
}

void CompletionChunks::finish(std::string& out, int64_t index, FinishReason reason,
                              std::string_view stop) const {
  out += before_choices_;
  out += R"({"index":)";
  append_json(out, index);
  out += R"(,"text":"","logprobs":null)";
  append_finish(out, reason, stop);
  out += '}';
  end_event(out, has_usage_, nullptr);
}

void CompletionChunks::usage(std::string& out, const Usage& usage) const {
  out += before_choices_;
  end_event(out, true, &usage);
}

void append_done(std::string& out) { out += "data: [DONE]\n\n"; }

void append_stream_error(std::string& out, const ApiError& error) {
  out += "data: ";
  out += error.to_json();
  out += "\n\n";
}

std::string models_response(std::span<const ModelInfo> models) {
  std::string out = R"({"object":"list","data":[)";
  for (size_t i = 0; i < models.size(); ++i) {
    if (i > 0) out += ',';
    append_model(out, models[i]);
  }
  out += "]}";
  return out;
}

std::string model_response(const ModelInfo& model) {
  std::string out;
  append_model(out, model);
  return out;
}

std::string tokenize_response(std::span<const int32_t> tokens, int64_t context) {
  std::string out = R"({"count":)";
  append_json(out, static_cast<int64_t>(tokens.size()));
  out += R"(,"max_model_len":)";
  append_json(out, context);
  out += R"(,"tokens":[)";
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) out += ',';
    append_json(out, int64_t{tokens[i]});
  }
  out += "]}";
  return out;
}

std::string detokenize_response(std::string_view text) {
  std::string out = R"({"prompt":)";
  append_json(out, text);
  out += '}';
  return out;
}

}  // namespace weft
