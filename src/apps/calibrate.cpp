// Peaks first, then each kernel on its own, then whole steps; a constant is fitted on the first of
// them that shows it alone.
#include "apps/calibrate.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "apps/engine_timing.h"
#include "apps/machine_file.h"
#include "apps/output.h"
#include "cost/step_model.h"
#include "hardware/catalog.h"
#include "kernels/machine_peak.h"
#include "model/random_checkpoint.h"
#include "real/cpu_cluster.h"
#include "real/wall_clock.h"

namespace weft {

namespace {

namespace fs = std::filesystem;

// A folder of its own that is gone at the end.
class MadeModels {
 public:
  MadeModels() {
    std::string name = (fs::temp_directory_path() / "weft-calibrate-XXXXXX").string();
    if (mkdtemp(name.data()) != nullptr) folder_ = name;
  }
  ~MadeModels() {
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }
  MadeModels(const MadeModels&) = delete;
  MadeModels& operator=(const MadeModels&) = delete;

  // Writes a checkpoint of that name and gives its folder.
  Result<std::string> make(const std::string& name, std::string_view size,
                           const std::vector<ConfigSetting>& settings) const {
    if (folder_.empty()) return Error{ErrorCode::kInternal, "no temporary folder could be made"};
    auto config = preset_config(Architecture::kQwen3, size, settings);
    if (!config) return config.error();
    RandomCheckpoint wanted;
    wanted.config = std::move(*config);
    std::string out = (folder_ / name).string();
    if (auto done = write_random_checkpoint(out, wanted); !done) return done.error();
    return out;
  }

 private:
  fs::path folder_;
};

// Of a scheduler, a loop and a hand-over to another thread: what a token takes through them, less
// what the step takes. Measured on a model that is nearly nothing.
class TokenClock {
 public:
  explicit TokenClock(Loop& loop) : loop_(loop) {}
  void hear(const TokenNews& news) {
    at_.push_back(now_seconds());
    if (news.record != nullptr) loop_.stop();
  }
  [[nodiscard]] double quick_gap() const {
    std::vector<double> gaps;
    for (size_t i = 1; i < at_.size(); ++i) gaps.push_back(at_[i] - at_[i - 1]);
    return quantile(gaps, 0.2);
  }

 private:
  Loop& loop_;
  std::vector<double> at_;
};

Result<double> measure_host(const MadeModels& made, const LocalModelOptions& options) {
  auto folder = made.make("tiny", "tiny", {});
  if (!folder) return folder.error();
  LocalModelOptions tiny = options;
  tiny.directory = *folder;
  tiny.draft_tokens = -1;
  auto local = load_local_model(tiny);
  if (!local) return local.error();
  constexpr int64_t kTokens = 200;
  double step = 0;
  {
    EngineTiming timing(*local, {.prompt = 16, .batches = {1}, .steps = kTokens, .longest = 16});
    step = timing.decode(1).quick;
  }
  CpuClusterConfig config;
  config.instance = local->instance_config();
  config.instance.max_sequences = 1;
  config.instance.blocks = 32;
  TokenSequence sequence;
  sequence.tokens.assign(16, 7);
  sequence.max_output = kTokens;
  sequence.sampling.temperature = 0;
  WallClock clock;
  Loop loop(clock);
  TokenClock heard(loop);
  CpuCluster cluster(loop, local->model, config,
                     Callback<const TokenNews&>::to<&TokenClock::hear>(&heard));
  cluster.submit(std::move(sequence), 1);
  loop.run(true);
  return std::max(0.0, heard.quick_gap() - step);
}

// Points are timed several times over, seconds apart: what others on the machine take passes.
constexpr int kSweeps = 3;

template <class Point>
void keep_least(std::vector<Point>& all, std::vector<Point> now) {
  if (all.empty()) all = now;
  CHECK(all.size() == now.size());
  for (size_t i = 0; i < all.size(); ++i) {
    if (now[i].seconds < all[i].seconds) all[i] = now[i];
  }
}

Format format_of(WeightFormat weights) {
  if (weights == WeightFormat::kInt8) return Format::kInt8;
  if (weights == WeightFormat::kInt4) return Format::kInt4;
  return Format::kBf16;
}

class Calibrator {
 public:
  Calibrator(const LocalModel& local, const CalibrateOptions& options, const Catalog& catalog)
      : local_(local), options_(options), catalog_(catalog) {}

  Status run(double host_step) {
    if (auto known = start(host_step); !known) return known;
    {
      Workers workers(local_.threads, local_.pins_threads);
      time_kernels(workers);
    }
    fit_kernels();
    time_steps();
    fit_whole_steps();
    return {};
  }

  [[nodiscard]] const Calibration& result() const { return out_; }
  [[nodiscard]] const std::vector<StepPoint>& steps() const { return steps_; }
  [[nodiscard]] const std::vector<std::string>& step_names() const { return names_; }
  [[nodiscard]] InstanceLayout layout() const {
    InstanceLayout layout;
    layout.precision.weights = format_of(local_.model.format().weights);
    layout.precision.activations =
        layout.precision.weights == Format::kBf16 ? Format::kBf16 : Format::kInt8;
    layout.precision.kv = local_.kv == KvFormat::kInt8 ? Format::kInt8 : Format::kBf16;
    return layout;
  }

 private:
  Status start(double host_step) {
    auto other = catalog_.chip("h100");
    if (!other) return other.error();
    Chip& chip = out_.system.chip;
    chip.kernels = other->kernels;
    chip.name = options_.file;
    chip.cores = local_.threads;
    chip.title = fmt::format(
        "{} of {}", local_.threads == 1 ? "1 thread" : fmt::format("{} threads", local_.threads),
        isa_name(local_.model.isa()));
    chip.memory_bytes =
        static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
    out_.machine = "measured: " + chip.title;
    out_.model = local_.model.shape().architecture;
    out_.attention_kind = local_.model.shape().attention;
    out_.system.title = "this machine, " + chip.title;
    out_.system.packages = out_.system.packages_per_node = out_.system.scale_up_packages = 1;
    out_.system.host_memory_bytes = chip.memory_bytes;
    EngineCosts& costs = out_.engine.costs;
    costs.kernel_gap = costs.eager_layer = costs.sampling = costs.host_sequence = 0;
    costs.request = 0;
    costs.host_step = host_step;
    out_.engine.quantizes_head = true;
    return {};
  }

  void time_kernels(Workers& workers) {
    Chip& chip = out_.system.chip;
    chip.memory_bandwidth = memory_read_bandwidth(workers);
    auto& ops = chip.matrix_ops;
    ops[static_cast<size_t>(Format::kInt8)] = int8_peak(local_.model.isa(), workers);
    ops[static_cast<size_t>(Format::kBf16)] = bf16_peak(local_.model.isa(), workers);
    for (const auto& [name, kind] :
         {std::pair("int8", GemmKind::kInt8), std::pair("bf16", GemmKind::kBf16)}) {
      out_.products.push_back({.name = name, .kind = kind, .fit = {}, .range = {}});
    }
    for (const Format kv : {Format::kBf16, Format::kInt8}) {
      out_.attention.push_back({.kv = kv, .fit = {}, .prefill = {}, .decode = {}});
    }
    products_.resize(2);
    attention_.resize(2);
    const KernelTimingConfig config = timing_config();
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      int i = 0;
      for (const WeightFormat format : {WeightFormat::kInt8, WeightFormat::kBf16}) {
        keep_least(products_[static_cast<size_t>(i++)],
                   time_products(local_, format, config, workers));
      }
      i = 0;
      for (const KvFormat format : {KvFormat::kBf16, KvFormat::kInt8}) {
        keep_least(attention_[static_cast<size_t>(i++)],
                   time_attention(local_, format, config, workers));
      }
    }
    raise_peaks();
  }

  // About so many points of each kind share the time; a small model's contexts are its own.
  [[nodiscard]] KernelTimingConfig timing_config() const {
    constexpr double kPoints = 110;
    KernelTimingConfig config;
    config.seconds = options_.seconds / kPoints / kSweeps;
    config.bytes = std::min(config.bytes, local_.model.weight_bytes());
    config.kv_bytes = std::min(config.kv_bytes, 4 * config.bytes);
    const int64_t context = local_.model.shape().context;
    std::erase_if(config.contexts, [&](int64_t tokens) { return tokens >= context; });
    std::erase_if(config.prompts, [&](int64_t tokens) { return tokens >= context; });
    return config;
  }

  // What a kernel reached, the machine can do: a peak that was measured while others took from it
  // must not be passed.
  void raise_peaks() {
    Chip& chip = out_.system.chip;
    const auto raise = [](double& peak, double reached) { peak = std::max(peak, reached); };
    for (size_t i = 0; i < products_.size(); ++i) {
      const bool whole = out_.products[i].kind == GemmKind::kInt8;
      const double size = whole ? 1 : 2;
      const Format format = whole ? Format::kInt8 : Format::kBf16;
      for (const ProductPoint& p : products_[i]) {
        const double bytes = size * (p.n * p.k + p.m * p.k) + 2 * p.m * p.n;
        raise(chip.memory_bandwidth, bytes / p.seconds);
        raise(chip.matrix_ops[static_cast<size_t>(format)], 2 * p.m * p.n * p.k / p.seconds);
      }
    }
    for (const auto& points : attention_) {
      for (const AttentionPoint& p : points) raise(chip.memory_bandwidth, p.bytes / p.seconds);
    }
  }

  static void widen(double& least, double& most, double value) {
    least = most == 0 ? value : std::min(least, value);
    most = std::max(most, value);
  }

  void fit_kernels() {
    const Chip& chip = out_.system.chip;
    for (size_t i = 0; i < products_.size(); ++i) {
      CalibratedProducts& one = out_.products[i];
      const bool whole = one.kind == GemmKind::kInt8;
      const double size = whole ? 1 : 2;
      const GemmPeaks peaks = {chip.ops(whole ? Format::kInt8 : Format::kBf16),
                               chip.memory_bandwidth, chip.cores};
      one.fit = fit_products(products_[i], size, size, peaks);
      for (const ProductPoint& p : products_[i]) {
        widen(one.range.least_m, one.range.most_m, p.m);
        widen(one.range.least_n, one.range.most_n, p.n);
        widen(one.range.least_k, one.range.most_k, p.k);
      }
      one.range.most_n =
          std::max<double>(one.range.most_n, static_cast<double>(local_.model.shape().vocab));
      put(one);
    }
    for (size_t i = 0; i < attention_.size(); ++i) {
      CalibratedAttention& one = out_.attention[i];
      one.fit = fit_attention(attention_[i], local_.model.shape(), out_.system, one.kv);
      for (const AttentionPoint& p : attention_[i]) {
        TimedRange& range = p.load.prefill_tokens > 0 ? one.prefill : one.decode;
        const auto sequences =
            static_cast<double>(std::max(p.load.prefill_sequences, p.load.decode_sequences));
        const auto context = static_cast<double>(p.load.decode_context);
        widen(range.least_m, range.most_m, sequences);
        widen(range.least_n, range.most_n,
              p.load.prefill_tokens > 0 ? static_cast<double>(p.load.prefill_longest)
                                        : context / sequences);
      }
      set_attention(out_.system.chip, out_.attention_kind, one.kv, one.fit);
    }
  }

  void put(const CalibratedProducts& one) {
    for (GemmTable* table : {&out_.system.chip.kernels.gemm, &out_.system.chip.kernels.experts}) {
      GemmFit& slot = table->fits[static_cast<size_t>(one.kind)];
      slot.constants = one.fit.constants;
      slot.chip = options_.file;
    }
  }

  void time_steps() {
    const int64_t context = local_.model.shape().context;
    const int64_t longest = std::min<int64_t>(512, context / 2);
    const std::vector<int64_t> prompts = {longest / 4, longest / 2, longest};
    const std::vector<int64_t> batches = {1, 2, 4, 8, 16};
    EngineTiming timing(local_, {.prompt = longest,
                                 .batches = batches,
                                 .steps = std::min<int64_t>(12, longest / 4),
                                 .longest = longest});
    std::vector<StepSeconds> best(prompts.size() + batches.size());
    // Interleaved: what disturbs one kind of step disturbs all.
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      for (size_t i = 0; i < best.size(); ++i) {
        const StepSeconds now = i < prompts.size() ? timing.prompt(prompts[i], 3)
                                                   : timing.decode(batches[i - prompts.size()]);
        if (sweep == 0 || now.quick < best[i].quick) best[i] = now;
      }
    }
    for (size_t i = 0; i < prompts.size(); ++i) add_prompt(prompts[i], best[i]);
    for (size_t i = 0; i < batches.size(); ++i) add_decode(batches[i], best[prompts.size() + i]);
  }

  void fit_whole_steps() {
    const Precision precision = layout().precision;
    const GemmKind kind = gemm_kind(precision.activations, precision.activations, false);
    CalibratedAttention& attention = out_.attention[out_.attention[0].kv == precision.kv ? 0 : 1];
    StepFit fitted = {out_.system, out_.engine, attention.fit, 0};
    fit_steps(steps_, local_.model.shape(), layout(), kind, fitted);
    out_.system = fitted.system;
    out_.engine = fitted.engine;
    attention.fit = fitted.attention;
    out_.step_error = fitted.error;
  }

  // The host's part is none of a step's that was timed without one.
  void add_prompt(int64_t tokens, const StepSeconds& took) {
    RankLoad load;
    load.prefill_tokens = tokens;
    load.prefill_products = static_cast<double>(tokens) * static_cast<double>(tokens + 1) / 2;
    load.prefill_longest = tokens;
    load.prefill_sequences = load.sampled = 1;
    names_.push_back(fmt::format("prompt of {}", tokens));
    steps_.push_back({load, took.quick + out_.engine.costs.host_step});
  }
  void add_decode(int64_t batch, const StepSeconds& took) {
    RankLoad load;
    load.decode_sequences = load.sampled = static_cast<int32_t>(batch);
    load.decode_tokens = batch;
    load.decode_context = static_cast<int64_t>(static_cast<double>(batch) * took.context);
    names_.push_back(fmt::format("decode, {} together", batch));
    steps_.push_back({load, took.quick + out_.engine.costs.host_step});
  }

  const LocalModel& local_;
  const CalibrateOptions& options_;
  const Catalog& catalog_;
  Calibration out_;
  std::vector<std::vector<ProductPoint>> products_;
  std::vector<std::vector<AttentionPoint>> attention_;
  std::vector<StepPoint> steps_;
  std::vector<std::string> names_;
};

void print(const Calibrator& done, const LocalModel& local, const System& read) {
  const Calibration& c = done.result();
  fmt::print("{}: {:.1f} GB/s, {:.2f} INT8 TOP/s, {:.2f} BF16 TFLOP/s\n", c.system.title,
             c.system.chip.memory_bandwidth / 1e9, c.system.chip.ops(Format::kInt8) / 1e12,
             c.system.chip.ops(Format::kBf16) / 1e12);
  for (const CalibratedProducts& p : c.products) {
    fmt::print("  products, {:<18} {:5.1f} % off\n", p.name, 100 * p.fit.error);
  }
  for (const CalibratedAttention& a : c.attention) {
    fmt::print("  attention, {:<17} {:5.1f} % off in prompts, {:.1f} % in decoding\n",
               format_name(a.kv), 100 * a.fit.prefill_error, 100 * a.fit.decode_error);
  }
  const StepModel step(local.model.shape(), read, done.layout(), read.engine->spec);
  for (size_t i = 0; i < done.steps().size(); ++i) {
    const StepPoint& point = done.steps()[i];
    const double predicted = to_seconds(step.time({&point.load, 1}));
    fmt::print("  {:<28} {:9.2f} ms, foreseen {:9.2f} ({:+.1f} %)\n", done.step_names()[i],
               1e3 * point.seconds, 1e3 * predicted, 100 * (predicted / point.seconds - 1));
  }
}

}  // namespace

Status calibrate(const CalibrateOptions& options) {
  if (!options.file.ends_with(".toml")) {
    return bad_input(
        fmt::format("--calibrate: found {}, expected a name that ends in .toml", options.file));
  }
  if (auto writable = check_output(options.file); !writable) return writable;
  auto catalog = Catalog::open_default();
  if (!catalog) return catalog.error();
  const MadeModels made;
  auto host = measure_host(made, options.model);
  if (!host) return host.error();
  LocalModelOptions model = options.model;
  if (model.directory.empty()) {
    auto folder = made.make("model", "small",
                            {{"num_hidden_layers", "16"},
                             {"vocab_size", "32768"},
                             {"bos_token_id", "32764"},
                             {"eos_token_id", "32765"}});
    if (!folder) return folder.error();
    model.directory = *folder;
  }
  auto local = load_local_model(model);
  if (!local) return local.error();
  if (local->model.format().weights == WeightFormat::kF32 || local->kv == KvFormat::kF32) {
    return bad_input(
        "--calibrate: found f32, expected weights of bf16, int8 or int4 and KV of "
        "bf16 or int8");
  }
  Calibrator calibrator(*local, options, *catalog);
  if (auto done = calibrator.run(*host); !done) return done;
  if (auto done = write_output(options.file, machine_file(calibrator.result())); !done) return done;
  auto read = catalog->system(options.file);
  if (!read) return read.error();
  print(calibrator, *local, *read);
  return {};
}

}  // namespace weft
