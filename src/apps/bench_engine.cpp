// Times prompts and decode steps of an instance, and this machine's limits with the same threads.
#include "apps/bench_engine.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/engine_timing.h"
#include "apps/output.h"
#include "kernels/machine_peak.h"

namespace weft {

namespace {

using Json = nlohmann::ordered_json;

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
  double seconds = 0;  // of one step or prompt, median
  double quick = 0;    // a fifth of them took no longer
  double operations = 0;
  double bytes = 0;
};

// Operations of a prompt: products, and attention that causality leaves. The head computes one row.
double prompt_operations(const ModelShape& shape, int64_t prompt) {
  const auto tokens = static_cast<double>(prompt);
  const double tables = (shape.tied_embeddings ? 1 : 2) * shape.embedding_parameters();
  const double width = shape.attention == AttentionKind::kMla ? 2.0 * shape.kv_lora + shape.rope_dim
                                                              : 2.0 * shape.head_dim;
  return 2 * tokens * (shape.active_parameters() - tables) +
         tokens * tokens * shape.heads * width * shape.layers;
}

Measured time_prompt(EngineTiming& timing, const LocalModel& local,
                     const BenchEngineOptions& options) {
  const StepSeconds took = timing.prompt(options.prompt, options.repeats);
  return {.name = fmt::format("prompt of {}", options.prompt),
          .tokens_per_s = static_cast<double>(options.prompt) / took.median,
          .seconds = took.median,
          .quick = took.quick,
          .operations = prompt_operations(local.model.shape(), options.prompt)};
}

// Bytes: weights, all of a dense model's (a mixture's are an upper bound), and KV.
Measured time_decode(EngineTiming& timing, const LocalModel& local, int64_t batch) {
  const StepSeconds took = timing.decode(batch);
  const double kv = static_cast<double>(batch) * took.context *
                    timing.kv_layout().bytes_per_token() * local.model.shape().layers;
  return {.name = fmt::format("decode, {} together", batch),
          .tokens_per_s = took.tokens / took.median,
          .seconds = took.median,
          .quick = took.quick,
          .bytes = static_cast<double>(local.model.weight_bytes()) + kv};
}

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
          {"quick_ms", 1e3 * m.quick},
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
  EngineTiming timing(*local, {.prompt = options.prompt,
                               .batches = options.batches,
                               .steps = options.steps,
                               .longest = options.prompt});
  std::vector<Measured> results = {time_prompt(timing, *local, options)};
  for (const int64_t batch : options.batches) {
    results.push_back(time_decode(timing, *local, batch));
  }
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
