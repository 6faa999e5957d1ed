// A few questions, one after the other.
#include "apps/serve_probe.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace weft {

namespace {

constexpr int64_t kFewWords = 16;
constexpr int64_t kManyWords[] = {512, 128};  // the second where the context is short
constexpr int64_t kTokenizeWords = 1024;

// One streamed request, alone.
class Trial {
 public:
  explicit Trial(LoadClient& client) : client_(client) {}

  const ReplyEnd& send(const char* path, std::string body) {
    client_.listen(Callback<const ReplyChunk&>::to<&Trial::chunk>(this),
                   Callback<const ReplyEnd&>::to<&Trial::ended>(this));
    end_.reset();
    tokens_ = false;
    prompt_tokens_.reset();
    client_.post(0, path, std::move(body));
    client_.run();
    CHECK(end_.has_value());
    return *end_;
  }
  [[nodiscard]] bool tokens() const { return tokens_; }
  [[nodiscard]] std::optional<int64_t> prompt_tokens() const { return prompt_tokens_; }

 private:
  void chunk(const ReplyChunk& chunk) {
    tokens_ = tokens_ || chunk.chunk.content || chunk.chunk.completion_tokens.value_or(0) > 0;
    if (chunk.chunk.prompt_tokens) prompt_tokens_ = chunk.chunk.prompt_tokens;
  }
  void ended(const ReplyEnd& end) {
    end_ = end;
    client_.stop();
  }

  LoadClient& client_;
  std::optional<ReplyEnd> end_;
  bool tokens_ = false;
  std::optional<int64_t> prompt_tokens_;
};

Result<std::string> first_model(LoadClient& client, const std::string& url) {
  auto reply = client.fetch("/v1/models", "");
  if (!reply) return reply.error();
  CompletionReader reader;
  const auto refused = [&url](const std::string& what) {
    return bad_input(
        fmt::format("{}/v1/models: {}; is this an OpenAI API? --model names one", url, what));
  };
  if (reply->status != 200) {
    return refused(fmt::format("found status {} ({}), expected a list of models", reply->status,
                               reader.read_error(reply->body)));
  }
  auto models = reader.read_models(reply->body);
  if (!models) return refused(models.error().message);
  if (models->empty()) return refused("found an empty list of models");
  return models->front();
}

Error failed_trial(const std::string& url, const char* path, const ReplyEnd& end) {
  const bool theirs = end.outcome == ReplyOutcome::kBadReply ||
                      (end.outcome == ReplyOutcome::kStatus && end.status < 500 &&
                       end.status != 429 && end.status != 408);
  const std::string message = fmt::format("{}{}: {}", url, path, end.message);
  return theirs ? bad_input(message) : Error{ErrorCode::kUnavailable, message};
}

class Prober {
 public:
  Prober(LoadClient& client, std::string url, LoadPromptsConfig config)
      : url_(std::move(url)), trial_(client), client_(client), config_(std::move(config)) {}

  Result<ProbedServer> probe() {
    if (auto answered = try_fields(); !answered) return answered.error();
    ProbedServer out{LoadPrompts(config_), {}};
    if (!config_.token_ids) {
      if (auto scale = measure_words(out.prompts)) {
        out.prompts.scale(*scale);
      } else {
        notes_.emplace_back("the server counts no prompt tokens: a word counts as one token");
      }
    }
    out.notes = std::move(notes_);
    return out;
  }

 private:
  // Whether `end` is a refusal of the field, which is then left out.
  bool drop_field(const ReplyEnd& end, const char* field, bool& wanted, const char* note) {
    if (!wanted || end.outcome != ReplyOutcome::kStatus || end.status >= 500) return false;
    if (end.message.find(field) == std::string::npos) return false;
    wanted = false;
    notes_.push_back(fmt::format("the server does not know {}: {}", field, note));
    return true;
  }

  Status try_fields() {
    for (;;) {
      const LoadPrompts prompts(config_);
      Arrival arrival;
      arrival.prompt = Tokens(kFewWords);
      arrival.output = Tokens(4);
      const ReplyEnd& end = trial_.send(prompts.path(), prompts.body(arrival));
      if (end.outcome == ReplyOutcome::kCompleted) {
        if (trial_.tokens()) return {};
        return bad_input(fmt::format("{}{}: found a reply without a token, expected some", url_,
                                     prompts.path()));
      }
      if (drop_field(end, "ignore_eos", config_.ignore_eos, "answers may end early")) continue;
      if (drop_field(end, "stream_options", config_.usage, "tokens are not counted by it")) {
        continue;
      }
      return failed_trial(url_, prompts.path(), end);
    }
  }

  std::optional<WordScale> measure_words(const LoadPrompts& prompts) {
    if (const auto few = ask_tokenizer(prompts, kFewWords)) {
      if (const auto many = ask_tokenizer(prompts, kTokenizeWords)) {
        return fit_words(kFewWords, *few, kTokenizeWords, *many);
      }
    }
    const auto few = ask_usage(prompts, kFewWords);
    if (!few) return std::nullopt;
    for (const int64_t words : kManyWords) {
      if (const auto many = ask_usage(prompts, words)) {
        return fit_words(kFewWords, *few, words, *many);
      }
    }
    return std::nullopt;
  }

  std::optional<int64_t> ask_usage(const LoadPrompts& prompts, int64_t words) {
    const auto key = static_cast<uint64_t>(words);
    const ReplyEnd& end = trial_.send(prompts.path(), prompts.text_body(key, words, 1));
    return end.outcome == ReplyOutcome::kCompleted ? trial_.prompt_tokens() : std::nullopt;
  }

  std::optional<int64_t> ask_tokenizer(const LoadPrompts& prompts, int64_t words) {
    const std::string text = prompts.text(static_cast<uint64_t>(words), words);
    nlohmann::json question = {{"model", config_.model}};
    if (config_.chat) {
      question["messages"] = {{{"role", "user"}, {"content", text}}};
    } else {
      question["prompt"] = text;
    }
    const auto reply = client_.fetch(
        "/tokenize", question.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    if (!reply || reply->status != 200) return std::nullopt;
    const auto count = reader_.read_token_count(reply->body);
    return count ? std::optional(*count) : std::nullopt;
  }

  std::string url_;
  Trial trial_;
  LoadClient& client_;
  LoadPromptsConfig config_;
  CompletionReader reader_;
  std::vector<std::string> notes_;
};

}  // namespace

Result<ProbedServer> probe_server(LoadClient& client, const std::string& url,
                                  LoadPromptsConfig config) {
  if (config.model.empty()) {
    auto model = first_model(client, url);
    if (!model) return model.error();
    config.model = std::move(*model);
  }
  return Prober(client, url, std::move(config)).probe();
}

}  // namespace weft
