// ApiAnswer: one request of the API while it is answered: the texts of its choices as their tokens
// come, sent as server-sent events or gathered into one answer. Made on a server's thread, used on
// the loop's.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "api/choice_text.h"
#include "api/response.h"
#include "real/cpu_cluster.h"
#include "real/http_exchange.h"

namespace weft {

// What is generated for one choice.
struct ApiJob {
  TokenSequence sequence;
  int priority = 0;
  bool counts_prompt = true;  // of the choices of one prompt only the first
};

class ApiAnswer {
 public:
  // `tokenizer` must outlive it. One job for each choice, in the order of their indexes.
  ApiAnswer(std::shared_ptr<HttpExchange> exchange, const Tokenizer& tokenizer, AnswerHead head,
            GenerationOptions options, bool is_chat, ToolFormat format, std::vector<ApiJob> jobs);

  // What the server submits: the sequences move out.
  [[nodiscard]] std::vector<ApiJob>& jobs() { return jobs_; }
  [[nodiscard]] HttpExchange& exchange() { return *exchange_; }

  // News of a choice's sequence. True: the choice has its text and needs no more tokens, but its
  // record is still to come.
  bool hear(size_t choice, const TokenNews& news);
  // Every record came, or it failed: nothing more is sent.
  [[nodiscard]] bool is_over() const { return is_over_; }
  // Answers with an error, in the stream where one has begun.
  void fail(const ApiError& error);

 private:
  struct Choice {
    Choice(ChoiceText made, bool counts) : text(std::move(made)), counts_prompt(counts) {}

    ChoiceText text;
    bool counts_prompt;
    bool has_role = false;   // of a stream
    bool has_ended = false;  // its text
    bool said_end = false;   // of a stream
    FinishReason reason = FinishReason::kStop;
    std::string content;           // all, without a stream
    std::vector<ToolCall> calls;   // the same
    std::vector<Sample> samples;   // all, or of a stream those that wait for text
    std::vector<int64_t> offsets;  // of the samples, in characters
    size_t calls_sent = 0;
  };

  void take_tokens(Choice& choice, const TokenNews& news, ToolOutput& out);
  void end_choice(Choice& choice, bool reached_length, ToolOutput& out);
  void put(size_t index, Choice& choice, ToolOutput out);
  void stream(size_t index, Choice& choice, const ToolOutput& out);
  void send();
  void finish();
  [[nodiscard]] bool has_logprobs() const { return options_.logprobs >= 0; }

  std::shared_ptr<HttpExchange> exchange_;
  const Tokenizer& tokenizer_;
  AnswerHead head_;
  GenerationOptions options_;
  bool is_chat_;
  std::vector<ApiJob> jobs_;
  std::vector<Choice> choices_;
  std::variant<ChatChunks, CompletionChunks> chunks_;
  std::string out_;  // events to be sent
  Usage usage_;
  size_t open_ = 0;  // records to come
  bool is_streaming_ = false;
  bool is_over_ = false;
};

}  // namespace weft
