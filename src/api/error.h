// ApiError: what the server answers when it does not do what was asked, in OpenAI's shape:
// {"error": {"message", "type", "param", "code"}} with a status of HTTP.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/result.h"

namespace weft {

struct ApiError {
  int status = 400;
  std::string message;
  std::string type = "invalid_request_error";
  std::string param;  // "" is null
  std::string code;   // "" is null

  [[nodiscard]] std::string to_json() const;
};

// 400: `param` names the field, like "messages[0].content".
ApiError invalid_request(std::string param, std::string message, std::string code = "");
// 400, as OpenAI says it: prompt and asked output do not fit the context.
ApiError context_exceeded(int64_t context, int64_t prompt, int64_t output, std::string param);
ApiError unauthorized();                             // 401
ApiError path_not_found(std::string_view path);      // 404
ApiError model_not_found(std::string_view model);    // 404
ApiError method_not_allowed(std::string_view what);  // 405
ApiError body_too_large(size_t limit);               // 413
ApiError rate_limited(std::string_view why);         // 429: queues are full
ApiError server_error(std::string_view why);         // 500
ApiError unavailable(std::string_view why);          // 503: shutting down, or no instance is up
// A core error: bad input is 400, exhausted 429, unavailable 503, the rest 500.
ApiError api_error(const Error& error, std::string param = "");

// A value or the answer in its place.
template <class T>
class [[nodiscard]] ApiResult {
 public:
  ApiResult(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  ApiResult(ApiError error) : state_(std::in_place_index<1>, std::move(error)) {}
  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  // Each requires ok().
  [[nodiscard]] T& operator*() & { return CHECK(ok()), std::get<0>(state_); }
  [[nodiscard]] const T& operator*() const& { return CHECK(ok()), std::get<0>(state_); }
  [[nodiscard]] T&& operator*() && { return CHECK(ok()), std::move(std::get<0>(state_)); }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }
  // Requires !ok().
  [[nodiscard]] const ApiError& error() const { return CHECK(!ok()), std::get<1>(state_); }

 private:
  std::variant<T, ApiError> state_;
};

}  // namespace weft
