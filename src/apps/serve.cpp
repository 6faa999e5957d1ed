// weft serve: the OpenAI API over a checkpoint on this machine's processors.
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <thread>

#include "apps/commands.h"
#include "apps/default_model.h"
#include "apps/local_model.h"
#include "apps/output.h"
#include "real/api_server.h"
#include "real/cpu_cluster.h"
#include "real/http_server.h"
#include "real/wall_clock.h"

namespace weft {

namespace {

struct ServeOptions {
  LocalModelOptions model;
  std::string name;
  std::vector<std::string> api_keys;
  HttpServerConfig http;
  int64_t max_sequences = 64;
  int64_t max_tokens = 512;
  int64_t max_waiting = 1024;
  int64_t kv_mib = 0;
  int64_t drain_s = 30;
};

// Free memory of this machine in bytes, or 0 where it does not say.
int64_t available_memory() {
  std::ifstream in("/proc/meminfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("MemAvailable:")) return 1024 * std::atoll(line.c_str() + 13);
  }
  return 0;
}

// Blocks of KV: those of --kv-mib, or as many as the largest batch of long sequences may want, of a
// quarter of the free memory.
Result<int64_t> kv_blocks(const LocalModel& local, const ServeOptions& options,
                          const EngineInstanceConfig& instance) {
  const ModelShape& shape = local.model.shape();
  const auto layout =
      kv_layout(shape, local.model.architecture(), instance.block_tokens, instance.kv);
  if (!layout) return layout.error();
  const int64_t layers = shape.layers + (instance.draft_tokens > 0 ? shape.mtp_layers : 0);
  const int64_t bytes = layers * layout->block_bytes();
  const int64_t least = ceil_div(64, instance.block_tokens);
  if (options.kv_mib > 0) {
    const int64_t blocks = (options.kv_mib << 20) / bytes;
    if (blocks >= least) return blocks;
    return bad_input(fmt::format("--kv-mib: found {}, expected at least {}", options.kv_mib,
                                 ceil_div(least * bytes, int64_t{1} << 20)));
  }
  const int64_t wanted = options.max_sequences *
                         ceil_div(std::min<int64_t>(shape.context, 8192), instance.block_tokens);
  return std::clamp(available_memory() / 4 / bytes, least, wanted);
}

std::string model_name(const ServeOptions& options) {
  if (!options.name.empty()) return options.name;
  std::string path = options.model.directory;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path.substr(path.find_last_of('/') + 1);
}

ApiModel api_model(const LocalModel& local, const ServeOptions& options, int64_t capacity) {
  ApiModel out;
  out.name = model_name(options);
  out.fingerprint = "weft-" + options.model.weights;
  out.tokenizer = &local.tokenizer;
  out.tokenizer_config = &local.tokenizer_config;
  out.chat_template = local.chat_template ? &*local.chat_template : nullptr;
  if (const std::string* source = local.tokenizer_config.chat_template(true)) {
    out.chat_template_source = *source;
  }
  out.stop_tokens = local.stop_tokens();
  out.sampling = local.default_sampling();
  out.vocab = static_cast<int32_t>(local.model.shape().vocab);
  out.context = local.model.shape().context;
  out.capacity = capacity;
  return out;
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

// Waits for SIGINT and SIGTERM on a thread of its own. The first drains: what runs ends, nothing
// new is taken in; the second, or the end of the time, stops.
class Signals {
 public:
  // Blocks the signals in this thread and those that it starts: before any other starts.
  Signals() {
    sigemptyset(&set_);
    for (const int signal : {SIGINT, SIGTERM, SIGUSR2}) sigaddset(&set_, signal);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    signal(SIGPIPE, SIG_IGN);
  }
  void watch(std::function<void(int times)> heard) {
    thread_ = std::thread([this, heard = std::move(heard)] {
      int signal = 0;
      for (int times = 1; sigwait(&set_, &signal) == 0 && signal != SIGUSR2; ++times) heard(times);
    });
  }
  ~Signals() {
    if (!thread_.joinable()) return;
    pthread_kill(thread_.native_handle(), SIGUSR2);
    thread_.join();
  }

 private:
  sigset_t set_ = {};
  std::thread thread_;
};

class Server {
 public:
  Server(const LocalModel& local, const ServeOptions& options, int64_t blocks)
      : options_(options),
        loop_(clock_),
        drain_timer_(loop_, Callback<>::to<&Server::check_drained>(this)),
        cluster_(loop_, local.model, cluster_config(local, options, blocks),
                 Callback<const TokenNews&>::to<&Server::hear>(this)),
        api_(loop_, api_model(local, options, capacity(local, blocks)), {options.api_keys},
             {.submit = [this](TokenSequence s, uint64_t tag,
                               int priority) { cluster_.submit(std::move(s), tag, priority); },
              .cancel = [this](uint64_t tag) { cluster_.cancel(tag); },
              .gauges = [this] { return gauges_of(cluster_.cluster()); }}),
        http_(options.http, [this](const auto& exchange) { api_.handle(exchange); }) {}

  Status run(Signals& signals) {
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

 private:
  static CpuClusterConfig cluster_config(const LocalModel& local, const ServeOptions& options,
                                         int64_t blocks) {
    CpuClusterConfig out;
    out.instance = local.instance_config();
    out.instance.max_sequences = options.max_sequences;
    out.instance.max_tokens = options.max_tokens;
    out.instance.blocks = blocks;
    out.max_waiting = options.max_waiting;
    std::random_device device;
    out.hash_salt = uint64_t{device()} << 32 | device();
    return out;
  }
  // What the scheduler lets in: prompt, output and what a step may write beyond.
  static int64_t capacity(const LocalModel& local, int64_t blocks) {
    const EngineInstanceConfig instance = local.instance_config();
    return blocks * instance.block_tokens - 1 - instance.draft_tokens;
  }

  void hear(const TokenNews& news) { api_.hear(news); }

  void drain(int times) {
    if (times > 1) return loop_.stop();
    fmt::print(stderr, "weft: stopping: {} answers under way have {} s to end\n", api_.in_flight(),
               options_.drain_s);
    api_.drain();
    http_.drain();
    drained_by_ = loop_.now() + seconds(options_.drain_s);
    check_drained();
  }
  void check_drained() {
    if (api_.in_flight() == 0 || loop_.now() >= drained_by_) return loop_.stop();
    drain_timer_.arm(loop_.now() + milliseconds(20));
  }

  void print_welcome() const {
    const std::string url =
        fmt::format("{}://{}:{}", options_.http.tls_certificate.empty() ? "http" : "https",
                    options_.http.host, http_.port());
    fmt::print(
        "weft serves {} on {}\n\n"
        "  curl {}/v1/chat/completions -H 'Content-Type: application/json' -d \\\n"
        "    '{{\"model\": \"{}\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}], "
        "\"max_tokens\": 32}}'\n",
        model_name(options_), url, url, model_name(options_));
    std::fflush(stdout);
  }

  const ServeOptions& options_;
  WallClock clock_;
  Loop loop_;
  Timer drain_timer_;
  Instant drained_by_;
  CpuCluster cluster_;
  ApiServer api_;
  HttpServer http_;
};

Status serve(ServeOptions options) {
  if (options.http.tls_certificate.empty() != options.http.tls_key.empty()) {
    return bad_input("--tls-cert, --tls-key: found one of them, expected both or none");
  }
  Signals signals;
  if (options.model.directory.empty()) {
    auto made = default_model();
    if (!made) return made.error();
    options.model.directory = *made;
    if (options.name.empty()) options.name = "weft-default";
  }
  auto local = load_local_model(options.model);
  if (!local) return local.error();
  auto blocks = kv_blocks(*local, options, local->instance_config());
  if (!blocks) return blocks.error();
  fmt::print("{}: {} weights of {:.0f} MB, loaded in {:.2f} s; KV of {} tokens\n",
             options.model.directory, options.model.weights,
             static_cast<double>(local->model.weight_bytes()) / 1e6, local->load_seconds,
             *blocks * local->instance_config().block_tokens);
  return Server(*local, options, *blocks).run(signals);
}

}  // namespace

void add_serve(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = app.add_subcommand("serve", "the OpenAI API over a checkpoint");
  add_model_options(*command, options->model);
  command->get_option("--model")->description(
      "the checkpoint's folder; without it a small random one, made once and kept");
  command->add_option("--served-model-name", options->name, "its name in the API");
  command->add_option("--host", options->http.host, "address to listen on")->capture_default_str();
  command->add_option("--port", options->http.port, "0: any free one")->capture_default_str();
  command->add_option("--api-key", options->api_keys,
                      "keys that clients have to send, one of them; none: everybody may ask");
  command->add_option("--max-sequences", options->max_sequences, "of a step")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_option("--max-tokens-per-step", options->max_tokens, "of prompts, with what decodes")
      ->check(CLI::Range(16, 65536))
      ->capture_default_str();
  command->add_option("--max-waiting", options->max_waiting, "more requests get 429")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command->add_option("--kv-mib", options->kv_mib, "memory for KV; 0: by what is free")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 24))
      ->capture_default_str();
  command->add_option("--max-body-bytes", options->http.max_body_bytes, "of a request")
      ->capture_default_str();
  command->add_option("--tls-cert", options->http.tls_certificate, "PEM file of the chain");
  command->add_option("--tls-key", options->http.tls_key, "PEM file of its key");
  command->add_option("--drain-seconds", options->drain_s, "for what runs when told to stop")
      ->check(CLI::Range(0, 86400))
      ->capture_default_str();
  command->footer("Example:\n  weft serve\n  weft serve --model /models/qwen3-0.6b --port 8000");
  command->callback([options, &exit_code] { exit_code = report_status(serve(*options)); });
}

}  // namespace weft
