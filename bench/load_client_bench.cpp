// What one thread of load client sustains: streams at once, chunks a second, CPU time a chunk. The
// server is another thread that writes one chunk to every stream in turn, flat out or each 50 ms
// as a decode step would. Bound: one read of a socket for each chunk.
#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"
#include "real/load_client.h"

namespace {

constexpr std::string_view kHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::string_view kEvent =
    R"(data: {"id":"cmpl-7f3b2c1d9e8a4f60","object":"text_completion","created":1760000000,)"
    R"("model":"some/model-name","choices":[{"index":0,"text":" word","logprobs":null,)"
    R"("finish_reason":null,"stop_reason":null}],"usage":null})"
    "\n\n";

std::string chunk_of(std::string_view bytes) {
  char size[16];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return std::string(size) + std::string(bytes) + "\r\n";
}

void send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    CHECK(sent > 0);
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

class Server {
 public:
  explicit Server(int streams) : streams_(streams) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0);
    CHECK(listen(listener_, 8192) == 0);
    CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~Server() {
    for (const int client : clients_) close(client);
    close(listener_);
  }
  [[nodiscard]] const std::string& url() const { return url_; }

  // One request of every stream; the first time also its connection.
  void serve(int chunks, std::chrono::milliseconds step) {
    while (clients_.size() < static_cast<size_t>(streams_)) {
      const int client = accept(listener_, nullptr, nullptr);
      const int on = 1;
      setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      clients_.push_back(client);
    }
    char request[4096];
    for (const int client : clients_) {
      std::string_view got;
      size_t filled = 0;
      do {
        const ssize_t bytes = recv(client, request + filled, sizeof request - filled, 0);
        CHECK(bytes > 0);
        filled += static_cast<size_t>(bytes);
        got = std::string_view(request, filled);
      } while (!got.ends_with("{}"));
      send_all(client, kHead);
    }
    const std::string chunk = chunk_of(kEvent);
    const std::string last = chunk_of("data: [DONE]\n\n") + "0\r\n\r\n";
    auto at = std::chrono::steady_clock::now();
    for (int i = 0; i < chunks; ++i) {
      if (step.count() > 0) std::this_thread::sleep_until(at += step);
      for (const int client : clients_) send_all(client, chunk);
    }
    for (const int client : clients_) send_all(client, last);
  }

 private:
  int streams_;
  int listener_;
  std::string url_;
  std::vector<int> clients_;
};

struct Listener {
  int64_t completed = 0;
  void chunk(const weft::ReplyChunk&) {}
  void end(const weft::ReplyEnd& end) {
    CHECK(end.outcome == weft::ReplyOutcome::kCompleted);
    ++completed;
  }
};

// Arguments: streams at once, chunks of each, milliseconds from one to the next.
void streams(benchmark::State& state) {
  const auto count = static_cast<int>(state.range(0));
  const auto chunks = static_cast<int>(state.range(1));
  Server server(count);
  auto client =
      weft::LoadClient::make({*weft::parse_http_url(server.url()), "", weft::seconds(600)});
  CHECK(client.ok());
  Listener listener;
  (*client)->listen(weft::Callback<const weft::ReplyChunk&>::to<&Listener::chunk>(&listener),
                    weft::Callback<const weft::ReplyEnd&>::to<&Listener::end>(&listener));
  for (auto _ : state) {
    std::thread serving([&] { server.serve(chunks, std::chrono::milliseconds(state.range(2))); });
    for (int i = 0; i < count; ++i) {
      (*client)->post(static_cast<uint64_t>(i), "/v1/completions", "{}");
    }
    (*client)->run();
    serving.join();
  }
  const auto& counters = (*client)->counters();
  const auto read = static_cast<double>(counters.chunks);
  state.counters["chunks/s"] = benchmark::Counter(read, benchmark::Counter::kIsRate);
  state.counters["s/chunk"] =
      benchmark::Counter(read, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["reads/chunk"] = static_cast<double>(counters.reads) / read;
}

}  // namespace

BENCHMARK(streams)
    ->ArgNames({"streams", "chunks", "step_ms"})
    ->Args({64, 500, 0})
    ->Args({1024, 100, 0})
    ->Args({4096, 50, 0})
    ->Args({1024, 40, 50})
    ->Args({4096, 20, 200})
    ->Args({8192, 10, 400})
    ->Iterations(4)  // fixed: each trial would open connections anew, and ports are few
    ->Unit(benchmark::kMillisecond);
