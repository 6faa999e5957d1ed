// Times prompts and decode steps of an instance, and this machine's limits with the same threads.
#include "apps/bench_engine.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
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

// What loading took, and memory.
struct Start {
  double load_seconds = 0;
  double read_bytes = 0;           // of the checkpoint, or of the weights that were kept
  double first_token_seconds = 0;  // loading and the first prompt
  double weight_bytes = 0;
  double kv_bytes = 0;
  double peak_bytes = 0;  // of this process so far
  double file_bytes = 0;  // of them, pages of files (embedding rows), which the system takes back
};

// A line of /proc/self/status in bytes, or 0 where there is none: "VmHWM:", the most memory that
// this process has had.
double memory_status(std::string_view key) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key)) return 1024 * std::strtod(line.c_str() + key.size(), nullptr);
  }
  return 0;
}

Start start_of(EngineTiming& timing, const LocalModel& local) {
  Start out;
  out.load_seconds = local.load_seconds;
  out.weight_bytes = static_cast<double>(local.model.weight_bytes());
  out.read_bytes =
      local.cache.read ? out.weight_bytes : static_cast<double>(local.model.checkpoint().bytes());
  out.first_token_seconds = local.load_seconds + timing.first_prompt_seconds();
  out.kv_bytes = static_cast<double>(timing.kv_bytes());
  out.peak_bytes = memory_status("VmHWM:");
  out.file_bytes = memory_status("RssFile:");
  return out;
}

void print(const Start& start, const LocalModel& local) {
  fmt::print("loaded in {:.2f} s ({:.2f} GB/s{}), first token after {:.2f} s\n", start.load_seconds,
             start.read_bytes / start.load_seconds / 1e9,
             local.cache.read ? " of weights kept before" : "", start.first_token_seconds);
  const double own = start.peak_bytes - start.file_bytes;
  fmt::print(
      "memory: {:.0f} MB at most and {:.0f} MB of files' pages; weights {:.0f} and KV {:.0f}, "
      "{:+.1f} %\n",
      own / 1e6, start.file_bytes / 1e6, start.weight_bytes / 1e6, start.kv_bytes / 1e6,
      100 * (own / (start.weight_bytes + start.kv_bytes) - 1));
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
  EngineTiming timing(*local, {.prompt = options.prompt,
                               .batches = options.batches,
                               .steps = options.steps,
                               .longest = options.prompt});
  std::vector<Measured> results = {time_prompt(timing, *local, options)};
  for (const int64_t batch : options.batches) {
    results.push_back(time_decode(timing, *local, batch));
  }
  const Start start = start_of(timing, *local);  // before the limits take memory of their own
  const Limits limits = measure_limits(*local);
  if (options.json != "-") {
    fmt::print("{}: {} weights, {} threads, {}\n", options.model.directory,
               format_name(local->model.format().weights), local->threads,
               isa_name(local->model.isa()));
    print(start, *local);
    for (const Measured& m : results) {
      fmt::print("{:<22}{:>10.1f} tokens/s{:>10.2f} ms   {}\n", m.name, m.tokens_per_s,
                 1e3 * m.seconds, share(m, limits));
    }
  }
  Json json = {{"weights", format_name(local->model.format().weights)},
               {"threads", local->threads},
               {"memory_bytes_per_s", limits.bytes_per_s},
               {"operations_per_s", limits.operations_per_s},
               {"load_s", start.load_seconds},
               {"load_bytes_per_s", start.read_bytes / start.load_seconds},
               {"weights_kept", local->cache.read},
               {"first_token_s", start.first_token_seconds},
               {"peak_bytes", start.peak_bytes},
               {"file_bytes", start.file_bytes},
               {"weight_bytes", start.weight_bytes},
               {"kv_bytes", start.kv_bytes},
               {"results", Json::array()}};
  for (const Measured& m : results) json["results"].push_back(as_json(m, limits));
  return write_output(options.json, json.dump(2) + "\n");
}

}  // namespace weft
