// Starting, draining and stopping a server.
#include "apps/serve_front.h"

#include <fmt/format.h>
#include <pthread.h>

#include <cstdio>

namespace weft {

Signals::Signals() {
  sigemptyset(&set_);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR2}) sigaddset(&set_, signal);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

void Signals::watch(std::function<void(int times)> heard) {
  thread_ = std::thread([this, heard = std::move(heard)] {
    int signal = 0;
    for (int times = 1; sigwait(&set_, &signal) == 0 && signal != SIGUSR2; ++times) heard(times);
  });
}

Signals::~Signals() {
  if (!thread_.joinable()) return;
  pthread_kill(thread_.native_handle(), SIGUSR2);
  thread_.join();
}

ServeFront::ServeFront(Loop& loop, const ApiModel& model, const ServeFrontOptions& options,
                       ApiBackend backend)
    : loop_(loop),
      options_(options),
      model_name_(model.name),
      drain_timer_(loop, Callback<>::to<&ServeFront::check_drained>(this)),
      api_(loop, model, {.api_keys = options.api_keys}, std::move(backend)),
      http_(options.http, [this](const auto& exchange) { api_.handle(exchange); }) {}

Status ServeFront::run(Signals& signals) {
  if (auto listening = http_.listen(); !listening) return listening;
  print_welcome();
  signals.watch([this](int times) {
    loop_.inbox().post({.owner = {}, .run = [this, times] { drain(times); }, .is_unowned = true});
  });
  loop_.run(true);
  http_.wait_drained(seconds(1));
  http_.stop();
  return {};
}

void ServeFront::drain(int times) {
  if (times > 1) return loop_.stop();
  fmt::print(stderr, "weft: stopping: {} answers under way have {} s to end\n", api_.in_flight(),
             options_.drain_s);
  api_.drain();
  http_.drain();
  drained_by_ = loop_.now() + seconds(options_.drain_s);
  check_drained();
}

void ServeFront::check_drained() {
  if (api_.in_flight() == 0 || loop_.now() >= drained_by_) return loop_.stop();
  drain_timer_.arm(loop_.now() + milliseconds(20));
}

void ServeFront::print_welcome() const {
  const char* scheme = options_.http.tls_certificate.empty() ? "http" : "https";
  const std::string url = fmt::format("{}://{}:{}", scheme, options_.http.host, http_.port());
  fmt::print(
      "weft serves {} on {}\n\n"
      "  curl {}/v1/chat/completions -H 'Content-Type: application/json' -d \\\n"
      "    '{{\"model\": \"{}\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}], "
      "\"max_tokens\": 32}}'\n",
      model_name_, url, url, model_name_);
  std::fflush(stdout);
}

ApiGauges gauges_of(Cluster& cluster) {
  ApiGauges out;
  out.waiting = cluster.router().pending();
  int64_t used = 0, all = 0;
  for (size_t i = 0; i < cluster.instances(); ++i) {
    const InstanceNode* node = cluster.instance(i);
    if (node == nullptr) continue;
    const Scheduler& scheduler = node->scheduler();
    ++out.instances;
    out.running += scheduler.running();
    out.waiting += scheduler.waiting();
    out.preemptions += scheduler.preemptions();
    used += scheduler.blocks_in_use();
    all += scheduler.config().blocks_per_rank * scheduler.config().ranks;
  }
  if (all > 0) out.kv_usage = static_cast<double>(used) / static_cast<double>(all);
  return out;
}

}  // namespace weft
