// The phases of a connection. A read is kept pending in all of them, so that a client's hang-up is
// seen at once; only a client that sends far ahead has to wait.
#include "real/http_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <utility>

#include "real/http_text.h"

namespace weft {
namespace {

namespace asio = boost::asio;

constexpr size_t kReadBytes = 8 << 10;
constexpr size_t kReadAhead = 64 << 10;    // of requests behind the one that is answered
constexpr size_t kKeptBuffer = 256 << 10;  // memory that an idle connection may keep
constexpr auto kLinger = std::chrono::seconds(1);

std::chrono::nanoseconds chrono(Duration d) { return std::chrono::nanoseconds(d.count()); }

std::string endpoint_text(const HttpConnection::Socket& socket) {
  boost::system::error_code error;
  const auto end = socket.remote_endpoint(error);
  if (error) return "unknown";
  const bool is_v6 = end.address().is_v6();
  return fmt::format("{}{}{}:{}", is_v6 ? "[" : "", end.address().to_string(), is_v6 ? "]" : "",
                     end.port());
}

// A number that is different for each request, spread over 64 bits (the finisher of MurmurHash3).
std::string made_id(uint64_t number) {
  number ^= number >> 33;
  number *= 0xff51afd7ed558ccdU;
  number ^= number >> 33;
  number *= 0xc4ceb9fe1a85ec53U;
  number ^= number >> 33;
  return fmt::format("req-{:016x}", number);
}

// A peer that vanished without a word is noticed within a minute.
void watch_peer(HttpConnection::Socket& socket) {
  using Seconds = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>;
  using Interval = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>;
  using Probes = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPCNT>;
  boost::system::error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  socket.set_option(Seconds(30), ignored);
  socket.set_option(Interval(10), ignored);
  socket.set_option(Probes(3), ignored);
}

}  // namespace

void HttpThread::turn() {
  mailbox->take(woken);
  for (const auto& channel : woken) {
    if (channel->connection != nullptr) channel->connection->shared_from_this()->advance();
  }
  woken.clear();
}

void HttpThread::check_deadlines() {
  const auto now = HttpConnection::Clock::now();
  std::vector<std::shared_ptr<HttpConnection>> overdue;
  for (const auto& connection : connections) {
    if (connection->overdue(now)) overdue.push_back(connection);
  }
  for (const auto& connection : overdue) connection->expire(now);
}

HttpConnection::HttpConnection(HttpThread& thread, Socket socket)
    : thread_(thread),
      shared_(thread.shared),
      stream_(shared_.tls ? std::variant<Socket, Tls>(std::in_place_type<Tls>, std::move(socket),
                                                      *shared_.tls)
                          : std::variant<Socket, Tls>(std::move(socket))),
      channel_(std::make_shared<HttpChannel>(this, thread.mailbox, shared_.rules)),
      reader_({shared_.config.max_header_bytes, shared_.config.max_body_bytes}) {}

HttpConnection::Socket& HttpConnection::socket() {
  auto* plain = std::get_if<Socket>(&stream_);
  return plain != nullptr ? *plain : std::get<Tls>(stream_).next_layer();
}

void HttpConnection::start(bool refused) {
  refused_ = refused;
  peer_ = endpoint_text(socket());
  watch_peer(socket());
  deadline_ = Clock::now() + chrono(shared_.config.header_timeout);
  auto* tls = std::get_if<Tls>(&stream_);
  if (tls == nullptr) return greet();
  tls->async_handshake(asio::ssl::stream_base::server, [self = shared_from_this()](Error error) {
    if (self->phase_ == Phase::kClosed) return;
    error ? self->close() : self->greet();
  });
}

// The first request has as long to begin as its header may take.
void HttpConnection::greet() {
  buffer_.resize(kReadBytes);
  phase_ = Phase::kIdle;
  if (refused_) refuse(503, "too many connections", {{"Retry-After", "1"}});
  advance();
}

void HttpConnection::enter(Phase phase) {
  if (std::exchange(phase_, phase) == phase) return;
  const HttpServerConfig& config = shared_.config;
  const auto now = Clock::now();
  deadline_ = Clock::time_point::max();
  if (phase == Phase::kIdle) deadline_ = now + chrono(config.idle_timeout);
  if (phase == Phase::kHeader) deadline_ = now + chrono(config.header_timeout);
  if (phase == Phase::kBody) deadline_ = now + chrono(config.body_timeout);
  if (phase == Phase::kLingering) deadline_ = now + kLinger;
}

void HttpConnection::advance() {
  if (phase_ == Phase::kClosed || phase_ == Phase::kHandshake || advancing_) return;
  advancing_ = true;
  try {
    while (step()) {
    }
    flush();
    if (phase_ == Phase::kClosing && !writing_) linger();
    start_read();
  } catch (...) {  // out of memory, or a library's surprise: this connection's end alone
    close();
  }
  advancing_ = false;
}

// One request's beginning or end; false when there is nothing to be done now.
bool HttpConnection::step() {
  const HttpChannel::News news = channel_->take_news();
  if (news.cut) {
    if (news.too_slow) ++shared_.too_slow;
    close();
    return false;
  }
  if (phase_ == Phase::kRunning) {
    if (!news.answered) return false;
    enter(news.last ? Phase::kClosing : Phase::kIdle);
    if (phase_ == Phase::kIdle && in_.empty() && shared_.rules->draining) enter(Phase::kClosing);
    return phase_ == Phase::kIdle;
  }
  if (phase_ != Phase::kIdle && phase_ != Phase::kHeader && phase_ != Phase::kBody) return false;
  return read_requests();
}

bool HttpConnection::read_requests() {
  if (in_.empty() || channel_->queued_bytes() > shared_.config.max_unsent_bytes) return false;
  in_.erase(0, reader_.feed(in_));
  switch (reader_.state()) {
    case HttpRequestReader::State::kFailed:
      ++shared_.malformed;
      refuse(reader_.error_status(), reader_.error());
      return false;
    case HttpRequestReader::State::kDone:
      start_exchange();
      return phase_ != Phase::kClosed;
    case HttpRequestReader::State::kIdle:
      return false;
    case HttpRequestReader::State::kHeader:
      enter(Phase::kHeader);
      return false;
    case HttpRequestReader::State::kBody:
      enter(Phase::kBody);
      if (reader_.take_continue()) channel_->send_continue();
      return false;
  }
  return false;
}

void HttpConnection::start_exchange() {
  HttpRequest request = reader_.take();
  if (request.request_id.empty()) request.request_id = made_id(++shared_.last_id);
  request.peer = peer_;
  enter(Phase::kRunning);
  ++shared_.requests;
  auto exchange = std::make_shared<HttpExchange>(std::move(request), channel_);
  channel_->begin(*exchange);
  shared_.handler(std::move(exchange));
}

void HttpConnection::refuse(int status, std::string_view sentence, const HttpHeaders& extra) {
  channel_->refuse(status, made_id(++shared_.last_id), sentence, extra);
  enter(Phase::kClosing);
}

// More than the reader may leave of an unfinished header.
size_t HttpConnection::read_ahead() const {
  return std::max(kReadAhead, 2 * shared_.config.max_header_bytes + kReadBytes);
}

void HttpConnection::start_read() {
  if (reading_ || input_ended_ || phase_ == Phase::kClosed || in_.size() >= read_ahead()) return;
  reading_ = true;
  std::visit(
      [this](auto& stream) {
        stream.async_read_some(asio::buffer(buffer_),
                               [self = shared_from_this()](Error error, size_t bytes) {
                                 self->reading_ = false;
                                 self->on_read(error, bytes);
                               });
      },
      stream_);
}

void HttpConnection::on_read(Error error, size_t bytes) {
  if (phase_ == Phase::kClosed) return;
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
    return end_of_input();
  }
  if (error) return lose();
  if (phase_ != Phase::kClosing && phase_ != Phase::kLingering) in_.append(buffer_.data(), bytes);
  advance();
}

// What has been answered is still sent, in case that only the client's sending half is shut.
void HttpConnection::end_of_input() {
  input_ended_ = true;
  advance();
  if (phase_ == Phase::kClosed) return;
  if (phase_ == Phase::kRunning || !writing_) return lose();
  enter(Phase::kClosing);
}

// The client is gone.
void HttpConnection::lose() {
  if (phase_ == Phase::kRunning) ++shared_.hung_up;
  close();
}

void HttpConnection::flush() {
  if (writing_ || phase_ == Phase::kClosed) return;
  if (sent_ == sending_.size()) {
    sent_ = 0;
    sending_.clear();
    if (sending_.capacity() > kKeptBuffer) sending_.shrink_to_fit();
    channel_->take(sending_);
  }
  if (sending_.empty()) {
    write_deadline_ = Clock::time_point::max();
    return;
  }
  writing_ = true;
  write_deadline_ = Clock::now() + chrono(shared_.config.write_timeout);
  const auto bytes = asio::buffer(sending_.data() + sent_, sending_.size() - sent_);
  std::visit(
      [this, &bytes](auto& stream) {
        stream.async_write_some(bytes, [self = shared_from_this()](Error error, size_t sent) {
          self->writing_ = false;
          self->on_written(error, sent);
        });
      },
      stream_);
}

void HttpConnection::on_written(Error error, size_t bytes) {
  if (phase_ == Phase::kClosed) return;
  if (error) return lose();
  sent_ += bytes;
  channel_->sent(bytes);
  if (phase_ == Phase::kIdle) deadline_ = Clock::now() + chrono(shared_.config.idle_timeout);
  advance();
}

// All is sent: says so, and waits a little for the client to have read it; closing with unread
// input at once would take the answer away from it.
void HttpConnection::linger() {
  if (input_ended_) return close();
  enter(Phase::kLingering);
  in_.clear();
  if (auto* tls = std::get_if<Tls>(&stream_)) {
    tls->async_shutdown([self = shared_from_this()](Error) { self->close(); });
    return;
  }
  Error ignored;
  socket().shutdown(Socket::shutdown_send, ignored);
}

void HttpConnection::drain() {
  if (phase_ == Phase::kHandshake) return close();
  if (phase_ != Phase::kIdle || !in_.empty()) return;
  enter(Phase::kClosing);
  advance();
}

bool HttpConnection::overdue(Clock::time_point now) const {
  return now >= deadline_ || now >= write_deadline_;
}

void HttpConnection::expire(Clock::time_point now) {
  if (phase_ == Phase::kClosed) return;
  const bool reads = phase_ == Phase::kHeader || phase_ == Phase::kBody;
  if (now >= write_deadline_ || reads) ++shared_.too_slow;
  if (now >= write_deadline_ || !reads) return close();
  refuse(408, "the request took too long to arrive");
  advance();
}

void HttpConnection::close() {
  if (std::exchange(phase_, Phase::kClosed) == Phase::kClosed) return;
  const auto self = shared_from_this();
  Error ignored;
  socket().close(ignored);
  deadline_ = write_deadline_ = Clock::time_point::max();
  channel_->connection = nullptr;
  channel_->close();
  thread_.connections.erase(self);
  const std::lock_guard lock(shared_.mutex);
  if (--shared_.connections == 0) shared_.none_left.notify_all();
}

}  // namespace weft
