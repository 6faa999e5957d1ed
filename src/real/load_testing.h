// For tests alone: a small HTTP server on loopback whose every answer is a script. One thread waits
// for connections, and each connection has one of its own.
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"

namespace weft {

using TestClock = std::chrono::steady_clock;

// The server's side of one request.
class FakeExchange {
 public:
  FakeExchange(int socket, std::string head, std::string body)
      : head_(std::move(head)), body_(std::move(body)), socket_(socket) {}

  [[nodiscard]] const std::string& head() const { return head_; }
  [[nodiscard]] const std::string& body() const { return body_; }
  [[nodiscard]] bool asks(std::string_view target) const {
    return head_.find(fmt::format(" {} HTTP", target)) != std::string::npos;
  }
  [[nodiscard]] bool closed() const { return closed_; }

  void write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  void reply(int status, std::string_view type, std::string_view body,
             std::string_view fields = "") const {
    write(fmt::format("HTTP/1.1 {} X\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n{}", status,
                      type, body.size(), fields, body));
  }
  void begin_stream() const {
    write(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
        "Transfer-Encoding: chunked\r\n\r\n");
  }
  // One chunk of HTTP, whatever part of an event it holds.
  void piece(std::string_view bytes) const {
    write(fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes));
  }
  void token(std::string_view text) const {
    piece(fmt::format("data: {{\"choices\":[{{\"index\":0,\"text\":\"{}\"}}]}}\n\n", text));
  }
  void usage(int64_t prompt, int64_t completion, int64_t cached = 0) const {
    piece(
        fmt::format("data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":{},"
                    "\"completion_tokens\":{},\"prompt_tokens_details\":{{\"cached_tokens\":{}}}}}"
                    "}}\n\n",
                    prompt, completion, cached));
  }
  void end_stream() const {
    piece("data: [DONE]\n\n");
    write("0\r\n\r\n");
  }
  void hang_up() {
    closed_ = true;
    shutdown(socket_, SHUT_RDWR);
  }

 private:
  std::string head_;
  std::string body_;
  int socket_;
  bool closed_ = false;
};

class FakeServer {
 public:
  using Script = std::function<void(FakeExchange&)>;

  explicit FakeServer(Script script) : script_(std::move(script)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0);
    CHECK(listen(listener_, 1024) == 0);
    CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    port_ = ntohs(address.sin_port);
    threads_.emplace_back([this] { accept_all(); });
  }
  ~FakeServer() {
    shutdown(listener_, SHUT_RDWR);
    threads_.front().join();
    {
      const std::lock_guard lock(mutex_);
      for (const int socket : sockets_) shutdown(socket, SHUT_RDWR);
    }
    for (size_t i = 1; i < threads_.size(); ++i) threads_[i].join();
    for (const int socket : sockets_) close(socket);
    close(listener_);
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  [[nodiscard]] std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }
  [[nodiscard]] size_t connections() {
    const std::lock_guard lock(mutex_);
    return sockets_.size();
  }

 private:
  void accept_all() {
    for (;;) {
      const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) return;
      const int on = 1;
      setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      const std::lock_guard lock(mutex_);
      sockets_.push_back(client);
      threads_.emplace_back([this, client] { serve(client); });
    }
  }
  // Requests of one connection, one after the other.
  void serve(int client) {
    std::string bytes;
    for (;;) {
      size_t end = 0;
      while ((end = bytes.find("\r\n\r\n")) == std::string::npos) {
        if (!receive(client, bytes)) return;
      }
      std::string head = bytes.substr(0, end + 4);
      bytes.erase(0, end + 4);
      const size_t at = head.find("Content-Length: ");
      const size_t length = at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
      while (bytes.size() < length) {
        if (!receive(client, bytes)) return;
      }
      FakeExchange exchange(client, std::move(head), bytes.substr(0, length));
      bytes.erase(0, length);
      script_(exchange);
      if (exchange.closed()) return;
    }
  }
  static bool receive(int client, std::string& bytes) {
    char piece[4096];
    const ssize_t got = recv(client, piece, sizeof piece, 0);
    if (got > 0) bytes.append(piece, static_cast<size_t>(got));
    return got > 0;
  }

  Script script_;
  int listener_ = -1;
  int port_ = 0;
  std::mutex mutex_;
  std::vector<int> sockets_;
  std::vector<std::thread> threads_;
};

}  // namespace weft
