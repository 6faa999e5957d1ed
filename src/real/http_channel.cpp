// Answers are written as bytes under the channel's lock and wait there for the server thread.
#include "real/http_channel.h"

#include <chrono>
#include <utility>

#include "base/check.h"
#include "real/http_response.h"

namespace weft {

void HttpMailbox::put(std::shared_ptr<HttpChannel> channel) {
  const std::lock_guard lock(mutex_);
  if (!wake_) return;
  channels_.push_back(std::move(channel));
  if (channels_.size() == 1) wake_();
}

void HttpMailbox::take(std::vector<std::shared_ptr<HttpChannel>>& channels) {
  const std::lock_guard lock(mutex_);
  channels_.swap(channels);
}

void HttpMailbox::close() {
  std::vector<std::shared_ptr<HttpChannel>> channels;  // dropped without the lock
  const std::lock_guard lock(mutex_);
  wake_ = nullptr;
  channels_.swap(channels);
}

std::string_view HttpChannel::date() {
  const int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
  if (std::exchange(date_second_, now) != now) date_ = http_date(now);
  return date_;
}

void HttpChannel::append(std::string_view bytes) {
  pending_ += bytes;
  unsent_.fetch_add(bytes.size(), std::memory_order_relaxed);
}

// Puts the channel into the mailbox, once between two turns. Under the lock.
void HttpChannel::wake() {
  if (!std::exchange(woken_, true)) mailbox_->put(shared_from_this());
}

void HttpChannel::answered(HttpExchange& exchange) {
  exchange.stage_ = HttpExchange::Stage::kFinished;
  current_ = nullptr;
  news_.answered = true;
}

// The head, and the body unless it is a stream. Under the lock.
void HttpChannel::append_answer(HttpExchange& exchange, int status, std::string_view content_type,
                                const std::string_view* body, const HttpHeaders& extra) {
  CHECK(exchange.stage_ == HttpExchange::Stage::kOpen, "one answer to a request");
  const HttpRequest& request = exchange.request_;
  const bool has_body = status_has_body(status);
  exchange.without_body_ = !has_body || request.method == "HEAD";
  const bool is_stream = body == nullptr && has_body;
  chunked_ = is_stream && request.minor_version >= 1;
  const bool stays = request.keep_alive && !rules_->draining && (!is_stream || chunked_);
  if (!stays) news_.last = true;
  HttpResponseHead head;
  head.status = status;
  head.content_type = has_body ? content_type : std::string_view();
  if (body != nullptr && has_body) head.content_length = body->size();
  head.chunked = chunked_;
  head.connection = !stays ? "close" : request.minor_version == 0 ? "keep-alive" : "";
  head.request_id = request.request_id;
  head.server = rules_->server_name;
  head.date = date();
  const size_t before = pending_.size();
  append_head(pending_, head, extra);
  if (body != nullptr && !exchange.without_body_) pending_ += *body;
  unsent_.fetch_add(pending_.size() - before, std::memory_order_relaxed);
}

bool HttpChannel::respond(HttpExchange& exchange, int status, std::string_view content_type,
                          std::string_view body, const HttpHeaders& extra) {
  std::function<void()> callback;  // dropped without the lock
  const std::lock_guard lock(mutex_);
  if (closed_ || news_.cut) return false;
  append_answer(exchange, status, content_type, &body, extra);
  answered(exchange);
  callback = std::move(exchange.on_close_);
  wake();
  return true;
}

bool HttpChannel::begin_stream(HttpExchange& exchange, int status, std::string_view content_type,
                               const HttpHeaders& extra) {
  const std::lock_guard lock(mutex_);
  if (closed_ || news_.cut) {
    exchange.stage_ = HttpExchange::Stage::kStreaming;
    return false;
  }
  append_answer(exchange, status, content_type, nullptr, extra);
  exchange.stage_ = HttpExchange::Stage::kStreaming;
  wake();
  return true;
}

bool HttpChannel::write(HttpExchange& exchange, std::string_view part) {
  const std::lock_guard lock(mutex_);
  CHECK(exchange.stage_ == HttpExchange::Stage::kStreaming, "write within a stream");
  if (closed_ || news_.cut) return false;
  if (part.empty() || exchange.without_body_) return true;
  const size_t queued = queued_bytes();
  if (queued > 0 && queued + part.size() > rules_->max_unsent_bytes) {
    news_.cut = news_.too_slow = true;
    wake();
    return false;
  }
  const size_t before = pending_.size();
  if (chunked_) {
    append_chunk(pending_, part);
  } else {
    pending_ += part;
  }
  unsent_.fetch_add(pending_.size() - before, std::memory_order_relaxed);
  wake();
  return true;
}

bool HttpChannel::finish(HttpExchange& exchange) {
  std::function<void()> callback;
  const std::lock_guard lock(mutex_);
  CHECK(exchange.stage_ == HttpExchange::Stage::kStreaming, "finish ends a stream");
  if (closed_ || news_.cut) return false;
  if (chunked_ && !exchange.without_body_) append(kLastChunk);
  answered(exchange);
  callback = std::move(exchange.on_close_);
  wake();
  return true;
}

void HttpChannel::abort(HttpExchange& exchange) {
  std::function<void()> callback;
  const std::lock_guard lock(mutex_);
  if (exchange.stage_ == HttpExchange::Stage::kFinished || closed_) return;
  answered(exchange);
  news_.cut = true;
  callback = std::move(exchange.on_close_);
  wake();
}

void HttpChannel::release(HttpExchange& exchange) {
  bool unanswered = false;
  bool broken = false;
  {
    const std::lock_guard lock(mutex_);
    if (current_ == &exchange && closed_) current_ = nullptr;
    if (!closed_) {
      unanswered = exchange.stage_ == HttpExchange::Stage::kOpen;
      broken = exchange.stage_ == HttpExchange::Stage::kStreaming;
    }
  }
  if (unanswered) respond(exchange, 500, "text/plain", "the request was dropped\n", {});
  if (broken) abort(exchange);
  const std::lock_guard lock(mutex_);  // not answered after all: the connection is being cut
  if (current_ == &exchange) current_ = nullptr;
}

bool HttpChannel::closed(const HttpExchange& exchange) const {
  const std::lock_guard lock(mutex_);
  return (closed_ || news_.cut) && exchange.stage_ != HttpExchange::Stage::kFinished;
}

void HttpChannel::on_close(HttpExchange& exchange, std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (exchange.stage_ == HttpExchange::Stage::kFinished) return;
    if (!closed_) {
      exchange.on_close_.swap(callback);
      return;
    }
  }
  callback();
}

HttpChannel::News HttpChannel::take_news() {
  const std::lock_guard lock(mutex_);
  woken_ = false;
  const News news = news_;
  news_.answered = false;
  return news;
}

void HttpChannel::begin(HttpExchange& exchange) {
  const std::lock_guard lock(mutex_);
  CHECK(current_ == nullptr, "requests of a connection are answered one after the other");
  current_ = &exchange;
  woken_ = true;  // until the server thread asks again, which it does after the handler
}

void HttpChannel::refuse(int status, std::string_view request_id, std::string_view sentence,
                         const HttpHeaders& extra) {
  const std::lock_guard lock(mutex_);
  std::string body(sentence);
  body += '\n';
  HttpResponseHead head;
  head.status = status;
  head.content_type = "text/plain";
  head.content_length = body.size();
  head.connection = "close";
  head.request_id = request_id;
  head.server = rules_->server_name;
  head.date = date();
  std::string answer;
  append_head(answer, head, extra);
  append(answer);
  append(body);
}

void HttpChannel::send_continue() {
  const std::lock_guard lock(mutex_);
  append("HTTP/1.1 100 Continue\r\n\r\n");
}

void HttpChannel::take(std::string& bytes) {
  const std::lock_guard lock(mutex_);
  pending_.swap(bytes);
}

void HttpChannel::close() {
  std::function<void()> callback;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(closed_, true)) return;
    pending_.clear();
    unsent_ = 0;
    if (current_ != nullptr) callback = std::move(current_->on_close_);
    current_ = nullptr;
  }
  if (callback) callback();
}

}  // namespace weft
