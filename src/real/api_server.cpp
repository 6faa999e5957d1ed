// Where requests go, and what becomes of their answers.
#include "real/api_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "api/chat_prompt.h"
#include "base/random.h"
#include "real/http_text.h"

namespace weft {

namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::string_view kMetrics = "text/plain; version=0.0.4; charset=utf-8";

int64_t unix_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

uint64_t entropy() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

void refuse(HttpExchange& exchange, const ApiError& error) {
  HttpHeaders headers;
  if (error.status == 429 || error.status == 503) headers.push_back({"Retry-After", "1"});
  if (error.status == 401) headers.push_back({"WWW-Authenticate", "Bearer"});
  exchange.respond(error.status, kJson, error.to_json(), headers);
}

bool is_post_path(std::string_view path) {
  return path == "/v1/chat/completions" || path == "/v1/completions" || path == "/tokenize" ||
         path == "/detokenize";
}

bool is_get_path(std::string_view path) {
  return path == "/health" || path == "/ready" || path == "/metrics" || path == "/v1/models" ||
         path.starts_with("/v1/models/");
}

// As long as the key whatever was sent.
bool same(std::string_view sent, std::string_view key) {
  unsigned difference = sent.size() == key.size() ? 0 : 1;
  for (size_t i = 0; i < key.size(); ++i) {
    const char other = i < sent.size() ? sent[i] : '\0';
    difference |= static_cast<unsigned char>(other ^ key[i]);
  }
  return difference == 0;
}

}  // namespace

ApiServer::ApiServer(Loop& loop, ApiModel model, ApiServerConfig config, ApiBackend backend)
    : loop_(loop),
      model_(std::move(model)),
      config_(std::move(config)),
      backend_(std::move(backend)),
      tool_format_(tool_format_of(model_.chat_template_source)),
      vocabulary_(*model_.tokenizer, special_markers(*model_.tokenizer, tool_format_)),
      created_(unix_seconds()),
      seed_(entropy()),
      metrics_(model_.name) {}

ApiServer::~ApiServer() = default;

bool ApiServer::may(const HttpRequest& request) const {
  if (config_.api_keys.empty()) return true;
  const std::string_view header = request.header("authorization");
  constexpr std::string_view kBearer = "Bearer ";
  if (!header.starts_with(kBearer)) return false;
  const std::string_view sent = header.substr(kBearer.size());
  return std::ranges::any_of(config_.api_keys,
                             [sent](const std::string& key) { return same(sent, key); });
}

void ApiServer::handle(const std::shared_ptr<HttpExchange>& exchange) {
  const HttpRequest& request = exchange->request();
  const bool is_get = request.method == "GET" || request.method == "HEAD";
  if (is_get_path(request.target)) {
    if (is_get) return get(exchange);
    return refuse(*exchange, method_not_allowed(request.method + " " + request.target));
  }
  if (!is_post_path(request.target)) return refuse(*exchange, path_not_found(request.target));
  if (request.method != "POST") {
    return refuse(*exchange, method_not_allowed(request.method + " " + request.target));
  }
  if (!may(request)) return refuse(*exchange, unauthorized());
  post(exchange);
}

void ApiServer::get(const std::shared_ptr<HttpExchange>& shared) {
  HttpExchange& exchange = *shared;
  const std::string& path = exchange.request().target;
  if (path == "/health") {
    exchange.respond(200, kText, "");
    return;
  }
  if (path == "/ready") {
    if (drains_) return refuse(exchange, unavailable("the server is shutting down"));
    exchange.respond(200, kText, "");
    return;
  }
  if (path == "/metrics") {
    const auto answer = [this, shared] {
      shared->respond(200, kMetrics, metrics_.text(backend_.gauges()));
    };
    loop_.inbox().post({.owner = {}, .run = answer, .is_unowned = true});
    return;
  }
  if (!may(exchange.request())) return refuse(exchange, unauthorized());
  constexpr std::string_view kOneModel = "/v1/models/";
  const ModelInfo info = {model_.name, created_, model_.context};
  if (path == "/v1/models") {
    exchange.respond(200, kJson, models_response({&info, 1}));
    return;
  }
  // A name with a slash comes as %2F, from some clients as it is.
  const std::string name = percent_decoded(path.substr(kOneModel.size()));
  if (name != model_.name) return refuse(exchange, model_not_found(name));
  exchange.respond(200, kJson, model_response(info));
}

void ApiServer::post(const std::shared_ptr<HttpExchange>& exchange) {
  const std::string& path = exchange->request().target;
  if (path == "/tokenize") return tokenize(*exchange);
  if (path == "/detokenize") return detokenize(*exchange);
  if (drains_) return refuse(*exchange, unavailable("the server is shutting down"));
  path == "/v1/completions" ? complete(exchange) : chat(exchange);
}

ApiResult<std::vector<int32_t>> ApiServer::chat_tokens(const ChatRequest& request) const {
  if (model_.chat_template == nullptr) {
    return invalid_request("messages", "the model has no chat template; use /v1/completions");
  }
  auto text = chat_prompt(request, *model_.chat_template, tool_format_, *model_.tokenizer_config,
                          unix_seconds());
  if (!text) return text.error();
  return model_.tokenizer->encode(*text, false);
}

uint64_t ApiServer::random_bits() { return mix64(seed_, ++requests_); }

AnswerHead ApiServer::make_head(bool is_chat) {
  const uint64_t bits = random_bits();
  return {is_chat ? chat_id(bits) : completion_id(bits), unix_seconds(), model_.name,
          model_.fingerprint};
}

ApiResult<std::vector<ApiJob>> ApiServer::jobs_of(std::vector<int32_t> prompt,
                                                  const GenerationOptions& options,
                                                  const std::optional<Grammar>& grammar,
                                                  uint64_t seed) const {
  if (prompt.empty()) return invalid_request("prompt", "the prompt has no token");
  const auto tokens = static_cast<int64_t>(prompt.size());
  const int64_t most = std::min(model_.context, model_.capacity);
  const int64_t rest = std::max<int64_t>(most - tokens, 1);
  const int64_t unsaid = model_.default_output > 0 ? std::min(model_.default_output, rest) : rest;
  const int64_t output = options.max_tokens.value_or(unsaid);
  if (tokens + output > most) return context_exceeded(most, tokens, output, "max_tokens");
  for (const int32_t token : prompt) {
    if (token >= 0 && token < model_.vocab) continue;
    return invalid_request("prompt", fmt::format("token {} is not in the vocabulary", token));
  }
  const SamplingParams sampling = options.sampling(model_.sampling, seed);
  if (const Status fits = check_sampling(sampling, model_.vocab); !fits) {
    return api_error(fits.error());
  }
  std::vector<ApiJob> jobs(static_cast<size_t>(options.n));
  for (size_t i = 0; i < jobs.size(); ++i) {
    TokenSequence& sequence = jobs[i].sequence;
    sequence.tokens = prompt;
    sequence.max_output = output;
    sequence.sampling = sampling;
    sequence.sampling.seed += i;
    sequence.min_output = options.min_tokens;
    sequence.stop_tokens = options.stop_token_ids;
    if (!options.ignore_eos || grammar) {
      sequence.stop_tokens.insert(sequence.stop_tokens.end(), model_.stop_tokens.begin(),
                                  model_.stop_tokens.end());
    }
    if (grammar) {
      sequence.constraint =
          std::make_unique<TokenConstraint>(*grammar, vocabulary_, sequence.stop_tokens);
    }
    jobs[i].priority = static_cast<int>(-std::clamp<int64_t>(options.priority, -1000, 1000));
    jobs[i].counts_prompt = i == 0;
  }
  return jobs;
}

void ApiServer::chat(const std::shared_ptr<HttpExchange>& exchange) {
  auto request = parse_chat_request(exchange->request().body);
  if (!request) return refuse(*exchange, request.error());
  const std::string& name = request->options.model;
  if (!name.empty() && name != model_.name) return refuse(*exchange, model_not_found(name));
  auto grammar = chat_grammar(*request, tool_format_);
  if (!grammar) return refuse(*exchange, grammar.error());
  auto prompt = chat_tokens(*request);
  if (!prompt) return refuse(*exchange, prompt.error());
  auto jobs = jobs_of(std::move(*prompt), request->options, *grammar, random_bits());
  if (!jobs) return refuse(*exchange, jobs.error());
  const ToolFormat format = answer_format(*request, tool_format_);
  take(std::make_unique<ApiAnswer>(exchange, *model_.tokenizer, make_head(true),
                                   std::move(request->options), true, format, std::move(*jobs)));
}

void ApiServer::complete(const std::shared_ptr<HttpExchange>& exchange) {
  auto request = parse_completion_request(exchange->request().body);
  if (!request) return refuse(*exchange, request.error());
  const GenerationOptions& options = request->options;
  if (!options.model.empty() && options.model != model_.name) {
    return refuse(*exchange, model_not_found(options.model));
  }
  auto grammar = completion_grammar(*request);
  if (!grammar) return refuse(*exchange, grammar.error());
  const auto choices = static_cast<int64_t>(request->prompts.size()) * options.n;
  if (choices > config_.max_choices) {
    return refuse(*exchange,
                  invalid_request("prompt", fmt::format("{} prompts with n = {} make {} choices; "
                                                        "expected at most {}",
                                                        request->prompts.size(), options.n, choices,
                                                        config_.max_choices)));
  }
  std::vector<ApiJob> all;
  const uint64_t seed = random_bits();
  for (Prompt& prompt : request->prompts) {
    std::vector<int32_t> tokens = std::move(prompt.tokens);
    if (!prompt.is_tokens) {
      tokens = model_.tokenizer->encode(prompt.text, request->add_special_tokens);
    }
    auto jobs = jobs_of(std::move(tokens), options, *grammar, seed);
    if (!jobs) return refuse(*exchange, jobs.error());
    std::ranges::move(*jobs, std::back_inserter(all));
  }
  take(std::make_unique<ApiAnswer>(exchange, *model_.tokenizer, make_head(false),
                                   std::move(request->options), false, ToolFormat::kNone,
                                   std::move(all)));
}

void ApiServer::tokenize(HttpExchange& exchange) const {
  auto request = parse_tokenize_request(exchange.request().body);
  if (!request) return refuse(exchange, request.error());
  if (!request->model.empty() && request->model != model_.name) {
    return refuse(exchange, model_not_found(request->model));
  }
  std::vector<int32_t> tokens;
  if (request->chat) {
    auto prompt = chat_tokens(*request->chat);
    if (!prompt) return refuse(exchange, prompt.error());
    tokens = std::move(*prompt);
  } else {
    tokens = model_.tokenizer->encode(request->prompt.value_or(""), request->add_special_tokens);
  }
  exchange.respond(200, kJson, tokenize_response(tokens, model_.context));
}

void ApiServer::detokenize(HttpExchange& exchange) const {
  auto request = parse_detokenize_request(exchange.request().body);
  if (!request) return refuse(exchange, request.error());
  if (!request->model.empty() && request->model != model_.name) {
    return refuse(exchange, model_not_found(request->model));
  }
  Detokenizer text(*model_.tokenizer, false);
  std::string out;
  for (const int32_t token : request->tokens) {
    if (token < 0 || token >= model_.vocab) {
      return refuse(exchange, invalid_request("tokens", fmt::format("token {} is not in the "
                                                                    "vocabulary",
                                                                    token)));
    }
    out += text.add(token);
  }
  out += text.finish();
  exchange.respond(200, kJson, detokenize_response(out));
}

}  // namespace weft
