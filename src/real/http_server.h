// HttpServer: HTTP/1.1 and 1.0 over TCP or TLS, on threads of its own. It reads requests and sends
// answers; what they mean is the handler's. Hostile and broken clients cost a bounded amount of
// memory and time and are answered 400, 408, 413, 417, 431, 501, 503 or 505.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "real/http_exchange.h"

namespace weft {

struct HttpServerConfig {
  std::string host = "127.0.0.1";  // an address or a name
  uint16_t port = 8000;            // 0: any free one
  int threads = 1;

  size_t max_body_bytes = size_t{32} << 20;    // 413 beyond
  size_t max_header_bytes = size_t{16} << 10;  // 431 beyond; request line included
  size_t max_unsent_bytes = size_t{1} << 20;   // a stream whose client lags further is dropped
  int max_connections = 4096;                  // 503 with Retry-After beyond

  Duration header_timeout = seconds(10);  // from a connection's start, or a request's first byte
  Duration body_timeout = seconds(60);    // from the end of the header
  Duration idle_timeout = seconds(75);    // between two requests of a connection
  Duration write_timeout = seconds(30);   // while the client takes no byte

  std::string tls_certificate = "";  // path of a PEM chain; empty: no TLS
  std::string tls_key = "";          // path of its PEM key
  std::string server_name = "weft";
};

struct HttpServerCounts {
  uint64_t connections = 0;  // open now
  uint64_t accepted = 0;     // the rest: since the start
  uint64_t refused = 0;      // beyond max_connections
  uint64_t requests = 0;     // given to the handler
  uint64_t malformed = 0;    // refused before the handler, 4xx and 5xx
  uint64_t hung_up = 0;      // clients gone before their answer was finished
  uint64_t too_slow = 0;     // dropped for lagging behind, or for a timeout within a request
};

class HttpServer {
 public:
  // Called on a server thread for every request, in the order of a connection; it must not wait.
  // Several threads call it at the same time when there are several.
  using Handler = std::function<void(std::shared_ptr<HttpExchange>)>;

  HttpServer(HttpServerConfig config, Handler handler);
  ~HttpServer();  // stops
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Binds and starts. Once; after an error the server can only be destroyed. Errors: an address
  // that does not parse or is taken, certificates and keys that cannot be used.
  Status listen();

  // Requires a listen() that worked.
  [[nodiscard]] uint16_t port() const;

  // New connections are refused from now on, idle ones are closed, and the others after their
  // answer. From any thread.
  void drain();

  // Waits until no connection is left, at most that long: true when there is none.
  bool wait_drained(Duration limit);

  // Cuts what is left and joins the threads; exchanges kept by others are closed. Not from the
  // handler or a callback. Twice is as good as once.
  void stop();

  [[nodiscard]] HttpServerCounts counts() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft
