// ApiServer: the OpenAI API in front of a cluster. Requests are read on the server's threads and
// handed to the loop, which submits them and says what comes of them; a client that hangs up has
// its requests cancelled.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/tool_format.h"
#include "base/flat_map.h"
#include "model/chat_template.h"
#include "model/token_mask.h"
#include "model/tokenizer_config.h"
#include "real/api_answer.h"
#include "real/api_metrics.h"
#include "runtime/loop.h"

namespace weft {

// What the API has to know of its model. Everything pointed to outlives the server.
struct ApiModel {
  std::string name;
  std::string fingerprint;  // system_fingerprint of every answer
  const Tokenizer* tokenizer = nullptr;
  const TokenizerConfig* tokenizer_config = nullptr;
  const ChatTemplate* chat_template = nullptr;  // null: chats are refused
  std::string chat_template_source;             // tells how tools are called
  std::vector<int32_t> stop_tokens;
  SamplingParams sampling;  // where a request says nothing
  int32_t vocab = 0;
  int64_t context = 0;         // tokens of a sequence at most
  int64_t capacity = 0;        // tokens that an instance's KV holds
  int64_t default_output = 0;  // tokens where a request does not say; 0: to the context's end
};

struct ApiServerConfig {
  std::vector<std::string> api_keys;  // none: everybody may ask
  int64_t max_choices = 256;          // of one request: prompts x n
};

// What answers: a cluster of either kind. Called on the loop; news come back by hear().
struct ApiBackend {
  std::function<void(TokenSequence sequence, uint64_t tag, int priority)> submit;
  std::function<void(uint64_t tag)> cancel;
  std::function<ApiGauges()> gauges;  // for /metrics
};

class ApiServer {
 public:
  ApiServer(Loop& loop, ApiModel model, ApiServerConfig config, ApiBackend backend);
  // The HTTP server has stopped by then.
  ~ApiServer();

  // From the HTTP server's threads.
  void handle(const std::shared_ptr<HttpExchange>& exchange);
  // On the loop, from the backend.
  void hear(const TokenNews& news);

  // On the loop. Nothing new is taken in: 503.
  void drain() { drains_ = true; }
  // Answers that are not over; on the loop.
  [[nodiscard]] size_t in_flight() const { return answers_.size(); }

 private:
  struct Place {  // of a sequence, by tag
    uint64_t answer = 0;
    size_t choice = 0;
  };
  struct Open {  // an answer that is not over
    std::unique_ptr<ApiAnswer> answer;
    std::vector<uint64_t> tags;
  };

  void get(const std::shared_ptr<HttpExchange>& shared);
  void post(const std::shared_ptr<HttpExchange>& exchange);
  [[nodiscard]] bool may(const HttpRequest& request) const;
  void chat(const std::shared_ptr<HttpExchange>& exchange);
  void complete(const std::shared_ptr<HttpExchange>& exchange);
  void tokenize(HttpExchange& exchange) const;
  void detokenize(HttpExchange& exchange) const;
  [[nodiscard]] ApiResult<std::vector<int32_t>> chat_tokens(const ChatRequest& request) const;
  // The sequences of one prompt's choices.
  [[nodiscard]] ApiResult<std::vector<ApiJob>> jobs_of(std::vector<int32_t> prompt,
                                                       const GenerationOptions& options,
                                                       const std::optional<Grammar>& grammar,
                                                       uint64_t seed) const;
  [[nodiscard]] AnswerHead make_head(bool is_chat);
  void take(std::unique_ptr<ApiAnswer> answer);
  void begin(std::unique_ptr<ApiAnswer> answer);
  void close(uint64_t id);
  void end(uint64_t id);
  uint64_t random_bits();

  Loop& loop_;
  const ApiModel model_;
  const ApiServerConfig config_;
  const ApiBackend backend_;
  const ToolFormat tool_format_;
  const TokenVocabulary vocabulary_;  // for constrained answers
  const int64_t created_;
  const uint64_t seed_;
  std::atomic<uint64_t> requests_{0};
  std::atomic<bool> drains_{false};

  // The loop's.
  FlatMap<std::unique_ptr<Open>> answers_;
  FlatMap<Place> places_;
  uint64_t next_answer_ = 1;
  uint64_t next_tag_ = 1;
  ApiMetrics metrics_;
};

}  // namespace weft
