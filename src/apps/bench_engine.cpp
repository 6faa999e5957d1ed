// Times prompts and decode steps of an instance, and this machine's limits with the same threads.
#include "apps/bench_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "apps/output.h"
#include "base/random.h"
#include "kernels/machine_peak.h"

namespace weft {

namespace {

using Json = nlohmann::ordered_json;

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// What bounds this machine, with the threads that compute.
struct Limits {
  double bytes_per_s = 0;
  double operations_per_s = 0;  // of the format's products
  std::string operations;       // "INT8"
};

Limits measure_limits(const LocalModel& local) {
  Workers workers(local.threads, local.pins_threads);
  const WeightFormat format = local.model.format().weights;
  const bool whole = format == WeightFormat::kInt8 || format == WeightFormat::kInt4;
  Limits out;
  out.bytes_per_s = memory_read_bandwidth(workers);
  out.operations_per_s =
      whole ? int8_peak(local.model.isa(), workers) : bf16_peak(local.model.isa(), workers);
  out.operations = whole ? "INT8" : "BF16";
  return out;
}

struct Measured {
  std::string name;
  double tokens_per_s = 0;
  double seconds = 0;  // of one step or prompt
  double operations = 0;
  double bytes = 0;
};

// Several sequences of made-up tokens in one instance, without a scheduler.
class Bench {
 public:
  Bench(const LocalModel& local, const BenchEngineOptions& options)
      : local_(local), options_(options), instance_(local.model, config(local, options)) {}

  Measured prompt() {
    std::vector<double> seconds;
    for (int r = 0; r < options_.repeats + 1; ++r) {
      start(1);
      const double begin = now_seconds();
      prefill(0);
      if (r > 0) seconds.push_back(now_seconds() - begin);
    }
    const auto tokens = static_cast<double>(options_.prompt);
    const double took = median(seconds);
    // The head computes one row.
    const double layers = local_.model.shape().active_parameters() - embeddings();
    const double operations = 2 * tokens * layers + attention_operations();
    return {fmt::format("prompt of {}", options_.prompt), tokens / took, took, operations, 0};
  }

  Measured decode(int64_t batch) {
    start(batch);
    for (int64_t s = 0; s < batch; ++s) prefill(s);
    std::vector<double> seconds;
    int64_t tokens = 0;
    for (int64_t step = 0; step < options_.steps; ++step) {
      const double begin = now_seconds();
      tokens += decode_step();
      seconds.push_back(now_seconds() - begin);
    }
    const double took = median(seconds);
    const double gained = static_cast<double>(tokens) / static_cast<double>(options_.steps);
    const double context =
        static_cast<double>(options_.prompt) + static_cast<double>(options_.steps) / 2;
    const double kv = static_cast<double>(batch) * context *
                      instance_.kv().layout().bytes_per_token() * local_.model.shape().layers;
    return {fmt::format("decode, {} together", batch), gained / took, took, 0, step_bytes() + kv};
  }

 private:
  static EngineInstanceConfig config(const LocalModel& local, const BenchEngineOptions& options) {
    EngineInstanceConfig out = local.instance_config();
    out.max_sequences = *std::ranges::max_element(options.batches);
    out.max_tokens = std::max(options.prompt, out.max_sequences * (1 + out.draft_tokens));
    out.blocks = out.max_sequences * blocks_of(local, options);
    return out;
  }
  static int64_t blocks_of(const LocalModel& local, const BenchEngineOptions& options) {
    const int64_t drafts = 1 + local.draft_tokens;
    return ceil_div(options.prompt + (options.steps + 1) * drafts + drafts,
                    EngineInstanceConfig().block_tokens);
  }

  [[nodiscard]] double embeddings() const {
    const ModelShape& shape = local_.model.shape();
    return (shape.tied_embeddings ? 1 : 2) * shape.embedding_parameters();
  }
  // Products of queries, keys and values that causality leaves.
  [[nodiscard]] double attention_operations() const {
    const ModelShape& shape = local_.model.shape();
    const auto tokens = static_cast<double>(options_.prompt);
    const double width = shape.attention == AttentionKind::kMla
                             ? 2.0 * shape.kv_lora + shape.rope_dim
                             : 2.0 * shape.head_dim;
    return tokens * tokens * shape.heads * width * shape.layers;
  }
  // Weights that a step reads: all of a dense model's; a mixture's are an upper bound.
  [[nodiscard]] double step_bytes() const {
    return static_cast<double>(local_.model.weight_bytes());
  }

  void start(int64_t batch) {
    Random random(7);
    const auto vocab = static_cast<uint64_t>(local_.model.shape().vocab);
    sequences_.assign(static_cast<size_t>(batch), {});
    tables_.assign(static_cast<size_t>(batch), {});
    uint32_t block = 0;
    for (size_t s = 0; s < sequences_.size(); ++s) {
      for (int64_t i = 0; i < options_.prompt; ++i) {
        sequences_[s].tokens.push_back(static_cast<int32_t>(random.below(vocab)));
      }
      sequences_[s].prompt = options_.prompt;
      sequences_[s].max_output = int64_t{1} << 40;
      sequences_[s].sampling.temperature = 0;
      for (int64_t b = 0; b < blocks_of(local_, options_); ++b) {
        tables_[s].push_back(BlockId(block++));
      }
    }
  }

  void prefill(int64_t s) {
    const auto i = static_cast<size_t>(s);
    EnginePart part{.sequence = &sequences_[i],
                    .context = 0,
                    .tokens = options_.prompt,
                    .decode = false,
                    .samples = true,
                    .table = tables_[i],
                    .output = {}};
    instance_.step({&part, 1});
  }

  int64_t decode_step() {
    parts_.clear();
    for (size_t s = 0; s < sequences_.size(); ++s) {
      const auto known = static_cast<int64_t>(sequences_[s].tokens.size());
      parts_.push_back({.sequence = &sequences_[s],
                        .context = known - 1,
                        .tokens = 1 + local_.draft_tokens,
                        .decode = true,
                        .samples = true,
                        .table = tables_[s],
                        .output = {}});
    }
    instance_.step(parts_);
    int64_t tokens = 0;
    for (const EnginePart& part : parts_) tokens += part.output.tokens;
    return tokens;
  }

  const LocalModel& local_;
  const BenchEngineOptions& options_;
  EngineInstance instance_;
  std::vector<TokenSequence> sequences_;
  std::vector<std::vector<BlockId>> tables_;
  std::vector<EnginePart> parts_;
};

std::string share(const Measured& m, const Limits& limits) {
  if (m.operations > 0) {
    return fmt::format("{:5.1f} % of {:.2f} {} TOP/s",
                       100 * m.operations / m.seconds / limits.operations_per_s,
                       limits.operations_per_s / 1e12, limits.operations);
  }
  return fmt::format("{:5.1f} % of {:.1f} GB/s", 100 * m.bytes / m.seconds / limits.bytes_per_s,
                     limits.bytes_per_s / 1e9);
}

Json as_json(const Measured& m, const Limits& limits) {
  const double limit =
      m.operations > 0 ? m.operations / limits.operations_per_s : m.bytes / limits.bytes_per_s;
  return {{"name", m.name},
          {"tokens_per_s", m.tokens_per_s},
          {"ms", 1e3 * m.seconds},
          {"share_of_limit", limit / m.seconds}};
}

}  // namespace

Status bench_engine(const BenchEngineOptions& options) {
  auto local = load_local_model(options.model);
  if (!local) return local.error();
  if (options.prompt + options.steps * (1 + local->draft_tokens) > local->model.shape().context) {
    return bad_input(fmt::format("--prompt: found {}, expected less: the model's context is {}",
                                 options.prompt, local->model.shape().context));
  }
  const Limits limits = measure_limits(*local);
  Bench bench(*local, options);
  std::vector<Measured> results = {bench.prompt()};
  for (const int64_t batch : options.batches) results.push_back(bench.decode(batch));
  if (options.json != "-") {
    fmt::print("{}: {} weights of {:.0f} MB, {} threads, {}; loaded in {:.2f} s\n",
               options.model.directory, format_name(local->model.format().weights),
               static_cast<double>(local->model.weight_bytes()) / 1e6, local->threads,
               isa_name(local->model.isa()), local->load_seconds);
    for (const Measured& m : results) {
      fmt::print("{:<22}{:>10.1f} tokens/s{:>10.2f} ms   {}\n", m.name, m.tokens_per_s,
                 1e3 * m.seconds, share(m, limits));
    }
  }
  Json json = {{"weights", format_name(local->model.format().weights)},
               {"threads", local->threads},
               {"memory_bytes_per_s", limits.bytes_per_s},
               {"operations_per_s", limits.operations_per_s},
               {"load_s", local->load_seconds},
               {"results", Json::array()}};
  for (const Measured& m : results) json["results"].push_back(as_json(m, limits));
  return write_output(options.json, json.dump(2) + "\n");
}

}  // namespace weft
