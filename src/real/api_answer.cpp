// From tokens to text, from text to events.
#include "real/api_answer.h"

#include <algorithm>

namespace weft {

namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kEvents = "text/event-stream; charset=utf-8";

bool is_stop(const TokenSequence& sequence, int32_t token) {
  return std::ranges::find(sequence.stop_tokens, token) != sequence.stop_tokens.end();
}

std::variant<ChatChunks, CompletionChunks> make_chunks(const AnswerHead& head,
                                                       const Tokenizer& tokenizer, bool usage,
                                                       bool is_chat) {
  if (is_chat) return ChatChunks(head, tokenizer, usage);
  return CompletionChunks(head, tokenizer, usage);
}

}  // namespace

ApiAnswer::ApiAnswer(std::shared_ptr<HttpExchange> exchange, const Tokenizer& tokenizer,
                     AnswerHead head, GenerationOptions options, bool is_chat, ToolFormat format,
                     std::vector<ApiJob> jobs)
    : exchange_(std::move(exchange)),
      tokenizer_(tokenizer),
      head_(std::move(head)),
      options_(std::move(options)),
      is_chat_(is_chat),
      jobs_(std::move(jobs)),
      chunks_(make_chunks(head_, tokenizer, options_.include_usage || options_.continuous_usage,
                          is_chat)),
      open_(jobs_.size()) {
  for (const ApiJob& job : jobs_) {
    choices_.emplace_back(ChoiceText(tokenizer, options_, format, job.sequence.sampling.seed),
                          job.counts_prompt);
  }
}

bool ApiAnswer::hear(size_t index, const TokenNews& news) {
  Choice& choice = choices_[index];
  if (is_over_) return false;
  if (news.sequence.failed) {
    fail(server_error("the model gave no token that may come next"));
    return true;
  }
  ToolOutput out;
  const bool had_ended = choice.has_ended;
  if (!choice.has_ended) take_tokens(choice, news, out);
  if (news.record == nullptr) {
    put(index, choice, std::move(out));
    return choice.has_ended && !had_ended;
  }
  const RequestRecord& record = *news.record;
  if (record.end != RequestEnd::kCompleted && !choice.has_ended) {
    fail(record.end == RequestEnd::kRejected  ? rate_limited("too many requests wait; try again")
         : record.end == RequestEnd::kExpired ? unavailable("no instance took it in time")
                                              : server_error("no instance could finish it"));
    return false;
  }
  const auto output = news.sequence.output();
  const bool at_stop = !output.empty() && is_stop(news.sequence, output.back());
  if (!choice.has_ended) end_choice(choice, !at_stop, out);
  if (choice.counts_prompt) {
    usage_.prompt += record.prompt;
    usage_.cached += record.cached;
  }
  put(index, choice, std::move(out));
  if (--open_ == 0) finish();
  return false;
}

// A token that ends the text is counted and not said.
void ApiAnswer::take_tokens(Choice& choice, const TokenNews& news, ToolOutput& out) {
  const auto fresh = static_cast<size_t>(news.tokens);
  const auto output = news.sequence.output();
  const size_t first = output.size() - fresh;
  for (size_t i = first; i < output.size() && !choice.has_ended; ++i) {
    ++usage_.completion;
    if (is_stop(news.sequence, output[i])) return;
    const int64_t offset = choice.text.characters();
    ToolOutput more = choice.text.add(output[i]);
    if (has_logprobs() && i < news.sequence.samples.size()) {
      choice.samples.push_back(news.sequence.samples[i]);
      choice.offsets.push_back(offset);
    }
    out.content += more.content;
    std::ranges::move(more.calls, std::back_inserter(out.calls));
    if (choice.text.has_stopped()) end_choice(choice, false, out);
  }
}

void ApiAnswer::end_choice(Choice& choice, bool reached_length, ToolOutput& out) {
  ToolOutput rest = choice.text.finish();
  out.content += rest.content;
  std::ranges::move(rest.calls, std::back_inserter(out.calls));
  choice.has_ended = true;
  choice.reason = choice.text.reason(reached_length);
}

void ApiAnswer::put(size_t index, Choice& choice, ToolOutput out) {
  if (options_.stream) return stream(index, choice, out);
  choice.content += out.content;
  std::ranges::move(out.calls, std::back_inserter(choice.calls));
}

void ApiAnswer::stream(size_t index, Choice& choice, const ToolOutput& out) {
  const auto at = static_cast<int64_t>(index);
  const Usage* usage = options_.continuous_usage ? &usage_ : nullptr;
  const bool says = !out.content.empty() || (choice.has_ended && !choice.samples.empty());
  if (auto* chat = std::get_if<ChatChunks>(&chunks_)) {
    if (!choice.has_role) chat->role(out_, at);
    if (says) chat->content(out_, at, out.content, choice.samples, usage);
    for (const ToolCall& call : out.calls) chat->call(out_, at, choice.calls_sent++, call);
  } else if (auto* plain = std::get_if<CompletionChunks>(&chunks_); says) {
    plain->text(out_, at, out.content, choice.samples, choice.offsets, usage);
  }
  choice.has_role = true;
  if (says) {
    choice.samples.clear();
    choice.offsets.clear();
  }
  if (choice.has_ended && !choice.said_end) {
    choice.said_end = true;
    const auto end = [&](const auto& chunks) {
      chunks.finish(out_, at, choice.reason, choice.text.stop());
    };
    std::visit(end, chunks_);
  }
  send();
}

void ApiAnswer::send() {
  if (out_.empty()) return;
  if (!is_streaming_) {
    is_streaming_ = true;
    exchange_->begin_stream(200, kEvents, {{"Cache-Control", "no-cache"}});
  }
  exchange_->write(out_);
  out_.clear();
}

void ApiAnswer::finish() {
  is_over_ = true;
  if (options_.stream) {
    if (options_.include_usage) {
      std::visit([&](const auto& chunks) { chunks.usage(out_, usage_); }, chunks_);
    }
    append_done(out_);
    send();
    exchange_->finish();
    return;
  }
  std::string body;
  if (is_chat_) {
    std::vector<ChatChoice> all;
    for (size_t i = 0; i < choices_.size(); ++i) {
      Choice& choice = choices_[i];
      all.push_back({static_cast<int64_t>(i), std::move(choice.content), std::move(choice.calls),
                     choice.reason, std::string(choice.text.stop()), has_logprobs(),
                     std::move(choice.samples)});
    }
    body = chat_response(head_, all, usage_, tokenizer_);
  } else {
    std::vector<CompletionChoice> all;
    for (size_t i = 0; i < choices_.size(); ++i) {
      Choice& choice = choices_[i];
      all.push_back({static_cast<int64_t>(i), std::move(choice.content), choice.reason,
                     std::string(choice.text.stop()), has_logprobs(), std::move(choice.samples),
                     std::move(choice.offsets)});
    }
    body = completion_response(head_, all, usage_, tokenizer_);
  }
  exchange_->respond(200, kJson, body);
}

void ApiAnswer::fail(const ApiError& error) {
  if (is_over_) return;
  is_over_ = true;
  if (is_streaming_) {
    append_stream_error(out_, error);
    append_done(out_);
    send();
    exchange_->finish();
    return;
  }
  const bool again = error.status == 429 || error.status == 503;
  exchange_->respond(error.status, kJson, error.to_json(),
                     again ? HttpHeaders{{"Retry-After", "1"}} : HttpHeaders{});
}

}  // namespace weft
