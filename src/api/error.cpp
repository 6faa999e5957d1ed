// The sentences and codes of errors.
#include "api/error.h"

#include <fmt/format.h>

#include "api/json_text.h"

namespace weft {

std::string ApiError::to_json() const {
  std::string out = R"({"error":{"message":)";
  append_json(out, message);
  out += R"(,"type":)";
  append_json(out, type);
  out += R"(,"param":)";
  append_json_or_null(out, param);
  out += R"(,"code":)";
  append_json_or_null(out, code);
  out += "}}";
  return out;
}

ApiError invalid_request(std::string param, std::string message, std::string code) {
  return {400, std::move(message), "invalid_request_error", std::move(param), std::move(code)};
}

ApiError context_exceeded(int64_t context, int64_t prompt, int64_t output, std::string param) {
  return invalid_request(
      std::move(param),
      fmt::format("This model's maximum context length is {} tokens; found {} in the prompt and {} "
                  "asked for, {} together.",
                  context, prompt, output, prompt + output),
      "context_length_exceeded");
}

ApiError unauthorized() {
  return {401, "Found no valid key in the Authorization header, expected \"Bearer KEY\".",
          "invalid_request_error", "", "invalid_api_key"};
}

ApiError path_not_found(std::string_view path) {
  return {404, fmt::format("There is nothing at {}.", path), "invalid_request_error", "", ""};
}

ApiError model_not_found(std::string_view model) {
  return {404, fmt::format("The model `{}` does not exist.", model), "invalid_request_error",
          "model", "model_not_found"};
}

ApiError method_not_allowed(std::string_view what) {
  return {405, fmt::format("{} is not offered.", what), "invalid_request_error", "",
          "method_not_allowed"};
}

ApiError body_too_large(size_t limit) {
  return {413, fmt::format("The body is too large, expected at most {} bytes.", limit),
          "invalid_request_error", "", "request_too_large"};
}

ApiError rate_limited(std::string_view why) {
  return {429, std::string(why), "rate_limit_error", "", "rate_limit_exceeded"};
}

ApiError server_error(std::string_view why) {
  return {500, std::string(why), "server_error", "", "internal_error"};
}

ApiError unavailable(std::string_view why) {
  return {503, std::string(why), "server_error", "", "service_unavailable"};
}

ApiError api_error(const Error& error, std::string param) {
  switch (error.code) {
    case ErrorCode::kBadInput:
      return invalid_request(std::move(param), error.message);
    case ErrorCode::kNotFound:
      return {404, error.message, "invalid_request_error", std::move(param), "not_found"};
    case ErrorCode::kExhausted:
      return rate_limited(error.message);
    case ErrorCode::kUnavailable:
      return unavailable(error.message);
    case ErrorCode::kInternal:
      break;
  }
  return server_error(error.message);
}

}  // namespace weft
