// What `weft serve` is whatever answers: HTTP, the API over it, signals, the end.
#pragma once

#include <signal.h>

#include <functional>
#include <string>
#include <thread>

#include "real/api_server.h"
#include "real/http_server.h"
#include "runtime/loop.h"

namespace weft {

struct ServeFrontOptions {
  HttpServerConfig http;
  std::vector<std::string> api_keys;
  int64_t drain_s = 30;
};

// Waits for SIGINT and SIGTERM on a thread of its own.
class Signals {
 public:
  // Blocks the signals in this thread and in those that it starts: before any other starts.
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  // `heard` gets how often a signal came, on the other thread.
  void watch(std::function<void(int times)> heard);

 private:
  sigset_t set_ = {};
  std::thread thread_;
};

class ServeFront {
 public:
  ServeFront(Loop& loop, const ApiModel& model, const ServeFrontOptions& options,
             ApiBackend backend);

  // Listens and runs the loop. The first signal drains: what runs ends, nothing new is taken in;
  // the second, or the end of the time, stops.
  Status run(Signals& signals);
  // From the backend, on the loop.
  void hear(const TokenNews& news) { api_.hear(news); }

 private:
  void drain(int times);
  void check_drained();
  void print_welcome() const;

  Loop& loop_;
  ServeFrontOptions options_;
  std::string model_name_;
  Timer drain_timer_;
  Instant drained_by_;
  ApiServer api_;
  HttpServer http_;
};

// Sums over the instances of a cluster.
ApiGauges gauges_of(Cluster& cluster);

}  // namespace weft
