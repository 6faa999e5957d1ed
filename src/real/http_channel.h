// HttpChannel: what a connection's server thread and the threads that answer share: the bytes to be
// sent and the state of the exchange under way. HttpMailbox: how channels with news reach their
// thread, all that come between two of its turns with one wake-up. No sockets here; both may
// outlive the server.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "real/http_exchange.h"

namespace weft {

class HttpConnection;

class HttpMailbox {
 public:
  // `wake` runs on the thread that puts into an empty box, and must end in take() on the other.
  explicit HttpMailbox(std::function<void()> wake) : wake_(std::move(wake)) {}

  void put(std::shared_ptr<HttpChannel> channel);
  // Swaps what has come with `channels`, which is empty.
  void take(std::vector<std::shared_ptr<HttpChannel>>& channels);
  // From now on nothing wakes anybody.
  void close();

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<HttpChannel>> channels_;
  std::function<void()> wake_;  // empty once closed
};

// What all channels of a server know of it.
struct HttpChannelRules {
  size_t max_unsent_bytes = 0;
  std::string server_name;
  std::atomic<bool> draining = false;
};

class HttpChannel : public std::enable_shared_from_this<HttpChannel> {
 public:
  HttpChannel(HttpConnection* owner, std::shared_ptr<HttpMailbox> mailbox,
              std::shared_ptr<const HttpChannelRules> rules)
      : connection(owner), mailbox_(std::move(mailbox)), rules_(std::move(rules)) {}

  // The server thread's alone; null once the connection is closed.
  HttpConnection* connection;

  // Any thread, for an exchange; what they mean is said there.
  bool respond(HttpExchange& exchange, int status, std::string_view content_type,
               std::string_view body, const HttpHeaders& extra);
  bool begin_stream(HttpExchange& exchange, int status, std::string_view content_type,
                    const HttpHeaders& extra);
  bool write(HttpExchange& exchange, std::string_view part);
  bool finish(HttpExchange& exchange);
  void abort(HttpExchange& exchange);
  void release(HttpExchange& exchange);  // the last handle is gone
  [[nodiscard]] bool closed(const HttpExchange& exchange) const;
  void on_close(HttpExchange& exchange, std::function<void()> callback);
  [[nodiscard]] size_t queued_bytes() const { return unsent_.load(std::memory_order_relaxed); }

  // The server thread.
  struct News {
    bool answered = false;  // the exchange under way is done with; said once
    bool last = false;      // and the connection with it
    bool cut = false;       // the connection is to be closed at once
    bool too_slow = false;  // because the client lags
  };
  News take_news();
  void begin(HttpExchange& exchange);
  // An answer that no exchange gives: to what is no request, or one too many. The last one.
  void refuse(int status, std::string_view request_id, std::string_view sentence,
              const HttpHeaders& extra);
  void send_continue();
  // Swaps what is to be sent with `bytes`, which is empty; sent() says what of it the system took.
  void take(std::string& bytes);
  void sent(size_t bytes) { unsent_.fetch_sub(bytes, std::memory_order_relaxed); }
  // Nothing more can be sent: tells the exchange under way.
  void close();

 private:
  void append_answer(HttpExchange& exchange, int status, std::string_view content_type,
                     const std::string_view* body, const HttpHeaders& extra);
  void append(std::string_view bytes);
  void answered(HttpExchange& exchange);
  void wake();
  std::string_view date();

  const std::shared_ptr<HttpMailbox> mailbox_;
  const std::shared_ptr<const HttpChannelRules> rules_;
  std::atomic<size_t> unsent_ = 0;  // pending_ and what take() gave away; written under mutex_

  mutable std::mutex mutex_;  // guards the rest
  std::string pending_;
  HttpExchange* current_ = nullptr;  // not answered yet
  News news_;
  bool chunked_ = false;
  bool closed_ = false;
  bool woken_ = false;  // in the mailbox
  int64_t date_second_ = -1;
  std::string date_;
};

}  // namespace weft
