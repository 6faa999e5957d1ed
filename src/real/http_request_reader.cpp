// Beast's parser with our limits, and what it leaves to others: Host, Expect, transfer codings and
// the parts of the target.
#include "real/http_request_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstdint>
#include <optional>

#include "base/check.h"
#include "real/http_text.h"

namespace weft {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

// "0", and two ends of lines: no chunked body has less to come at any time, so waiting for as much
// costs nothing. Beast asserts that it is there when it looks at the last chunk again.
constexpr size_t kLastChunkBytes = 5;

// A body that grows with what arrives: a Content-Length alone costs no memory.
struct GrowingBody {
  using value_type = std::string;  // NOLINT(readability-identifier-naming): names of Beast

  class reader {  // NOLINT(readability-identifier-naming)
   public:
    template <bool IsRequest, class Fields>
    reader(http::header<IsRequest, Fields>& /*header*/, std::string& body) : body_(body) {}

    void init(const boost::optional<uint64_t>& /*length*/, beast::error_code& error) { error = {}; }

    template <class Buffers>
    size_t put(const Buffers& buffers, beast::error_code& error) {
      error = {};
      size_t taken = 0;
      const auto end = boost::asio::buffer_sequence_end(buffers);
      for (auto at = boost::asio::buffer_sequence_begin(buffers); at != end; ++at) {
        const boost::asio::const_buffer part(*at);
        body_.append(static_cast<const char*>(part.data()), part.size());
        taken += part.size();
      }
      return taken;
    }

    void finish(beast::error_code& error) { error = {}; }

   private:
    std::string& body_;
  };
};

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

// The status that an error of the parser deserves.
int status_of(const beast::error_code& error) {
  if (error == http::error::header_limit) return 431;
  if (error == http::error::body_limit || error == http::error::buffer_overflow) return 413;
  if (error == http::error::bad_version) return 505;
  return 400;
}

// "http://host/path" of proxies becomes "/path".
std::string_view without_authority(std::string_view target) {
  if (target.empty() || target[0] == '/') return target;
  const size_t scheme = target.find("://");
  if (scheme == std::string_view::npos) return target;
  const size_t path = target.find_first_of("/?", scheme + 3);
  return path == std::string_view::npos ? "/" : target.substr(path);
}

}  // namespace

struct HttpRequestReader::Parser : http::request_parser<GrowingBody> {};

HttpRequestReader::HttpRequestReader(const HttpReaderLimits& limits) : limits_(limits) {}
HttpRequestReader::~HttpRequestReader() = default;

void HttpRequestReader::fail(int status, std::string_view why) {
  state_ = State::kFailed;
  error_status_ = status;
  error_ = why;
  parser_.reset();
}

size_t HttpRequestReader::feed(std::string_view bytes) {
  size_t taken = 0;
  if (state_ == State::kDone || state_ == State::kFailed) return 0;
  if (state_ == State::kIdle) {  // empty lines between requests are tolerated
    while (taken < bytes.size() && (bytes[taken] == '\r' || bytes[taken] == '\n')) ++taken;
    if (taken == bytes.size()) return taken;
    parser_ = std::make_unique<Parser>();
    parser_->header_limit(static_cast<uint32_t>(
        std::min<size_t>(limits_.max_header_bytes, std::numeric_limits<uint32_t>::max())));
    parser_->body_limit(limits_.max_body_bytes);
    state_ = State::kHeader;
  }
  while (state_ == State::kHeader || state_ == State::kBody) {
    if (taken == bytes.size()) return taken;
    if (state_ == State::kBody && parser_->chunked() && bytes.size() - taken < kLastChunkBytes) {
      return taken;
    }
    beast::error_code error;
    const size_t used =
        parser_->put(boost::asio::const_buffer(bytes.data() + taken, bytes.size() - taken), error);
    taken += used;
    if (error == http::error::need_more) {
      // The header has a limit in the parser; this one is for a chunk's line and for trailers.
      if (bytes.size() - taken > limits_.max_header_bytes) {
        fail(431, "a line of the request is longer than its limit");
      }
      return taken;
    }
    if (error) {
      fail(status_of(error), error.message());
      return taken;
    }
    if (state_ == State::kHeader && parser_->is_header_done()) header_done();
    if (state_ == State::kBody && parser_->is_done()) state_ = State::kDone;
  }
  return taken;
}

// What a header must hold before the body is worth reading.
void HttpRequestReader::header_done() {
  const auto& message = parser_->get();
  const bool is_11 = message.version() >= 11;
  state_ = State::kBody;
  const auto hosts = message.count(http::field::host);
  if (hosts > 1 || (is_11 && hosts == 0)) {
    return fail(400, fmt::format("found {} Host headers, expected one", hosts));
  }
  const std::string_view target = without_authority(view(message.target()));
  if (target.empty() || (target[0] != '/' && target[0] != '?' && target != "*")) {
    return fail(400, "the target is no path");
  }
  const auto coding = message.find(http::field::transfer_encoding);
  if (coding != message.end()) {
    if (message.count(http::field::transfer_encoding) > 1 ||
        !equal_ignoring_case(view(coding->value()), "chunked")) {
      return fail(501, "the only transfer coding known here is chunked");
    }
    if (!is_11) return fail(400, "HTTP/1.0 has no transfer codings");
  }
  const auto expect = message.find(http::field::expect);
  if (expect != message.end() && is_11) {
    if (!equal_ignoring_case(view(expect->value()), "100-continue")) {
      return fail(417, "the only expectation known here is 100-continue");
    }
    wants_continue_ = !parser_->is_done();
  }
  parser_->eager(true);
}

bool HttpRequestReader::take_continue() { return std::exchange(wants_continue_, false); }

HttpRequest HttpRequestReader::take() {
  CHECK(state_ == State::kDone);
  auto& message = parser_->get();
  HttpRequest request;
  request.method = view(message.method_string());
  const std::string_view target = without_authority(view(message.target()));
  const size_t question = target.find('?');
  request.target = target.substr(0, question);
  if (request.target.empty()) request.target = "/";
  if (question != std::string_view::npos) request.query = target.substr(question + 1);
  for (const auto& field : message) {
    request.headers.emplace_back(view(field.name_string()), view(field.value()));
  }
  request.body = std::move(message.body());
  request.minor_version = message.version() >= 11 ? 1 : 0;
  request.keep_alive = message.keep_alive();
  const std::string_view id = request.header(kRequestIdHeader);
  if (is_sane_request_id(id)) request.request_id = id;
  parser_.reset();
  wants_continue_ = false;
  state_ = State::kIdle;
  return request;
}

}  // namespace weft
