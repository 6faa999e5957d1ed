// HttpRequestReader: bytes in, requests out; no socket, no clock. What is wrong with a request
// comes out as the status to refuse it with and a sentence.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "real/http_exchange.h"

namespace weft {

struct HttpReaderLimits {
  size_t max_header_bytes = size_t{16} << 10;
  size_t max_body_bytes = size_t{32} << 20;
};

class HttpRequestReader {
 public:
  enum class State { kIdle, kHeader, kBody, kDone, kFailed };

  explicit HttpRequestReader(const HttpReaderLimits& limits);
  ~HttpRequestReader();
  HttpRequestReader(const HttpRequestReader&) = delete;
  HttpRequestReader& operator=(const HttpRequestReader&) = delete;

  // Reads on, at most to the end of one request, and returns how many bytes it has taken. Those it
  // leaves must stand at the start of the next call, with more behind them: 0 means that more are
  // needed, or that the state is kDone or kFailed.
  size_t feed(std::string_view bytes);

  // kIdle: not one byte of a request; kDone: take() has one.
  [[nodiscard]] State state() const { return state_; }

  // True once for a request whose client waits for "100 Continue" before it sends the body.
  bool take_continue();

  // Requires kDone. request_id is the client's when it is sane, else empty; peer is empty.
  HttpRequest take();

  // With kFailed: 4xx or 5xx, and why in one sentence. The connection is of no more use.
  [[nodiscard]] int error_status() const { return error_status_; }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  struct Parser;
  void header_done();
  void fail(int status, std::string_view why);

  HttpReaderLimits limits_;
  std::unique_ptr<Parser> parser_;  // of the request under way
  State state_ = State::kIdle;
  bool wants_continue_ = false;
  int error_status_ = 0;
  std::string error_;
};

}  // namespace weft
