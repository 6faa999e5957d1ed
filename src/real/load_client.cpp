// Connections on Boost.Asio, HTTP by Boost.Beast's parser: nothing else sees these slow headers.
#include "real/load_client.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <charconv>
#include <chrono>
#include <functional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "real/sse_parser.h"

namespace weft {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kReadBytes = 8192;           // of one read, and the longest HTTP head
constexpr size_t kMostEventBytes = 1 << 20;   // of one chunk
constexpr size_t kMostErrorBytes = 64 << 10;  // of a reply that is no stream
constexpr size_t kMostFetchBytes = 4 << 20;
constexpr size_t kMostIdle = 65536;  // connections kept for the next request

double read_retry_after(boost::beast::string_view text) {
  double value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool number = error == std::errc() && end == text.data() + text.size();
  return number && value >= 0 && value < 1e9 ? value : -1;
}

// The head's fields that matter, and the body as it comes.
class ReplyParser final : public http::basic_parser<false> {
 public:
  explicit ReplyParser(std::function<void(std::string_view)> body) : body_(std::move(body)) {
    eager(true);
    body_limit(boost::none);
    header_limit(kReadBytes);
  }

  int status = 0;
  bool event_stream = false;
  std::string content_type;
  double retry_after_s = -1;

 private:
  using Text = boost::beast::string_view;
  using Length = boost::optional<std::uint64_t>;

  void on_request_impl(http::verb, Text, Text, int, error_code&) override {}
  void on_response_impl(int code, Text, int, error_code&) override { status = code; }
  void on_field_impl(http::field name, Text, Text value, error_code&) override {
    if (name == http::field::content_type) {
      content_type.assign(value.data(), value.size());
      event_stream = content_type.starts_with("text/event-stream");
    } else if (name == http::field::retry_after) {
      retry_after_s = read_retry_after(value);
    }
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const Length&, error_code&) override {}
  size_t on_body_impl(Text body, error_code&) override {
    body_(std::string_view(body.data(), body.size()));
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, Text, error_code&) override {}
  size_t on_chunk_body_impl(std::uint64_t, Text body, error_code&) override {
    body_(std::string_view(body.data(), body.size()));
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

  std::function<void(std::string_view)> body_;
};

// One request and what has come of its reply.
struct Exchange {
  uint64_t tag = 0;
  bool streamed = true;  // false: fetch(), the whole body is wanted
  std::string head;      // of the request
  std::string request_body;
  ReplyEnd end;
  bool ended = false;     // the end is known
  bool told = false;      // … and told; what is left of the reply is read for the next request
  bool finished = false;  // a finish_reason came
  int64_t chunks = 0;
  std::string body;  // of a reply that is no stream of events
};

int64_t raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  return static_cast<int64_t>(std::min<rlim_t>(limit.rlim_cur, 1'000'000'000));
}

}  // namespace

class Connection;

struct LoadClientState {
  explicit LoadClientState(LoadClientConfig c) : config(std::move(c)), timer(io) {}

  Status resolve();
  void start(std::unique_ptr<Exchange> exchange);
  std::shared_ptr<Connection> take_idle();
  void tell_end(bool streamed, const ReplyEnd& end);

  LoadClientConfig config;
  std::chrono::steady_clock::time_point origin = std::chrono::steady_clock::now();
  int64_t most_open_files = raise_file_limit();
  asio::io_context io{1};
  asio::steady_timer timer;
  std::optional<asio::signal_set> signals;
  std::vector<tcp::endpoint> endpoints;
  std::string common_head;  // what every request's head holds
  Callback<const ReplyChunk&> on_chunk;
  Callback<const ReplyEnd&> on_end;
  CompletionReader reader;
  LoadClientCounters counters;
  int64_t in_flight = 0;
  std::unordered_set<std::shared_ptr<Connection>> busy;
  std::vector<std::shared_ptr<Connection>> idle;
  std::optional<Result<HttpReply>> fetched;

  [[nodiscard]] Instant now() const {
    const auto passed = std::chrono::steady_clock::now() - origin;
    return Instant(std::chrono::duration_cast<std::chrono::nanoseconds>(passed).count());
  }
};

// A socket and, while it is busy, the exchange on it.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  explicit Connection(LoadClientState& client)
      : client_(client), socket_(client.io), deadline_(client.io), events_(kMostEventBytes) {}

  void open(std::unique_ptr<Exchange> exchange);
  void use_again(std::unique_ptr<Exchange> exchange);
  [[nodiscard]] bool closed_by_server();
  void abort();

 private:
  void begin(std::unique_ptr<Exchange> exchange);
  void write();
  void wrote(const error_code& error);
  void read();
  void got(const error_code& error, size_t bytes);
  bool parse();
  void take_body(std::string_view bytes);
  void take_event(std::string_view data);
  void broke(const error_code& error);
  void finish_message();
  void judge();
  void end(ReplyOutcome outcome, std::string message);
  void tell();
  void conclude(bool keep);
  void leave(bool keep);
  [[nodiscard]] std::string cut_short(std::string_view why) const;

  LoadClientState& client_;
  tcp::socket socket_;
  asio::steady_timer deadline_;
  std::unique_ptr<Exchange> exchange_;
  std::optional<ReplyParser> parser_;
  SseParser events_;
  std::array<char, kReadBytes> buffer_;
  size_t filled_ = 0;
  Instant read_at_;
  bool used_before_ = false;  // the server may have closed it meanwhile
  bool heard_ = false;        // bytes of this exchange's reply came
};

void Connection::begin(std::unique_ptr<Exchange> exchange) {
  exchange_ = std::move(exchange);
  parser_.emplace([this](std::string_view bytes) { take_body(bytes); });
  events_.reset();
  filled_ = 0;
  heard_ = false;
  deadline_.expires_after(std::chrono::nanoseconds(client_.config.timeout.count()));
  deadline_.async_wait([self = shared_from_this()](const error_code& error) {
    if (error || self->exchange_ == nullptr) return;
    self->read_at_ = self->client_.now();
    const double limit = to_seconds(self->client_.config.timeout);
    self->end(ReplyOutcome::kTimeout,
              self->cut_short(fmt::format("no end of the reply within {:g} s", limit)));
    self->conclude(false);
  });
}

void Connection::open(std::unique_ptr<Exchange> exchange) {
  ++client_.counters.connections;
  used_before_ = false;
  begin(std::move(exchange));
  asio::async_connect(socket_, client_.endpoints,
                      [self = shared_from_this()](const error_code& error, const tcp::endpoint&) {
                        if (self->exchange_ == nullptr) return;
                        if (error) return self->broke(error);
                        error_code ignored;
                        self->socket_.set_option(tcp::no_delay(true), ignored);
                        self->write();
                      });
}

void Connection::use_again(std::unique_ptr<Exchange> exchange) {
  used_before_ = true;
  begin(std::move(exchange));
  write();
}

// An idle connection has nothing to say: what can be read is its end, or a mistake.
bool Connection::closed_by_server() {
  char byte = 0;
  error_code error;
  socket_.non_blocking(true, error);
  socket_.receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
  return error != asio::error::would_block;
}

void Connection::write() {
  const std::array<asio::const_buffer, 2> parts = {asio::buffer(exchange_->head),
                                                   asio::buffer(exchange_->request_body)};
  asio::async_write(socket_, parts, [self = shared_from_this()](const error_code& error, size_t) {
    if (self->exchange_ != nullptr) self->wrote(error);
  });
}

// A server may refuse, answer and close before it has read all: its answer counts.
void Connection::wrote(const error_code& error) {
  if (error && error != asio::error::broken_pipe && error != asio::error::connection_reset) {
    return broke(error);
  }
  read();
}

void Connection::read() {
  socket_.async_read_some(asio::buffer(buffer_.data() + filled_, kReadBytes - filled_),
                          [self = shared_from_this()](const error_code& error, size_t bytes) {
                            if (self->exchange_ != nullptr) self->got(error, bytes);
                          });
}

void Connection::got(const error_code& error, size_t bytes) {
  read_at_ = client_.now();
  if (error) {
    error_code last;
    if (error == asio::error::eof && parser_->got_some()) {
      parser_->put_eof(last);
      if (!last && parser_->is_done()) return finish_message();
    }
    return broke(error);
  }
  heard_ = true;
  filled_ += bytes;
  ++client_.counters.reads;
  client_.counters.bytes += static_cast<int64_t>(bytes);
  if (parse()) read();
}

// Everything in the buffer that is whole. False: the exchange is over here.
bool Connection::parse() {
  size_t used = 0;
  while (used < filled_ && !parser_->is_done()) {
    error_code error;
    used += parser_->put(asio::buffer(buffer_.data() + used, filled_ - used), error);
    if (error == http::error::need_more) break;
    if (error) {
      end(ReplyOutcome::kBadReply,
          fmt::format("found \"{}\", expected HTTP: {}",
                      shown_bytes({buffer_.data() + used, filled_ - used}), error.message()));
    }
    if (exchange_->ended && exchange_->end.outcome != ReplyOutcome::kCompleted) {
      conclude(false);
      return false;
    }
  }
  if (parser_->is_done()) {
    finish_message();
    return false;
  }
  std::copy(buffer_.data() + used, buffer_.data() + filled_, buffer_.data());
  filled_ -= used;
  if (exchange_->ended) tell();
  if (filled_ < kReadBytes) return true;
  end(ReplyOutcome::kBadReply, "found a head of HTTP without an end, expected at most 8 KiB");
  conclude(false);
  return false;
}

void Connection::take_body(std::string_view bytes) {
  Exchange& exchange = *exchange_;
  if (exchange.ended) return;
  if (!exchange.streamed || parser_->status != 200 || !parser_->event_stream) {
    const size_t most = exchange.streamed ? kMostErrorBytes : kMostFetchBytes;
    exchange.body.append(bytes.substr(0, most - std::min(most, exchange.body.size())));
    return;
  }
  events_.feed(bytes);
  std::string_view data;
  while (!exchange.ended && events_.next(data)) take_event(data);
  if (!exchange.ended && events_.overflowed()) {
    end(ReplyOutcome::kBadReply, "found an event of more than 1 MiB, expected a chunk");
  }
}

void Connection::take_event(std::string_view data) {
  Exchange& exchange = *exchange_;
  if (data == "[DONE]") return end(ReplyOutcome::kCompleted, "");
  const auto chunk = client_.reader.read(data);
  if (!chunk) return end(ReplyOutcome::kBadReply, chunk.error().message);
  if (!chunk->error.empty()) return end(ReplyOutcome::kError, chunk->error);
  ++exchange.chunks;
  ++client_.counters.chunks;
  exchange.finished = exchange.finished || chunk->finished;
  client_.on_chunk({exchange.tag, read_at_, *chunk});
}

void Connection::finish_message() {
  const bool keep = parser_->keep_alive();
  judge();
  conclude(keep);
}

// The whole reply is here: what was it?
void Connection::judge() {
  Exchange& exchange = *exchange_;
  if (exchange.ended) return;
  if (!exchange.streamed) {
    client_.fetched = HttpReply{parser_->status, std::move(exchange.body)};
    end(ReplyOutcome::kCompleted, "");
  } else if (parser_->status != 200) {
    const std::string said = client_.reader.read_error(exchange.body);
    end(ReplyOutcome::kStatus, fmt::format("status {}: {}", parser_->status, said));
  } else if (!parser_->event_stream) {
    const std::string& type = parser_->content_type;
    end(ReplyOutcome::kBadReply, fmt::format("found {} \"{}\", expected text/event-stream",
                                             shown_bytes(type.empty() ? "no content type" : type),
                                             shown_bytes(exchange.body)));
  } else if (exchange.finished) {
    end(ReplyOutcome::kCompleted, "");
  } else {
    end(ReplyOutcome::kConnection, cut_short("the reply ended without [DONE]"));
  }
}

std::string Connection::cut_short(std::string_view why) const {
  return fmt::format("{}, after {} chunk{}", why, exchange_->chunks,
                     exchange_->chunks == 1 ? "" : "s");
}

void Connection::broke(const error_code& error) {
  read_at_ = client_.now();
  if (used_before_ && !heard_) {  // it had been closed: nobody has seen this request
    ++client_.counters.resent;
    auto again = std::make_shared<Connection>(client_);
    client_.busy.insert(again);
    auto exchange = std::move(exchange_);
    leave(false);
    again->open(std::move(exchange));
    return;
  }
  const std::string why =
      error == asio::error::eof ? "the server closed the connection" : error.message();
  if (exchange_->finished) {
    end(ReplyOutcome::kCompleted, "");
  } else {
    end(ReplyOutcome::kConnection, heard_ ? cut_short(why) : why);
  }
  conclude(false);
}

// What is known first stands.
void Connection::end(ReplyOutcome outcome, std::string message) {
  Exchange& exchange = *exchange_;
  if (exchange.ended) return;
  exchange.ended = true;
  exchange.end.tag = exchange.tag;
  exchange.end.at = read_at_;
  exchange.end.outcome = outcome;
  exchange.end.status = parser_->status;
  exchange.end.retry_after_s = parser_->retry_after_s;
  exchange.end.message = std::move(message);
}

void Connection::tell() {
  if (std::exchange(exchange_->told, true)) return;
  client_.tell_end(exchange_->streamed, exchange_->end);
}

// The connection is free before the end is told, so that the next request may have it. Nothing of
// this exchange may be touched afterwards.
void Connection::conclude(bool keep) {
  const auto exchange = std::move(exchange_);
  const bool untold = !exchange->told;
  leave(keep);
  if (untold) client_.tell_end(exchange->streamed, exchange->end);
}

// Ends the exchange's hold on the connection, which is kept for another or closed.
void Connection::leave(bool keep) {
  const auto self = shared_from_this();
  deadline_.cancel();
  exchange_.reset();
  client_.busy.erase(self);
  if (keep && client_.idle.size() < kMostIdle) {
    client_.idle.push_back(self);
    return;
  }
  error_code ignored;
  socket_.close(ignored);
}

void Connection::abort() {
  exchange_.reset();
  deadline_.cancel();
  error_code ignored;
  socket_.close(ignored);
}

Status LoadClientState::resolve() {
  tcp::resolver resolver(io);
  error_code error;
  const auto found = resolver.resolve(config.url.host, config.url.port, error);
  if (error || found.empty()) {
    return bad_input(fmt::format("{}: found no address for \"{}\": {}; expected a host's name",
                                 config.url.text, config.url.host, error.message()));
  }
  for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  return {};
}

std::shared_ptr<Connection> LoadClientState::take_idle() {
  while (!idle.empty()) {
    auto connection = std::move(idle.back());
    idle.pop_back();
    if (!connection->closed_by_server()) return connection;
    connection->abort();
  }
  return nullptr;
}

void LoadClientState::start(std::unique_ptr<Exchange> exchange) {
  ++in_flight;
  auto connection = take_idle();
  const bool again = connection != nullptr;
  if (!again) connection = std::make_shared<Connection>(*this);
  busy.insert(connection);
  if (again) {
    connection->use_again(std::move(exchange));
  } else {
    connection->open(std::move(exchange));
  }
}

void LoadClientState::tell_end(bool streamed, const ReplyEnd& end) {
  --in_flight;
  if (streamed) return on_end(end);
  if (fetched) return;
  Error error{ErrorCode::kUnavailable, fmt::format("{}: {}", config.url.base(), end.message)};
  if (end.outcome == ReplyOutcome::kBadReply) error.code = ErrorCode::kBadInput;
  fetched = std::move(error);
}

LoadClient::LoadClient(std::unique_ptr<LoadClientState> impl) : impl_(std::move(impl)) {}

LoadClient::~LoadClient() {
  abort_all();
  impl_->signals.reset();
  impl_->io.restart();
  impl_->io.poll();  // what was cancelled lets go of its connection
}

Result<std::unique_ptr<LoadClient>> LoadClient::make(LoadClientConfig config) {
  auto impl = std::make_unique<LoadClientState>(std::move(config));
  if (auto resolved = impl->resolve(); !resolved) return resolved.error();
  impl->common_head =
      fmt::format("Host: {}\r\nAccept: */*\r\nUser-Agent: weft\r\n", impl->config.url.authority());
  if (!impl->config.api_key.empty()) {
    impl->common_head += fmt::format("Authorization: Bearer {}\r\n", impl->config.api_key);
  }
  return std::unique_ptr<LoadClient>(new LoadClient(std::move(impl)));
}

Instant LoadClient::now() const { return impl_->now(); }

void LoadClient::listen(Callback<const ReplyChunk&> chunk, Callback<const ReplyEnd&> end) {
  impl_->on_chunk = chunk;
  impl_->on_end = end;
}

void LoadClient::post(uint64_t tag, std::string_view path, std::string body) {
  auto exchange = std::make_unique<Exchange>();
  exchange->tag = tag;
  exchange->head = fmt::format(
      "POST {}{} HTTP/1.1\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
      impl_->config.url.path, path, impl_->common_head, body.size());
  exchange->request_body = std::move(body);
  impl_->start(std::move(exchange));
}

void LoadClient::wake_at(Instant at, Callback<> wake) {
  impl_->timer.expires_at(impl_->origin + std::chrono::nanoseconds(at.ns()));
  impl_->timer.async_wait([wake](const error_code& error) {
    if (!error) wake();
  });
}

void LoadClient::catch_interrupts(Callback<> interrupt) {
  impl_->signals.emplace(impl_->io, SIGINT, SIGTERM);
  impl_->signals->async_wait([this, interrupt](const error_code& error, int) {
    if (error) return;
    interrupt();
    catch_interrupts(interrupt);
  });
}

void LoadClient::run() {
  impl_->io.restart();
  impl_->io.run();
}

void LoadClient::stop() { impl_->io.stop(); }

void LoadClient::abort_all() {
  for (const auto& connection : impl_->busy) connection->abort();
  for (const auto& connection : impl_->idle) connection->abort();
  impl_->busy.clear();
  impl_->idle.clear();
  impl_->timer.cancel();
  impl_->in_flight = 0;
}

Result<HttpReply> LoadClient::fetch(std::string_view path, std::string body) {
  auto exchange = std::make_unique<Exchange>();
  exchange->streamed = false;
  exchange->head = fmt::format("{} {}{} HTTP/1.1\r\n{}", body.empty() ? "GET" : "POST",
                               impl_->config.url.path, path, impl_->common_head);
  if (!body.empty()) {
    exchange->head +=
        fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body.size());
  }
  exchange->head += "\r\n";
  exchange->request_body = std::move(body);
  impl_->fetched.reset();
  impl_->start(std::move(exchange));
  impl_->io.restart();
  while (!impl_->fetched && impl_->io.run_one() > 0) {
  }
  if (impl_->fetched) return *std::exchange(impl_->fetched, std::nullopt);
  return Error{ErrorCode::kUnavailable, fmt::format("{}: no answer", impl_->config.url.base())};
}

int64_t LoadClient::in_flight() const { return impl_->in_flight; }
const LoadClientCounters& LoadClient::counters() const { return impl_->counters; }
int64_t LoadClient::most_open_files() const { return impl_->most_open_files; }

}  // namespace weft
