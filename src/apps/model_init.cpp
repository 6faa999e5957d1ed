// weft model init: a random checkpoint of any architecture that runs, to try and to measure with.
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>

#include "apps/commands.h"
#include "apps/output.h"
#include "base/config.h"
#include "model/checkpoint.h"
#include "model/random_checkpoint.h"

namespace weft {
namespace {

struct Options {
  std::string like;
  std::string out;
  std::string size = "tiny";
  std::string dtype = "bf16";
  uint64_t seed = 1;
  int64_t shard_bytes = int64_t{2} << 30;
  int threads = 0;
  std::vector<ConfigSetting> fields;  // by --hidden and the like
  std::vector<std::string> settings;  // by --set
};

// Options for the fields that are changed most.
struct SizeOption {
  const char* flag;
  const char* field;
  const char* moe_field;  // the name in DeepSeek's config.json, where it differs
  const char* help;
};

constexpr SizeOption kSizeOptions[] = {
    {"--hidden", "hidden_size", nullptr, "Width of the model"},
    {"--layers", "num_hidden_layers", nullptr, "Layers, without MTP layers"},
    {"--vocab", "vocab_size", nullptr, "Tokens of the vocabulary"},
    {"--context", "max_position_embeddings", nullptr, "Longest sequence"},
    {"--heads", "num_attention_heads", nullptr, "Query heads"},
    {"--kv-heads", "num_key_value_heads", nullptr, "KV heads"},
    {"--head-dim", "head_dim", nullptr, "Width of a head"},
    {"--ffn", "intermediate_size", nullptr, "Width of a dense FFN"},
    {"--experts", "num_experts", "n_routed_experts", "Routed experts of a layer"},
    {"--experts-per-token", "num_experts_per_tok", nullptr, "Experts that a token uses"},
    {"--expert-ffn", "moe_intermediate_size", nullptr, "Width of an expert"},
    {"--mtp-layers", "num_nextn_predict_layers", nullptr, "MTP layers (deepseek-v3)"},
};

Result<TensorType> read_dtype(const std::string& name) {
  if (name == "bf16") return TensorType::kBf16;
  if (name == "f16") return TensorType::kF16;
  if (name == "f32") return TensorType::kF32;
  if (name == "fp8") return TensorType::kF8E4m3;
  return bad_input(fmt::format("--dtype: found {}, expected bf16, f16, f32 or fp8", name));
}

Result<std::vector<ConfigSetting>> read_settings(const Options& options, Architecture like) {
  const bool is_deepseek = like >= Architecture::kDeepseekV2;
  std::vector<ConfigSetting> settings;
  for (ConfigSetting setting : options.fields) {
    for (const SizeOption& option : kSizeOptions) {
      if (is_deepseek && option.moe_field != nullptr && setting.key == option.field) {
        setting.key = option.moe_field;
      }
    }
    settings.push_back(setting);
  }
  for (const std::string& text : options.settings) {
    const size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return bad_input(fmt::format("--set: found {}, expected KEY=VALUE", text));
    }
    settings.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  return settings;
}

Status init_model(const Options& options) {
  const auto like = architecture_by_name(options.like);
  if (!like) return like.error();
  const auto type = read_dtype(options.dtype);
  if (!type) return type.error();
  const auto settings = read_settings(options, *like);
  if (!settings) return settings.error();
  auto config = preset_config(*like, options.size, *settings);
  if (!config) return config.error();
  RandomCheckpoint wanted;
  wanted.config = std::move(*config);
  wanted.seed = options.seed;
  wanted.type = *type;
  wanted.shard_bytes = options.shard_bytes;
  wanted.threads = options.threads > 0
                       ? options.threads
                       : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const auto start = std::chrono::steady_clock::now();
  if (auto status = write_random_checkpoint(options.out, wanted); !status) return status;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const auto written = Checkpoint::open(options.out);
  if (!written) return written.error();
  if (auto status = written->check_tensors(); !status) return status;
  fmt::print("{}: {}, {:.4g} million parameters, {} tensors of {:.4g} MB in {:.2g} s\n",
             options.out, written->shape().architecture, written->shape().total_parameters() / 1e6,
             written->names().size(), static_cast<double>(written->bytes()) / 1e6, took.count());
  return {};
}

void add_init(CLI::App& model, const std::shared_ptr<Options>& options) {
  CLI::App* init = model.add_subcommand("init", "Writes a random checkpoint");
  init->footer(
      "Examples:\n"
      "  weft model init --like qwen3 --out /tmp/tiny\n"
      "  weft model init --like qwen3 --size small --out /tmp/qwen3-0.6b-like\n"
      "  weft model init --like deepseek-v3 --dtype fp8 --hidden 256 --seed 7 --out /tmp/v3\n"
      "  weft model init --like llama --set rope_scaling=null --out /tmp/plain");
  init->add_option("--like", options->like,
                   "Architecture: llama, qwen2, qwen3, qwen3-moe, deepseek-v2, deepseek-v3, or its "
                   "class in transformers")
      ->required();
  init->add_option("--out", options->out, "The folder, new or empty")->required();
  init->add_option("--size", options->size, "tiny (for tests) or small (qwen3: 0.6 billion)")
      ->capture_default_str();
  init->add_option("--dtype", options->dtype, "bf16, f16, f32, or fp8 with block scales")
      ->capture_default_str();
  init->add_option("--seed", options->seed, "Another seed, other weights")->capture_default_str();
  init->add_option("--shard-bytes", options->shard_bytes, "Most bytes of one safetensors file")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  init->add_option("--threads", options->threads, "0: one for each processor")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  for (const SizeOption& option : kSizeOptions) {
    init->add_option_function<int64_t>(
        option.flag,
        [options, field = option.field](const int64_t& value) {
          options->fields.push_back({field, fmt::to_string(value)});
        },
        option.help);
  }
  init->add_option("--set", options->settings, "KEY=JSON: any other field of config.json");
}

}  // namespace

void add_model(CLI::App& app, int& exit_code) {
  CLI::App* model = app.add_subcommand("model", "makes checkpoints");
  model->require_subcommand(1);
  model->footer("Example: weft model init --like qwen3 --out /tmp/tiny");
  auto options = std::make_shared<Options>();
  add_init(*model, options);
  model->callback([options, &exit_code] { exit_code = report_status(init_model(*options)); });
}

}  // namespace weft
