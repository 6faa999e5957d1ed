// Random weights: a counter, the tensor's name and the seed give each value, so that any thread can
// write any piece.
#include "model/random_checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "model/checkpoint_writer.h"
#include "model/float_formats.h"
#include "model/tensor_names.h"
#include "model/tokenizer_maker.h"

namespace weft {
namespace {

using Json = nlohmann::ordered_json;

// A sum of four 16-bit numbers: near enough to a normal distribution, cut off at 3.46 deviations.
constexpr float kSumMean = 131070.0F;       // 4 x 65535 / 2
constexpr float kSumDeviation = 37837.23F;  // sqrt(4 x (65536^2 - 1) / 12)
constexpr float kLargest = kSumMean / kSumDeviation;
constexpr float kMaxE4m3 = 448;

// How the values of one tensor are made.
struct Recipe {
  TensorType type = TensorType::kBf16;
  uint64_t key = 0;
  float mean = 0;
  float deviation = 1;
  int64_t columns = 1;        // FP8: to find a value's block
  uint64_t scale_key = 0;     // FP8 and its scales
  int64_t scale_columns = 0;  // FP8: blocks in a row; 0: without scales
  bool is_scale = false;      // values are the scales themselves
};

uint64_t hash_name(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

float value_at(const Recipe& recipe, int64_t index) {
  const uint64_t bits = mix64(recipe.key + static_cast<uint64_t>(index) * 0x9e3779b97f4a7c15ULL);
  const auto sum = static_cast<int32_t>((bits & 0xffff) + (bits >> 16 & 0xffff) +
                                        (bits >> 32 & 0xffff) + (bits >> 48));
  const float normal = (static_cast<float>(sum) - kSumMean) * (1 / kSumDeviation);
  return recipe.mean + recipe.deviation * normal;
}

// Large enough for every value of the block, and another for each block.
float scale_at(const Recipe& recipe, int64_t block) {
  const uint64_t bits = mix64(recipe.scale_key + static_cast<uint64_t>(block));
  const float least = recipe.deviation * kLargest / kMaxE4m3;
  return least * (1 + static_cast<float>(unit_interval(bits)));
}

template <class Encode>
void fill_plain(const Recipe& recipe, int64_t first, std::span<std::byte> out, Encode encode) {
  using Stored = decltype(encode(0.0F));
  const auto count = static_cast<int64_t>(out.size() / sizeof(Stored));
  for (int64_t i = 0; i < count; ++i) {
    const Stored stored = encode(value_at(recipe, first + i));
    std::memcpy(out.data() + i * static_cast<int64_t>(sizeof(Stored)), &stored, sizeof(Stored));
  }
}

void fill_fp8(const Recipe& recipe, int64_t first, std::span<std::byte> out) {
  constexpr ScaleBlocks kBlocks;
  const auto end = first + static_cast<int64_t>(out.size());
  for (int64_t i = first; i < end;) {
    const int64_t row = i / recipe.columns;
    const int64_t block = i % recipe.columns / kBlocks.columns;
    const int64_t row_end = (row + 1) * recipe.columns;
    const int64_t block_end = row * recipe.columns + (block + 1) * kBlocks.columns;
    const int64_t stop = std::min({block_end, row_end, end});
    const float scale = scale_at(recipe, row / kBlocks.rows * recipe.scale_columns + block);
    for (; i < stop; ++i) {
      out[static_cast<size_t>(i - first)] = std::byte{to_e4m3(value_at(recipe, i) / scale)};
    }
  }
}

void fill_scales(const Recipe& recipe, int64_t first, std::span<std::byte> out) {
  for (size_t i = 0; i < out.size() / sizeof(float); ++i) {
    const float scale = scale_at(recipe, first + static_cast<int64_t>(i));
    std::memcpy(out.data() + i * sizeof(float), &scale, sizeof(float));
  }
}

void fill(const Recipe& recipe, int64_t first, std::span<std::byte> out) {
  if (recipe.is_scale) return fill_scales(recipe, first, out);
  switch (recipe.type) {
    case TensorType::kF8E4m3:
      return fill_fp8(recipe, first, out);
    case TensorType::kBf16:
      return fill_plain(recipe, first, out, to_bf16);
    case TensorType::kF16:
      return fill_plain(recipe, first, out, to_f16);
    default:
      return fill_plain(recipe, first, out, [](float value) { return value; });
  }
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(), [&](std::string_view part) {
    return name.find(part) != std::string_view::npos;
  });
}

// How much a projection widens what passes through. Scores that spread and an attention that counts
// for more than the last token keep greedy text from circling.
float gain_of(std::string_view name) {
  if (is_one_of(name, {"o_proj."})) return 3;
  if (is_one_of(name, {".q_proj.", ".k_proj.", "q_b_proj.", "kv_b_proj."})) return 1.6F;
  return 1;
}

// Heads spread the logits by about three. Small embeddings keep a token from predicting itself.
void set_spread(const TensorSpec& spec, Recipe& recipe) {
  const float fan_in = 1 / std::sqrt(static_cast<float>(spec.shape.back()));
  switch (spec.role) {
    case TensorRole::kNorm:
      recipe.mean = is_one_of(spec.name, {"q_norm.", "k_norm."}) ? 1.6F : 1;
      recipe.deviation = 0.1F;
      return;
    case TensorRole::kBias:
      recipe.deviation = 0.2F;
      return;
    case TensorRole::kRouterBias:
      recipe.deviation = 0.05F;
      return;
    case TensorRole::kRouter:
      recipe.deviation = 1.5F * fan_in;
      return;
    case TensorRole::kEmbedding:
    case TensorRole::kHead:
      recipe.deviation = 3 * fan_in;
      return;
    case TensorRole::kProjection:
    case TensorRole::kMtpProjection:
      recipe.deviation = gain_of(spec.name) * fan_in;
      return;
  }
}

// MTP layers have copies of the model's embedding and head.
std::string_view source_name(const TensorSpec& spec) {
  if (spec.role == TensorRole::kEmbedding) return "model.embed_tokens.weight";
  if (spec.role == TensorRole::kHead) return "lm_head.weight";
  return spec.name;
}

struct Plan {
  std::vector<TensorToWrite> tensors;
  std::vector<Recipe> recipes;
};

void add_scales(const TensorSpec& spec, Recipe& recipe, Plan& plan) {
  constexpr ScaleBlocks kBlocks;
  const auto blocks = [](int64_t size, int block) { return (size + block - 1) / block; };
  recipe.columns = spec.shape[1];
  recipe.scale_columns = blocks(spec.shape[1], kBlocks.columns);
  recipe.scale_key = mix64(recipe.key, 1);
  Recipe scales = recipe;
  scales.type = TensorType::kF32;
  scales.is_scale = true;
  plan.tensors.push_back({scale_name(spec.name),
                          TensorType::kF32,
                          {blocks(spec.shape[0], kBlocks.rows), recipe.scale_columns}});
  plan.recipes.push_back(scales);
}

Plan plan_tensors(const ModelShape& shape, const ArchitectureConfig& config,
                  const RandomCheckpoint& wanted) {
  const bool is_fp8 = wanted.type == TensorType::kF8E4m3;
  Plan plan;
  for (const TensorSpec& spec : expected_tensors(shape, config)) {
    Recipe recipe;
    recipe.type = is_fp8 ? TensorType::kBf16 : wanted.type;
    if (is_fp8 && spec.role == TensorRole::kProjection) recipe.type = TensorType::kF8E4m3;
    if (spec.role == TensorRole::kRouterBias) recipe.type = TensorType::kF32;
    recipe.key = mix64(wanted.seed, hash_name(source_name(spec)));
    set_spread(spec, recipe);
    Recipe with_scales = recipe;
    if (recipe.type == TensorType::kF8E4m3) add_scales(spec, with_scales, plan);
    plan.tensors.push_back({spec.name, recipe.type, spec.shape});
    plan.recipes.push_back(with_scales);
  }
  return plan;
}

// config.json with the fields that follow from the stored type.
Result<std::string> finish_config(const RandomCheckpoint& wanted) {
  Json config = Json::parse(wanted.config, nullptr, false);
  if (!config.is_object()) return bad_input("config.json: not a JSON object");
  config.erase("quantization_config");
  config["torch_dtype"] = wanted.type == TensorType::kF32   ? "float32"
                          : wanted.type == TensorType::kF16 ? "float16"
                                                            : "bfloat16";
  if (wanted.type == TensorType::kF8E4m3) {
    config["quantization_config"] = {{"activation_scheme", "dynamic"},
                                     {"fmt", "e4m3"},
                                     {"quant_method", "fp8"},
                                     {"weight_block_size", {128, 128}}};
  }
  return config.dump(2) + "\n";
}

// Greedy unless asked otherwise; the tokens of config.json.
std::string generation_config_of(const ArchitectureConfig& config) {
  Json generation;
  if (config.bos_token >= 0) generation["bos_token_id"] = config.bos_token;
  generation["do_sample"] = false;
  generation["eos_token_id"] = config.eos_tokens;
  return generation.dump(2) + "\n";
}

}  // namespace

Status write_random_checkpoint(const std::string& directory, const RandomCheckpoint& checkpoint) {
  const auto config_text = finish_config(checkpoint);
  if (!config_text) return config_text.error();
  const auto shape = shape_from_config_json(*config_text, "config.json");
  if (!shape) return shape.error();
  const auto config = architecture_from_config_json(*config_text, "config.json", *shape);
  if (!config) return config.error();
  const Plan plan = plan_tensors(*shape, *config, checkpoint);
  CheckpointToWrite contents;
  contents.tensors = plan.tensors;
  contents.texts = checkpoint.texts;
  contents.texts["config.json"] = *config_text;
  if (shape->vocab >= kSmallestMadeVocab) {
    contents.texts.emplace("tokenizer.json", make_tokenizer_json(shape->vocab, checkpoint.seed));
    contents.texts.emplace("tokenizer_config.json", make_tokenizer_config_json());
  }
  contents.texts.emplace("generation_config.json", generation_config_of(*config));
  contents.shard_bytes = checkpoint.shard_bytes;
  contents.threads = checkpoint.threads;
  return write_checkpoint(directory, contents,
                          [&plan](size_t tensor, int64_t first_value, std::span<std::byte> out) {
                            fill(plan.recipes[tensor], first_value, out);
                          });
}

}  // namespace weft
