// For tests: a blocking HTTP client over a loopback socket that sends any bytes and waits at most
// ten seconds for an answer's.
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "real/http_text.h"

namespace weft {

struct TestAnswer {
  int status = 0;      // 0: none came
  std::string head;    // with the status line and the empty line
  std::string body;    // of chunked answers: put together
  bool whole = false;  // as long as it said, or ended with the last chunk

  // "" when there is none.
  [[nodiscard]] std::string header(std::string_view name) const {
    for (size_t line = head.find("\r\n"); line + 4 < head.size(); line = head.find("\r\n", line)) {
      line += 2;
      const size_t colon = head.find(':', line);
      if (!equal_ignoring_case(std::string_view(head).substr(line, colon - line), name)) continue;
      return head.substr(colon + 2, head.find("\r\n", colon) - colon - 2);
    }
    return "";
  }
};

class TestClient {
 public:
  explicit TestClient(uint16_t port, int receive_buffer = 0)
      : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    const int one = 1;
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (receive_buffer > 0) {
      setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~TestClient() { hang_up(); }
  TestClient(TestClient&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)),
        connected_(other.connected_),
        ended_(other.ended_),
        in_(std::move(other.in_)) {}
  TestClient& operator=(TestClient&&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] int descriptor() const { return socket_; }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  // What came up to the end, or up to and with the mark; removed from what was read.
  std::string read_until(std::string_view mark) {
    size_t at = 0;
    while ((at = in_.find(mark)) == std::string::npos && fill()) {
    }
    return take(at == std::string::npos ? in_.size() : at + mark.size());
  }
  std::string read_bytes(size_t bytes) {
    while (in_.size() < bytes && fill()) {
    }
    return take(std::min(bytes, in_.size()));
  }
  std::string read_to_end() {
    while (fill()) {
    }
    return take(in_.size());
  }

  // The next answer of the connection; `head_only` for those to HEAD.
  TestAnswer read_answer(bool head_only = false) {
    TestAnswer answer;
    answer.head = read_until("\r\n\r\n");
    if (answer.head.size() < 12) return answer;
    answer.status = std::atoi(answer.head.c_str() + 9);
    if (head_only || answer.status == 204 || answer.status == 304 || answer.status < 200) {
      answer.whole = true;
    } else if (answer.header("Transfer-Encoding") == "chunked") {
      read_chunks(answer);
    } else if (const std::string length = answer.header("Content-Length"); !length.empty()) {
      const size_t bytes = std::strtoul(length.c_str(), nullptr, 10);
      answer.body = read_bytes(bytes);
      answer.whole = answer.body.size() == bytes;
    } else {
      answer.body = read_to_end();
      answer.whole = ended_;
    }
    return answer;
  }

  // True when the server has closed, and sent nothing more.
  bool at_end() { return read_to_end().empty() && ended_; }

  void shut_sending() { shutdown(socket_, SHUT_WR); }
  void hang_up() {
    if (socket_ >= 0) close(std::exchange(socket_, -1));
  }
  // Hangs up with RST.
  void reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    hang_up();
  }

 private:
  bool fill() {
    std::array<char, 16384> buffer;
    const ssize_t bytes = recv(socket_, buffer.data(), buffer.size(), 0);
    if (bytes > 0) in_.append(buffer.data(), static_cast<size_t>(bytes));
    ended_ = bytes == 0 || (bytes < 0 && errno == ECONNRESET);
    return bytes > 0;
  }
  std::string take(size_t bytes) {
    std::string taken = in_.substr(0, bytes);
    in_.erase(0, bytes);
    return taken;
  }
  void read_chunks(TestAnswer& answer) {
    for (;;) {
      const std::string line = read_until("\r\n");
      const size_t bytes = std::strtoul(line.c_str(), nullptr, 16);
      const std::string data = read_bytes(bytes + 2);
      if (line.empty() || data.size() != bytes + 2) return;
      answer.body += data.substr(0, bytes);
      if (bytes == 0) {
        answer.whole = true;
        return;
      }
    }
  }

  int socket_;
  bool connected_ = false;
  bool ended_ = false;
  std::string in_;
};

// With a Host, and `more` header lines that end with CRLF each.
inline std::string get_request(std::string_view path, std::string_view more = "") {
  return fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n", path, more);
}
inline std::string post_request(std::string_view path, std::string_view body,
                                std::string_view more = "") {
  return fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{}\r\n{}", path,
                     body.size(), more, body);
}

}  // namespace weft
