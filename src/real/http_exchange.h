// One HTTP request and the way to answer it: at once, or as a stream. The handle may be kept and
// used from any thread; nothing here waits, writes go out on the server's own thread.
// Knows HTTP only. Calls in a wrong order (write before begin_stream, two answers) fail a CHECK.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft {

class HttpChannel;

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;      // as sent: GET, POST, …
  std::string target;      // the path, starts with '/' (or is "*"); percent signs are left alone
  std::string query;       // what follows the first '?', without it
  HttpHeaders headers;     // in the order sent; look them up with header()
  std::string body;        // of chunked requests: put together
  std::string request_id;  // x-request-id of the client when it is sane, else made; never empty
  std::string peer;        // address:port
  int minor_version = 1;   // of HTTP/1.x
  bool keep_alive = true;  // what the client asked for

  // The first header of that name, in any case; empty when there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

// Every answer carries Date, Server, x-request-id and what framing needs; `extra` may add others
// (an x-request-id there takes the place of the request's). Control characters in them become
// spaces. The last handle gone without an answer is a 500; gone within a stream, it cuts the
// connection, so that the client does not take the part for the whole.
class HttpExchange {
 public:
  HttpExchange(HttpRequest request, std::shared_ptr<HttpChannel> channel);  // for the server alone
  ~HttpExchange();
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  [[nodiscard]] const HttpRequest& request() const { return request_; }

  // The whole answer. False, here and below: the connection is closed, and nothing was sent.
  bool respond(int status, std::string_view content_type, std::string_view body,
               const HttpHeaders& extra = {});

  // An answer in parts: chunked, or until the connection's end with HTTP/1.0. A part is sent at the
  // server thread's next turn, together with all that was written until then. The answer to HEAD
  // has no parts: they are dropped. Empty parts are nothing.
  bool begin_stream(int status, std::string_view content_type, const HttpHeaders& extra = {});
  bool write(std::string_view part);
  bool finish();
  // Breaks a stream off: the client sees that it is not whole.
  void abort();

  // True when the client has hung up, was too slow, or the server has stopped before the answer
  // was finished. A client that shuts down its sending half has hung up.
  [[nodiscard]] bool closed() const;

  // Called once when closed() becomes true, on the server's thread, or right here when it is true
  // already; never after the answer is finished. It may run while another thread drops its handle;
  // one that holds the handle itself is released with the answer's end.
  void on_close(std::function<void()> callback);

  // Bytes of this connection that the system has not taken yet. Beyond max_unsent_bytes of the
  // server's config a write drops the connection.
  [[nodiscard]] size_t queued_bytes() const;

 private:
  friend class HttpChannel;
  enum class Stage { kOpen, kStreaming, kFinished };

  const HttpRequest request_;
  const std::shared_ptr<HttpChannel> channel_;
  Stage stage_ = Stage::kOpen;  // these three: guarded by the channel's mutex
  bool without_body_ = false;   // HEAD, 204, 304
  std::function<void()> on_close_;
};

}  // namespace weft
