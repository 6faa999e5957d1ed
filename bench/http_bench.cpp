// The HTTP server over loopback. Parts: a step of decoding writes one part of 200 bytes to every
// stream, 1 to 2,000 of them; Answers: tiny answers on kept connections, one request each under
// way. Bound: one system call per part or per answer, and one to read each request; `server_us` and
// `writer_us` are the processor time of the server's thread and of the one that writes.
#include <benchmark/benchmark.h>
#include <pthread.h>
#include <sys/resource.h>

#include <cstdlib>
#include <ctime>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "real/http_server.h"
#include "real/http_test_client.h"

namespace weft {
namespace {

double seconds_of(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void raise_file_limit() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

// A server whose streams stay open, and its clients.
class Fixture {
 public:
  Fixture(int count, bool stream)
      : server_({.port = 0}, [this, stream](auto exchange) {
          if (!stream) return static_cast<void>(exchange->respond(200, "application/json", "{}"));
          pthread_getcpuclockid(pthread_self(), &server_clock);
          exchange->begin_stream(200, "text/event-stream");
          const std::lock_guard lock(mutex_);
          streams_.push_back(std::move(exchange));
        }) {
    raise_file_limit();
    if (!server_.listen().ok()) std::abort();
    for (int i = 0; i < count; ++i) {
      clients.emplace_back(server_.port());
      clients.back().send(get_request("/"));
      stream ? static_cast<void>(clients.back().read_until("\r\n\r\n"))
             : static_cast<void>(clients.back().read_answer());
    }
  }
  std::vector<std::shared_ptr<HttpExchange>> streams() {
    const std::lock_guard lock(mutex_);
    return streams_;
  }
  std::vector<TestClient> clients;
  clockid_t server_clock = CLOCK_PROCESS_CPUTIME_ID;

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<HttpExchange>> streams_;
  HttpServer server_;
};

void parts(benchmark::State& state) {
  Fixture fixture(static_cast<int>(state.range(0)), true);
  const auto streams = fixture.streams();
  const std::string part(200, 'x');
  const size_t bytes = part.size() + 6;  // with the chunk's frame
  double writer = 0;
  const double server = seconds_of(fixture.server_clock);
  for (auto _ : state) {
    const double before = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    for (const auto& stream : streams) stream->write(part);
    writer += seconds_of(CLOCK_THREAD_CPUTIME_ID) - before;
    for (auto& client : fixture.clients) benchmark::DoNotOptimize(client.read_bytes(bytes));
  }
  const auto count = static_cast<double>(state.iterations() * state.range(0));
  state.counters["server_us"] = (seconds_of(fixture.server_clock) - server) * 1e6 / count;
  state.counters["writer_us"] = writer * 1e6 / count;
  state.counters["parts_per_s"] = benchmark::Counter(count, benchmark::Counter::kIsRate);
}

void answers(benchmark::State& state) {
  Fixture fixture(static_cast<int>(state.range(0)), false);
  const std::string request = get_request("/v1/models", "User-Agent: bench\r\nAccept: */*\r\n");
  const double all = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
  const double own = seconds_of(CLOCK_THREAD_CPUTIME_ID);
  for (auto _ : state) {
    for (auto& client : fixture.clients) client.send(request);
    for (auto& client : fixture.clients) benchmark::DoNotOptimize(client.read_answer());
  }
  const auto count = static_cast<double>(state.iterations() * state.range(0));
  const double server =
      (seconds_of(CLOCK_PROCESS_CPUTIME_ID) - all) - (seconds_of(CLOCK_THREAD_CPUTIME_ID) - own);
  state.counters["server_us"] = server * 1e6 / count;
  state.counters["answers_per_s"] = benchmark::Counter(count, benchmark::Counter::kIsRate);
}

BENCHMARK(parts)->Arg(1)->Arg(100)->Arg(2000)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(answers)->Arg(1)->Arg(64)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace weft
