// Result<T>: a value, or an Error with a code and a sentence. For the world's failures and the
// user's; our own are CHECKs.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace weft {

enum class ErrorCode {
  kBadInput,     // the user's: file, line or key, what was found, what was expected (exit 2)
  kNotFound,     // a name or file that is not there (exit 2)
  kUnavailable,  // a peer, tier or device that is down (exit 1)
  kExhausted,    // a limit was reached: queue, memory, retries (exit 1)
  kInternal,     // the run failed (exit 1)
};

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // one sentence without a final newline
};

inline Error bad_input(std::string message) { return {ErrorCode::kBadInput, std::move(message)}; }
inline Error not_found(std::string message) { return {ErrorCode::kNotFound, std::move(message)}; }

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Requires ok().
  [[nodiscard]] T& value() & { return CHECK(ok()), std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return CHECK(ok()), std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return CHECK(ok()), std::move(std::get<0>(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // Requires !ok().
  [[nodiscard]] const Error& error() const { return CHECK(!ok()), std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

// Success without a value.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  [[nodiscard]] bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const { return CHECK(!ok()), *error_; }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace weft
