// The tensors that a config.json promises: as many as published checkpoints hold, and as many
// values as the shape has parameters.
#include "model/tensor_names.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "model/random_checkpoint.h"

namespace weft {
namespace {

struct Model {
  ModelShape shape;
  ArchitectureConfig config;
};

Model model_of(Architecture architecture, std::string_view size,
               const std::vector<ConfigSetting>& settings = {}) {
  const auto json = preset_config(architecture, size, settings);
  Model model;
  model.shape = *shape_from_config_json(*json, "config.json");
  model.config = *architecture_from_config_json(*json, "config.json", model.shape);
  return model;
}

std::vector<TensorSpec> tensors_of(const Model& model) {
  return expected_tensors(model.shape, model.config);
}

using enum Architecture;

// The shape of DeepSeek-V3 as published, whose index lists 91,991 tensors: weights, and a tensor of
// scales beside each projection.
TEST(TensorNames, AsManyAsDeepseekV3Publishes) {
  const Model model = model_of(kDeepseekV3, "small",
                               {{"num_hidden_layers", "61"},
                                {"first_k_dense_replace", "3"},
                                {"n_routed_experts", "256"},
                                {"n_group", "8"},
                                {"topk_group", "4"},
                                {"num_experts_per_tok", "8"}});
  size_t count = 0;
  for (const TensorSpec& spec : tensors_of(model)) {
    count += spec.role == TensorRole::kProjection ? 2 : 1;
  }
  EXPECT_EQ(count, 91991u);
}

// Qwen3-0.6B: 310 tensors, and the tied head's copy.
TEST(TensorNames, AsManyAsQwen3Publishes) {
  EXPECT_EQ(tensors_of(model_of(kQwen3, "small")).size(), 310u);
  EXPECT_EQ(tensors_of(model_of(kQwen3, "small", {{"tie_word_embeddings", "false"}})).size(), 311u);
}

TEST(TensorNames, NamesStandOnceAndHoldTheShapesParameters) {
  for (const Architecture architecture :
       {kLlama, kQwen2, kQwen3, kQwen3Moe, kDeepseekV2, kDeepseekV3}) {
    const Model model = model_of(architecture, "small");
    std::set<std::string> names;
    double matrices = 0;
    for (const TensorSpec& spec : tensors_of(model)) {
      EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
      const bool is_mtp = spec.name.find(".layers." + std::to_string(model.shape.layers) + ".") !=
                          std::string::npos;
      if (spec.shape.size() == 2 && !is_mtp) {
        matrices += static_cast<double>(spec.shape[0]) * static_cast<double>(spec.shape[1]);
      }
    }
    EXPECT_NEAR(matrices / model.shape.total_parameters(), 1, 1e-3)
        << architecture_name(architecture);
  }
}

TEST(TensorNames, PublishedNames) {
  const auto tensors = tensors_of(model_of(kDeepseekV3, "tiny"));
  const auto shape_of = [&](const std::string& name) {
    const auto found = std::find_if(tensors.begin(), tensors.end(),
                                    [&](const TensorSpec& spec) { return spec.name == name; });
    return found == tensors.end() ? std::vector<int64_t>{} : found->shape;
  };
  using Shape = std::vector<int64_t>;
  EXPECT_EQ(shape_of("model.embed_tokens.weight"), (Shape{512, 64}));
  EXPECT_EQ(shape_of("model.layers.0.self_attn.kv_a_proj_with_mqa.weight"), (Shape{40, 64}));
  EXPECT_EQ(shape_of("model.layers.0.self_attn.kv_b_proj.weight"), (Shape{128, 32}));
  EXPECT_EQ(shape_of("model.layers.0.mlp.gate_proj.weight"), (Shape{160, 64}));
  EXPECT_EQ(shape_of("model.layers.1.mlp.gate.e_score_correction_bias"), (Shape{16}));
  EXPECT_EQ(shape_of("model.layers.2.mlp.experts.15.down_proj.weight"), (Shape{64, 32}));
  EXPECT_EQ(shape_of("model.layers.2.mlp.shared_experts.up_proj.weight"), (Shape{32, 64}));
  EXPECT_EQ(shape_of("model.layers.3.eh_proj.weight"), (Shape{64, 128}));
  EXPECT_EQ(shape_of("model.layers.3.shared_head.norm.weight"), (Shape{64}));
  EXPECT_EQ(shape_of("model.layers.3.mlp.gate.weight"), (Shape{16, 64}));
  EXPECT_EQ(shape_of("model.layers.4.input_layernorm.weight"), Shape{});
  EXPECT_EQ(scale_name("a.weight"), "a.weight_scale_inv");
}

}  // namespace
}  // namespace weft
