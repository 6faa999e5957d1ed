// Opens a checkpoint's folder with everything that a text needs.
#include "apps/local_model.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace weft {

namespace {

Result<WeightFormat> read_weights(const std::string& name) {
  for (const WeightFormat format :
       {WeightFormat::kF32, WeightFormat::kBf16, WeightFormat::kInt8, WeightFormat::kInt4}) {
    if (format_name(format) == name) return format;
  }
  return bad_input(fmt::format("--weights: found {}, expected f32, bf16, int8 or int4", name));
}

Result<KvFormat> read_kv(const std::string& name) {
  for (const KvFormat format : {KvFormat::kF32, KvFormat::kBf16, KvFormat::kInt8}) {
    if (kv_format_name(format) == name) return format;
  }
  return bad_input(fmt::format("--kv: found {}, expected f32, bf16 or int8", name));
}

// Its text, or an error that says what is missing.
Result<Tokenizer> read_tokenizer(const Checkpoint& checkpoint) {
  const auto& text = checkpoint.texts().tokenizer;
  const std::string name = checkpoint.directory() + "/tokenizer.json";
  if (!text) return not_found(name + ": missing; expected the checkpoint's tokenizer");
  return Tokenizer::from_json(*text, name);
}

Status read_texts(const Checkpoint& checkpoint, Tokenizer& tokenizer, TokenizerConfig& config,
                  GenerationConfig& generation, std::optional<ChatTemplate>& chat_template) {
  const CheckpointTexts& texts = checkpoint.texts();
  if (texts.tokenizer_config) {
    auto read = TokenizerConfig::from_json(*texts.tokenizer_config,
                                           checkpoint.directory() + "/tokenizer_config.json");
    if (!read) return read.error();
    config = std::move(*read);
  }
  if (texts.chat_template) config.set_chat_template(*texts.chat_template);
  if (auto applied = config.apply(tokenizer); !applied) return applied;
  if (texts.generation_config) {
    auto read = GenerationConfig::from_json(*texts.generation_config,
                                            checkpoint.directory() + "/generation_config.json");
    if (!read) return read.error();
    generation = std::move(*read);
  }
  if (const std::string* source = config.chat_template(false)) {
    auto parsed = ChatTemplate::parse(*source);
    if (!parsed) return parsed.error();
    chat_template = std::move(*parsed);
  }
  return {};
}

}  // namespace

void add_model_options(CLI::App& command, LocalModelOptions& options) {
  command.add_option("--model", options.directory, "the checkpoint's folder");
  command.add_option("--weights", options.weights, "what weights run in: int8, int4, bf16 or f32")
      ->capture_default_str();
  command.add_option("--kv", options.kv, "what KV is kept in: bf16, int8 or f32")
      ->capture_default_str();
  command.add_option("--threads", options.threads, "0: one for each processor")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command
      .add_option("--draft-tokens", options.draft_tokens,
                  "tokens that the checkpoint's MTP module proposes a step; 1 where it has one")
      ->check(CLI::Range(0, 8));
  command.add_flag("--cache-weights", options.caches_weights,
                   "keeps packed weights in a file beside the checkpoint, for the next start");
  command.add_flag("--no-pin", options.unpinned, "leaves threads to the system's scheduler");
}

Result<LocalModel> load_local_model(const LocalModelOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  if (options.directory.empty()) {
    return bad_input("--model: missing; expected a checkpoint's folder");
  }
  const auto weights = read_weights(options.weights);
  if (!weights) return weights.error();
  const auto kv = read_kv(options.kv);
  if (!kv) return kv.error();
  auto checkpoint = Checkpoint::open(options.directory);
  if (!checkpoint) return checkpoint.error();
  auto tokenizer = read_tokenizer(*checkpoint);
  if (!tokenizer) return tokenizer.error();
  TokenizerConfig config;
  GenerationConfig generation;
  std::optional<ChatTemplate> chat_template;
  if (const auto read = read_texts(*checkpoint, *tokenizer, config, generation, chat_template);
      !read) {
    return read.error();
  }
  const bool has_mtp = checkpoint->shape().mtp_layers > 0;
  if (options.draft_tokens > 0 && !has_mtp) {
    return bad_input(fmt::format("--draft-tokens: found {}, expected 0: {} has no MTP module",
                                 options.draft_tokens, options.directory));
  }
  const int drafts = options.draft_tokens < 0 ? (has_mtp ? 1 : 0) : options.draft_tokens;
  const int threads = options.threads > 0
                          ? options.threads
                          : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  Workers workers(threads, false);
  WeightCacheReport cache;
#ifdef __GLIBC__
  malloc_trim(0);  // what reading texts took
#endif
  auto model =
      CpuModel::load(std::move(*checkpoint), {.weights = *weights, .loads_mtp = drafts > 0},
                     best_isa(), workers, options.caches_weights ? &cache : nullptr);
  if (!model) return model.error();
  if (!cache.note.empty()) fmt::print(stderr, "weft: note: {}\n", cache.note);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return LocalModel{.model = std::move(*model),
                    .tokenizer = std::move(*tokenizer),
                    .tokenizer_config = std::move(config),
                    .generation = std::move(generation),
                    .chat_template = std::move(chat_template),
                    .kv = *kv,
                    .threads = threads,
                    .draft_tokens = drafts,
                    .pins_threads = !options.unpinned,
                    .load_seconds = took.count(),
                    .cache = std::move(cache)};
}

EngineInstanceConfig LocalModel::instance_config() const {
  EngineInstanceConfig out;
  out.threads = threads;
  out.pins_threads = pins_threads;
  out.kv = kv;
  out.draft_tokens = draft_tokens;
  return out;
}

std::vector<int32_t> LocalModel::stop_tokens() const {
  if (!generation.eos_token_ids.empty()) return generation.eos_token_ids;
  std::vector<int32_t> out;
  for (const int64_t token : model.architecture().eos_tokens) {
    out.push_back(static_cast<int32_t>(token));
  }
  return out;
}

SamplingParams LocalModel::default_sampling() const {
  SamplingParams out;
  out.temperature = generation.do_sample.value_or(false) ? generation.temperature.value_or(1.0) : 0;
  out.top_k = generation.top_k.value_or(0);
  out.top_p = generation.top_p.value_or(1.0);
  out.min_p = generation.min_p.value_or(0.0);
  out.repetition_penalty = generation.repetition_penalty.value_or(1.0);
  return out;
}

}  // namespace weft
