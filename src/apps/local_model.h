// A checkpoint opened for use: weights packed for this machine, tokenizer, chat template, defaults.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "engine/cpu_model.h"
#include "engine/instance.h"
#include "model/chat_template.h"
#include "model/tokenizer_config.h"

namespace weft {

struct LocalModelOptions {
  std::string directory;
  std::string weights = "int8";
  std::string kv = "bf16";
  int threads = 0;  // 0: one for each processor
  int draft_tokens = -1;
  bool unpinned = false;
  bool caches_weights = false;
};
void add_model_options(CLI::App& command, LocalModelOptions& options);

struct LocalModel {
  CpuModel model;
  Tokenizer tokenizer;
  TokenizerConfig tokenizer_config;
  GenerationConfig generation;
  std::optional<ChatTemplate> chat_template;
  KvFormat kv = KvFormat::kBf16;
  int threads = 1;
  int draft_tokens = 0;
  bool pins_threads = true;
  double load_seconds = 0;
  WeightCacheReport cache;  // with caches_weights

  [[nodiscard]] EngineInstanceConfig instance_config() const;
  // The tokens that end a text, by generation_config.json, or else config.json.
  [[nodiscard]] std::vector<int32_t> stop_tokens() const;
  // generation_config.json's way to sample, transformers' defaults where it says nothing.
  [[nodiscard]] SamplingParams default_sampling() const;
};

// One line that names file and key for anything that is missing or does not fit.
Result<LocalModel> load_local_model(const LocalModelOptions& options);

}  // namespace weft
