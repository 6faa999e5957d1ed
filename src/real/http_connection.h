// HttpConnection: one client's socket, plain or TLS, on its server thread: reads requests, hands
// them to the handler one after the other, sends what the channel holds, keeps the deadlines.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_set>
#include <variant>
#include <vector>

#include "real/http_channel.h"
#include "real/http_request_reader.h"
#include "real/http_server.h"

namespace weft {

// What the threads of one server share.
struct HttpShared {
  HttpServerConfig config;
  HttpServer::Handler handler;
  std::optional<boost::asio::ssl::context> tls;
  std::shared_ptr<HttpChannelRules> rules = std::make_shared<HttpChannelRules>();
  std::atomic<uint64_t> accepted = 0, refused = 0, requests = 0, malformed = 0, hung_up = 0,
                        too_slow = 0;
  std::atomic<uint64_t> last_id = 0;  // starts anywhere
  std::mutex mutex;
  std::condition_variable none_left;
  uint64_t connections = 0;  // guarded by mutex
};

struct HttpThread {
  explicit HttpThread(HttpShared& all) : shared(all) {}
  // Wakes the connections whose channels have news.
  void turn();
  void check_deadlines();

  HttpShared& shared;
  boost::asio::io_context io{1};
  std::shared_ptr<HttpMailbox> mailbox;
  std::vector<std::shared_ptr<HttpChannel>> woken;
  std::unordered_set<std::shared_ptr<HttpConnection>> connections;
  boost::asio::steady_timer tick{io};
  bool stopped = false;
  std::thread thread;
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  using Clock = std::chrono::steady_clock;
  using Socket = boost::asio::ip::tcp::socket;

  HttpConnection(HttpThread& thread, Socket socket);

  // All on the server thread. One that is refused gets a 503 and nothing else.
  void start(bool refused);
  void advance();  // does what can be done now
  void drain();
  void close();
  [[nodiscard]] bool overdue(Clock::time_point now) const;
  void expire(Clock::time_point now);

 private:
  using Tls = boost::asio::ssl::stream<Socket>;
  using Error = boost::system::error_code;
  enum class Phase { kHandshake, kIdle, kHeader, kBody, kRunning, kClosing, kLingering, kClosed };

  Socket& socket();
  void greet();
  bool step();
  bool read_requests();
  void start_exchange();
  void refuse(int status, std::string_view sentence, const HttpHeaders& extra = {});
  [[nodiscard]] size_t read_ahead() const;
  void start_read();
  void on_read(Error error, size_t bytes);
  void end_of_input();
  void flush();
  void on_written(Error error, size_t bytes);
  void linger();
  void enter(Phase phase);
  void lose();

  HttpThread& thread_;
  HttpShared& shared_;
  std::variant<Socket, Tls> stream_;
  std::shared_ptr<HttpChannel> channel_;
  HttpRequestReader reader_;
  std::string peer_;
  Phase phase_ = Phase::kHandshake;
  bool refused_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool input_ended_ = false;
  bool advancing_ = false;
  Clock::time_point deadline_ = Clock::time_point::max();        // of the phase
  Clock::time_point write_deadline_ = Clock::time_point::max();  // of the send under way
  std::string in_;       // read, and not taken by the reader
  std::string sending_;  // taken from the channel
  size_t sent_ = 0;      // of it
  std::vector<char> buffer_;
};

}  // namespace weft
