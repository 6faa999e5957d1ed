// The listener: binds, accepts, spreads connections over its threads, and ends them.
#include "real/http_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdio>
#include <exception>
#include <future>
#include <random>

#include "base/check.h"
#include "real/http_connection.h"

namespace weft {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using SystemError = boost::system::error_code;

constexpr auto kAcceptPause = std::chrono::milliseconds(20);  // out of file descriptors
constexpr uint64_t kMostRefusals = 64;                        // answered 503 at one time

// Deadlines are looked at this often: a quarter of the shortest, between 5 and 250 ms.
std::chrono::nanoseconds tick_of(const HttpServerConfig& config) {
  const Duration shortest = std::min(
      {config.header_timeout, config.body_timeout, config.idle_timeout, config.write_timeout});
  return std::chrono::nanoseconds(
      std::clamp(shortest.count() / 4, milliseconds(5).count(), milliseconds(250).count()));
}

// A server thread ends when stop() says so, not by an exception of one connection.
void run(asio::io_context& io) {
  for (;;) {
    try {
      io.run();
      return;
    } catch (const std::exception& exception) {
      fmt::print(stderr, "weft: http: {}\n", exception.what());
    }
  }
}

Status load_tls(HttpShared& shared) {
  const HttpServerConfig& config = shared.config;
  if (config.tls_certificate.empty() && config.tls_key.empty()) return {};
  if (config.tls_certificate.empty() || config.tls_key.empty()) {
    return bad_input("http: found one of TLS certificate and key, expected both or none");
  }
  asio::ssl::context& tls = shared.tls.emplace(asio::ssl::context::tls_server);
  SystemError error;
  tls.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                      asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 |
                      asio::ssl::context::no_tlsv1_1,
                  error);
  if (!error) tls.use_certificate_chain_file(config.tls_certificate, error);
  if (error) {
    return bad_input(
        fmt::format("{}: found no usable TLS certificate ({}), expected a chain in PEM",
                    config.tls_certificate, error.message()));
  }
  tls.use_private_key_file(config.tls_key, asio::ssl::context::pem, error);
  if (error) {
    return bad_input(
        fmt::format("{}: found no usable TLS key ({}), expected the certificate's in PEM",
                    config.tls_key, error.message()));
  }
  return {};
}

}  // namespace

struct HttpServer::Impl {
  Impl(HttpServerConfig config, Handler handler);
  Status bind();
  void start();
  void accept();
  void accepted(HttpThread& thread, tcp::socket socket);
  void tick(HttpThread& thread);
  void on_all_threads(const std::function<void(HttpThread&)>& what);
  void stop();

  HttpShared shared;
  std::vector<std::unique_ptr<HttpThread>> threads;
  std::unique_ptr<tcp::acceptor> acceptor;  // of the first thread
  std::unique_ptr<asio::steady_timer> accept_again;
  uint16_t port = 0;
  size_t next = 0;  // thread for the next connection
  bool started = false;
};

HttpServer::Impl::Impl(HttpServerConfig config, Handler handler) {
  CHECK(config.threads >= 1 && config.max_connections >= 1);
  CHECK(handler, "a server answers something");
  shared.config = std::move(config);
  shared.handler = std::move(handler);
  shared.rules->max_unsent_bytes = shared.config.max_unsent_bytes;
  shared.rules->server_name = shared.config.server_name;
  std::random_device device;
  shared.last_id = (uint64_t{device()} << 32) | device();
  for (int i = 0; i < shared.config.threads; ++i) {
    threads.push_back(std::make_unique<HttpThread>(shared));
    HttpThread* thread = threads.back().get();
    thread->mailbox = std::make_shared<HttpMailbox>(
        [thread] { asio::post(thread->io, [thread] { thread->turn(); }); });
  }
}

Status HttpServer::Impl::bind() {
  const HttpServerConfig& config = shared.config;
  const bool bracketed =
      config.host.size() > 2 && config.host[0] == '[' && config.host.back() == ']';
  const std::string host = bracketed ? config.host.substr(1, config.host.size() - 2) : config.host;
  SystemError error;
  asio::io_context& io = threads[0]->io;
  auto address = asio::ip::make_address(host, error);
  if (error) {
    tcp::resolver resolver(io);
    const auto found = resolver.resolve(host, "", tcp::resolver::passive, error);
    if (error || found.empty() || host.empty()) {
      return bad_input(
          fmt::format("http: found host \"{}\", expected an address or a known name", config.host));
    }
    address = found.begin()->endpoint().address();
  }
  const tcp::endpoint endpoint(address, config.port);
  acceptor = std::make_unique<tcp::acceptor>(io);
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (!error) port = acceptor->local_endpoint(error).port();
  if (!error) return {};
  return bad_input(
      fmt::format("http: cannot listen on {}:{}: {}", config.host, config.port, error.message()));
}

void HttpServer::Impl::start() {
  started = true;
  accept_again = std::make_unique<asio::steady_timer>(threads[0]->io);
  accept();
  for (const auto& thread : threads) {
    tick(*thread);
    thread->thread = std::thread([&io = thread->io] { run(io); });
  }
}

// The timer that is always pending also keeps the thread running.
void HttpServer::Impl::tick(HttpThread& thread) {
  thread.tick.expires_after(tick_of(shared.config));
  thread.tick.async_wait([this, &thread](SystemError) {
    if (thread.stopped) return;
    thread.check_deadlines();
    tick(thread);
  });
}

void HttpServer::Impl::accept() {
  HttpThread& thread = *threads[next++ % threads.size()];
  acceptor->async_accept(thread.io, [this, &thread](SystemError error, tcp::socket socket) {
    if (!acceptor->is_open()) return;
    if (error) {
      accept_again->expires_after(kAcceptPause);
      accept_again->async_wait([this](SystemError) {
        if (acceptor->is_open()) accept();
      });
      return;
    }
    accepted(thread, std::move(socket));
    accept();
  });
}

// On the first thread.
void HttpServer::Impl::accepted(HttpThread& thread, tcp::socket socket) {
  ++shared.accepted;
  const auto limit = static_cast<uint64_t>(shared.config.max_connections);
  bool refused = false;
  {
    const std::lock_guard lock(shared.mutex);
    refused = shared.connections >= limit;
    if (refused) ++shared.refused;
    if (shared.connections >= limit + kMostRefusals) return;  // closes the socket
    ++shared.connections;
  }
  auto connection = std::make_shared<HttpConnection>(thread, std::move(socket));
  asio::dispatch(thread.io, [&thread, refused, connection = std::move(connection)] {
    thread.connections.insert(connection);
    thread.stopped ? connection->close() : connection->start(refused);
  });
}

// Returns when all have done it, in their order.
void HttpServer::Impl::on_all_threads(const std::function<void(HttpThread&)>& what) {
  for (const auto& thread : threads) {
    std::promise<void> done;
    asio::post(thread->io, [&] {
      what(*thread);
      done.set_value();
    });
    done.get_future().wait();
  }
}

void HttpServer::Impl::stop() {
  if (!std::exchange(started, false)) return;
  on_all_threads([this](HttpThread& thread) {
    if (&thread == threads[0].get()) {
      acceptor->close();
      accept_again->cancel();
    }
    thread.stopped = true;
    thread.tick.cancel();
    const auto left = thread.connections;
    for (const auto& connection : left) connection->close();
  });
  for (const auto& thread : threads) thread->thread.join();
  for (const auto& thread : threads) thread->mailbox->close();
}

HttpServer::HttpServer(HttpServerConfig config, Handler handler)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(handler))) {}

HttpServer::~HttpServer() { stop(); }

Status HttpServer::listen() {
  CHECK(!impl_->started && impl_->acceptor == nullptr, "listen once");
  if (Status loaded = load_tls(impl_->shared); !loaded.ok()) return loaded;
  if (Status bound = impl_->bind(); !bound.ok()) return bound;
  impl_->start();
  return {};
}

uint16_t HttpServer::port() const { return impl_->port; }

void HttpServer::drain() {
  if (!impl_->started) return;
  impl_->shared.rules->draining = true;
  for (const auto& thread : impl_->threads) {
    asio::post(thread->io, [impl = impl_.get(), &thread = *thread] {
      if (&thread == impl->threads[0].get()) {
        SystemError ignored;
        impl->acceptor->close(ignored);
      }
      const auto all = thread.connections;
      for (const auto& connection : all) connection->drain();
    });
  }
}

bool HttpServer::wait_drained(Duration limit) {
  if (!impl_->started) return true;
  impl_->on_all_threads([](HttpThread&) {});  // what drain() asked for has begun
  std::unique_lock lock(impl_->shared.mutex);
  return impl_->shared.none_left.wait_for(lock, std::chrono::nanoseconds(limit.count()),
                                          [this] { return impl_->shared.connections == 0; });
}

void HttpServer::stop() { impl_->stop(); }

HttpServerCounts HttpServer::counts() const {
  HttpShared& shared = impl_->shared;
  HttpServerCounts counts;
  {
    const std::lock_guard lock(shared.mutex);
    counts.connections = shared.connections;
  }
  counts.accepted = shared.accepted;
  counts.refused = shared.refused;
  counts.requests = shared.requests;
  counts.malformed = shared.malformed;
  counts.hung_up = shared.hung_up;
  counts.too_slow = shared.too_slow;
  return counts;
}

}  // namespace weft
