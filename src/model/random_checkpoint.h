// Random checkpoints: real folders of every architecture that runs, at any size, with weights that
// hang on the seed and the tensors' names alone. Their logits are finite and well spread, their
// text is noise.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/architecture_config.h"
#include "model/safetensors.h"

namespace weft {

// The name of its class or a short one: "Qwen3MoeForCausalLM", "qwen3-moe". kBadInput lists them.
Result<Architecture> architecture_by_name(std::string_view name);
std::vector<std::string> short_architecture_names();

// "tiny": two or three layers of 64, for tests; "small": about a billion parameters (qwen3: the
// shape of Qwen3-0.6B).
std::vector<std::string> preset_sizes();

// A field of config.json and its value as JSON: {"hidden_size", "128"}, {"rope_scaling", "null"}.
struct ConfigSetting {
  std::string key;
  std::string json;
};

// config.json (text) as such models are published. kBadInput for an unknown size or a setting that
// is not JSON; whether the settings fit together is seen by who reads it.
Result<std::string> preset_config(Architecture architecture, std::string_view size,
                                  const std::vector<ConfigSetting>& settings);

struct RandomCheckpoint {
  std::string config;  // config.json; torch_dtype and quantization_config are set by `type`
  uint64_t seed = 1;
  // BF16, F16, F32, or FP8 E4M3: projections in FP8 with block scales of 128 x 128, the rest BF16.
  TensorType type = TensorType::kBf16;
  int64_t shard_bytes = int64_t{2} << 30;
  int threads = 1;
  std::map<std::string, std::string> texts;  // other files: name -> content
};

// Writes the folder, with generation_config.json and, for a vocabulary that has room for all bytes,
// tokenizer.json and tokenizer_config.json, unless `texts` has its own. kBadInput for a
// config.json that does not run, or a folder that is there.
Status write_random_checkpoint(const std::string& directory, const RandomCheckpoint& checkpoint);

}  // namespace weft
