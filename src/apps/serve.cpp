// weft serve: the OpenAI API over a checkpoint on this machine's processors.
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>

#include "apps/commands.h"
#include "apps/default_model.h"
#include "apps/emulated_cluster.h"
#include "apps/local_model.h"
#include "apps/output.h"
#include "apps/serve_front.h"
#include "real/cpu_cluster.h"
#include "real/wall_clock.h"
#include "report/run_report.h"

namespace weft {

namespace {

struct ServeOptions {
  LocalModelOptions model;
  std::string name;
  ServeFrontOptions front;
  std::string scenario;
  std::vector<std::string> sets;
  std::optional<uint64_t> seed;
  int64_t max_sequences = 64;
  int64_t max_tokens = 512;
  int64_t max_waiting = 1024;
  int64_t kv_mib = 0;
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

// A checkpoint's cluster and what is in front of it.
class CpuServer {
 public:
  CpuServer(const LocalModel& local, const ServeOptions& options, int64_t blocks)
      : loop_(clock_),
        cluster_(loop_, local.model, cluster_config(local, options, blocks),
                 Callback<const TokenNews&>::to<&CpuServer::hear>(this)),
        front_(loop_, api_model(local, options, capacity(local, blocks)), options.front,
               {.submit = [this](TokenSequence s, uint64_t tag,
                                 int priority) { cluster_.submit(std::move(s), tag, priority); },
                .cancel = [this](uint64_t tag) { cluster_.cancel(tag); },
                .gauges = [this] { return gauges_of(cluster_.cluster()); }}) {}

  Status run(Signals& signals) { return front_.run(signals); }

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
  void hear(const TokenNews& news) { front_.hear(news); }

  WallClock clock_;
  Loop loop_;
  CpuCluster cluster_;
  ServeFront front_;
};

// A scenario's cluster and what is in front of it.
class EmulatedServer {
 public:
  Status run(const LocalModel& words, const ServeOptions& options, Signals& signals) {
    auto catalog = Catalog::open_default();
    if (!catalog) return catalog.error();
    auto scenario = load_scenario(options.scenario, {options.sets, options.seed});
    if (!scenario) return scenario.error();
    auto deployment = deploy(scenario->deployment, *catalog);
    if (!deployment) return deployment.error();
    auto cluster =
        EmulatedCluster::make(*deployment, *scenario, words.tokenizer,
                              Callback<const TokenNews&>::to<&EmulatedServer::hear>(this));
    if (!cluster) return cluster.error();
    EmulatedCluster& emulated = **cluster;
    ApiModel model = api_model(words, options, emulated.capacity());
    model.name = options.name.empty() ? scenario->deployment.model : options.name;
    model.fingerprint = "weft-emulated-text-is-made-up";
    model.context = deployment->model.context;
    model.default_output = kEmulatedOutput;
    fmt::print("{}\n", deployment_table(*deployment));
    ServeFront front(emulated.loop(), model, options.front,
                     {.submit = [&](TokenSequence s, uint64_t tag,
                                    int priority) { emulated.submit(std::move(s), tag, priority); },
                      .cancel = [&](uint64_t tag) { emulated.cancel(tag); },
                      .gauges = [&] { return gauges_of(emulated.cluster()); }});
    front_ = &front;
    return front.run(signals);
  }

 private:
  static constexpr int64_t kEmulatedOutput = 256;  // where a request does not say: nothing ends it
  void hear(const TokenNews& news) { front_->hear(news); }
  ServeFront* front_ = nullptr;
};

Status serve(ServeOptions options) {
  if (options.front.http.tls_certificate.empty() != options.front.http.tls_key.empty()) {
    return bad_input("--tls-cert, --tls-key: found one of them, expected both or none");
  }
  Signals signals;
  if (options.model.directory.empty()) {
    auto made = default_model();
    if (!made) return made.error();
    options.model.directory = *made;
    if (options.name.empty() && options.scenario.empty()) options.name = "weft-default";
  }
  auto local = load_local_model(options.model);
  if (!local) return local.error();
  if (!options.scenario.empty()) return EmulatedServer().run(*local, options, signals);
  auto blocks = kv_blocks(*local, options, local->instance_config());
  if (!blocks) return blocks.error();
  fmt::print("{}: {} weights of {:.0f} MB, loaded in {:.2f} s; KV of {} tokens\n",
             options.model.directory, options.model.weights,
             static_cast<double>(local->model.weight_bytes()) / 1e6, local->load_seconds,
             *blocks * local->instance_config().block_tokens);
  return CpuServer(*local, options, *blocks).run(signals);
}

}  // namespace

void add_serve(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = app.add_subcommand("serve", "the OpenAI API over a checkpoint");
  add_model_options(*command, options->model);
  command->get_option("--model")->description(
      "the checkpoint's folder; without it a small random one, made once and kept");
  command->add_option("--emulate", options->scenario,
                      "a scenario: its modelled system answers in real time, with made-up text "
                      "(of --model's tokenizer, if given)");
  command->add_option("--set", options->sets, "key=value of the scenario, as for simulate");
  command->add_option("--seed", options->seed, "of the scenario");
  command->add_option("--served-model-name", options->name, "its name in the API");
  command->add_option("--host", options->front.http.host, "address to listen on")
      ->capture_default_str();
  command->add_option("--port", options->front.http.port, "0: any free one")->capture_default_str();
  command->add_option("--api-key", options->front.api_keys,
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
  command->add_option("--max-body-bytes", options->front.http.max_body_bytes, "of a request")
      ->capture_default_str();
  command->add_option("--tls-cert", options->front.http.tls_certificate, "PEM file of the chain");
  command->add_option("--tls-key", options->front.http.tls_key, "PEM file of its key");
  command->add_option("--drain-seconds", options->front.drain_s, "for what runs when told to stop")
      ->check(CLI::Range(0, 86400))
      ->capture_default_str();
  command->footer(
      "Examples:\n  weft serve\n  weft serve --model /models/qwen3-0.6b --port 8000\n"
      "  weft serve --emulate scenarios/cloudmatrix384-4k.toml");
  command->callback([options, &exit_code] { exit_code = report_status(serve(*options)); });
}

}  // namespace weft
