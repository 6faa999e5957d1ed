// For tests alone: an OpenAI API on loopback over real/load_testing.h, whose completions are a
// script.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "real/load_testing.h"

namespace weft {

// Answers the list of models and counts tokens of words: three for each, and five in front.
class FakeOpenAi {
 public:
  using Answer = std::function<void(FakeExchange&, const nlohmann::json& body, int number)>;

  // `answer` is called for every completion, with its number from 0; probes are among them.
  explicit FakeOpenAi(Answer answer)
      : answer_(std::move(answer)), server_([this](FakeExchange& exchange) { serve(exchange); }) {}

  [[nodiscard]] std::string url() const { return server_.url(); }
  [[nodiscard]] int completions() const { return completions_; }
  // Bodies of the completions so far.
  [[nodiscard]] std::vector<nlohmann::json> bodies() {
    const std::lock_guard lock(mutex_);
    return bodies_;
  }

  static int64_t count_tokens(const nlohmann::json& body) {
    const nlohmann::json& prompt =
        body.contains("messages") ? body["messages"][0]["content"] : body["prompt"];
    if (prompt.is_array()) return static_cast<int64_t>(prompt.size());
    const auto text = prompt.get<std::string>();
    return 5 + 3 * (1 + std::count(text.begin(), text.end(), ' '));
  }
  // max_tokens chunks of one token, then usage.
  static void answer_all(const FakeExchange& exchange, const nlohmann::json& body) {
    exchange.begin_stream();
    const int64_t output = body["max_tokens"];
    for (int64_t i = 0; i < output; ++i) exchange.token("x");
    exchange.usage(count_tokens(body), output);
    exchange.end_stream();
  }

 private:
  void serve(FakeExchange& exchange) {
    if (exchange.asks("/v1/models")) {
      return exchange.reply(200, "application/json", R"({"data":[{"id":"fake-1"}]})");
    }
    if (exchange.asks("/tokenize")) {
      const auto body = nlohmann::json::parse(exchange.body());
      return exchange.reply(200, "application/json",
                            nlohmann::json{{"count", count_tokens(body)}}.dump());
    }
    if (!exchange.asks("/v1/completions") && !exchange.asks("/v1/chat/completions")) {
      return exchange.reply(404, "application/json", R"({"detail":"Not Found"})");
    }
    const auto body = nlohmann::json::parse(exchange.body());
    {
      const std::lock_guard lock(mutex_);
      bodies_.push_back(body);
    }
    answer_(exchange, body, completions_++);
  }

  Answer answer_;
  std::atomic<int> completions_ = 0;
  std::mutex mutex_;
  std::vector<nlohmann::json> bodies_;
  FakeServer server_;  // last: its threads use the rest
};

}  // namespace weft
