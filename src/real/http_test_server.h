// For tests: a server on a free port, and a box in which the handler leaves exchanges for the
// test's own thread.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include "real/http_server.h"

namespace weft {

class ExchangeBox {
 public:
  void put(std::shared_ptr<HttpExchange> exchange) {
    const std::lock_guard lock(mutex_);
    exchanges_.push_back(std::move(exchange));
    arrived_.notify_one();
  }
  // Null after ten seconds without one.
  std::shared_ptr<HttpExchange> take() {
    std::unique_lock lock(mutex_);
    const auto limit = std::chrono::seconds(10);
    if (!arrived_.wait_for(lock, limit, [this] { return !exchanges_.empty(); })) return nullptr;
    auto exchange = std::move(exchanges_.front());
    exchanges_.pop_front();
    return exchange;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::shared_ptr<HttpExchange>> exchanges_;
};

// Hears of an exchange's close: wait() is false when it does not come within ten seconds.
class CloseWatch {
 public:
  explicit CloseWatch(HttpExchange& exchange) {
    exchange.on_close([promise = promise_] { promise->set_value(); });
  }
  bool wait() { return closed_.wait_for(std::chrono::seconds(10)) == std::future_status::ready; }
  bool heard() { return closed_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }

 private:
  std::shared_ptr<std::promise<void>> promise_ = std::make_shared<std::promise<void>>();
  std::future<void> closed_ = promise_->get_future();
};

// Says back what it was asked: "GET /path?query body".
inline void echo(HttpExchange& exchange) {
  const HttpRequest& request = exchange.request();
  std::string text = request.method + " " + request.target;
  if (!request.query.empty()) text += "?" + request.query;
  if (!request.body.empty()) text += " " + request.body;
  exchange.respond(200, "text/plain", text);
}

// Targets under /later go to the box, /none is 204, /throw throws, the rest is echoed.
class HttpServerTest : public testing::Test {
 protected:
  void start(HttpServerConfig config = {}) {
    config.port = 0;
    server_ = std::make_unique<HttpServer>(config, [this](std::shared_ptr<HttpExchange> exchange) {
      const std::string& target = exchange->request().target;
      if (target.starts_with("/later")) return box_.put(std::move(exchange));
      if (target == "/throw") throw std::runtime_error("a library's");
      if (target == "/none") return static_cast<void>(exchange->respond(204, "text/plain", ""));
      echo(*exchange);
    });
    const Status listening = server_->listen();
    ASSERT_TRUE(listening.ok()) << listening.error().message;
  }
  [[nodiscard]] uint16_t port() const { return server_->port(); }

  ExchangeBox box_;  // outlives the server
  std::unique_ptr<HttpServer> server_;
};

}  // namespace weft
