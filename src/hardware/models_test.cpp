// The catalog's models: parameters and KV bytes counted from their shapes, against the totals that
// were published (within the publishers' rounding) or recomputed elsewhere (within 1 %).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "hardware/catalog.h"
#include "hardware/catalog_files.h"

namespace weft {
namespace {

Catalog catalog() {
  auto opened = Catalog::open("catalog");
  CHECK(opened.ok(), "tests run in the root of the source tree");
  return opened.value();
}

struct Expected {
  const char* name;
  double total_b;
  double active_b;
  double kv_bf16;  // per token of context, exact
};

// Totals and KV of the reference tables. gpt-oss: the layers without a window.
constexpr Expected kExpected[] = {
    {"deepseek-v3", 671.0, 37.6, 70272},      {"deepseek-r1", 671.0, 37.6, 70272},
    {"deepseek-v3.2", 671.9, 38.4, 85888},    {"deepseek-v4-pro", 1572.9, 49.7, 9848},
    {"deepseek-v4-flash", 284.3, 13.8, 6880}, {"kimi-k2", 1026.4, 32.9, 70272},
    {"kimi-k2.5", 1026.4, 32.9, 70272},       {"glm-5", 743.9, 41.8, 109824},
    {"glm-4.5", 352.8, 33.6, 376832},         {"glm-4.6", 352.8, 33.6, 376832},
    {"pangu-ultra-moe", 719.1, 40.4, 70272},  {"qwen3-235b-a22b", 235.1, 22.2, 192512},
    {"qwen3-30b-a3b", 30.5, 3.35, 98304},     {"qwen3-0.6b", 0.596, 0.596, 114688},
    {"qwen3-8b", 8.19, 8.19, 147456},         {"qwen3-32b", 32.8, 32.8, 262144},
    {"gpt-oss-120b", 116.8, 5.7, 36864},      {"gpt-oss-20b", 20.9, 4.2, 24576},
    {"minimax-m2.5", 228.7, 11.0, 253952},    {"llama-3.1-8b", 8.03, 8.03, 131072},
    {"llama-3.1-70b", 70.55, 70.55, 327680},  {"llama-3.1-405b", 405.8, 405.8, 516096},
    {"llama-2-7b", 6.74, 6.74, 524288},       {"llama-2-70b", 68.98, 68.98, 327680},
    {"mixtral-8x7b", 46.7, 12.9, 131072},     {"qwen3-coder-480b-a35b", 480.2, 35.5, 253952},
};

TEST(Models, ParametersAndKvAgreeWithTheReference) {
  const Catalog all = catalog();
  for (const Expected& expected : kExpected) {
    const auto model = all.model(expected.name);
    ASSERT_TRUE(model.ok()) << model.error().message;
    EXPECT_NEAR(model->total_parameters() / 1e9 / expected.total_b, 1, 0.01) << expected.name;
    EXPECT_NEAR(model->active_parameters() / 1e9 / expected.active_b, 1, 0.01) << expected.name;
    EXPECT_EQ(model->kv_bytes_per_token(Format::kBf16), expected.kv_bf16) << expected.name;
  }
}

TEST(Models, Fp8KvAgreesWithTheReference) {
  const Catalog all = catalog();
  const struct {
    const char* name;
    double kv_fp8;
  } kCases[] = {{"deepseek-v3", 40016}, {"deepseek-v3.2", 48068},  {"kimi-k2", 40016},
                {"glm-5", 61464},       {"deepseek-v4-pro", 5511}, {"deepseek-v4-flash", 3850}};
  for (const auto& expected : kCases) {
    const auto model = all.model(expected.name);
    ASSERT_TRUE(model.ok()) << model.error().message;
    EXPECT_NEAR(model->kv_bytes_per_token(Format::kFp8), expected.kv_fp8, 1) << expected.name;
  }
}

TEST(Models, WindowsAreHeldPerSequence) {
  const Catalog all = catalog();
  EXPECT_NEAR(all.model("deepseek-v4-pro")->kv_bytes_per_sequence(Format::kBf16), 8.0e6, 5e4);
  EXPECT_NEAR(all.model("deepseek-v4-flash")->kv_bytes_per_sequence(Format::kBf16), 5.6e6, 5e4);
  const auto oss = all.model("gpt-oss-120b");
  EXPECT_EQ(oss->kv_bytes_per_sequence(Format::kBf16) / 128, 36864);
  EXPECT_EQ(all.model("deepseek-r1")->kv_bytes_per_sequence(Format::kBf16), 0);
}

TEST(Models, SharedIndexersKeepFewerKeys) {
  const Catalog all = catalog();
  EXPECT_LT(all.model("glm-5.2")->kv_bytes_per_token(Format::kBf16),
            all.model("glm-5")->kv_bytes_per_token(Format::kBf16));
}

TEST(Models, NativeFormatsAreThoseOfTheCheckpoints) {
  const Catalog all = catalog();
  EXPECT_EQ(all.model("deepseek-r1")->native_weights, Format::kFp8);
  EXPECT_EQ(all.model("deepseek-v4-pro")->native_experts, Format::kFp4);
  EXPECT_EQ(all.model("deepseek-v4-pro")->native_weights, Format::kFp8);
  EXPECT_EQ(all.model("gpt-oss-120b")->native_experts, Format::kFp4);
  EXPECT_EQ(all.model("gpt-oss-120b")->native_weights, Format::kBf16);
  EXPECT_EQ(all.model("kimi-k2.5")->native_experts, Format::kInt4);
  EXPECT_EQ(all.model("qwen3-8b")->native_weights, Format::kBf16);
}

// One FP4 expert of V4-Pro is 35.1 MB, of V4-Flash 13.4 MB; all of them 822 and 147 GB.
TEST(Models, Fp4ExpertsWeighWhatWasPublished) {
  const Catalog all = catalog();
  const struct {
    const char* name;
    double expert_mb;
    double all_gb;
  } kCases[] = {{"deepseek-v4-pro", 35.1, 822}, {"deepseek-v4-flash", 13.4, 147}};
  for (const auto& expected : kCases) {
    const auto m = all.model(expected.name);
    const double expert = m->expert_parameters() * bytes_per_value(Format::kFp4);
    EXPECT_NEAR(expert / 1e6 / expected.expert_mb, 1, 0.01);
    EXPECT_NEAR(expert * m->experts * m->moe_layers() / 1e9 / expected.all_gb, 1, 0.01);
  }
}

TEST(Models, PublishedTotalsAreMetWithinTheirRounding) {
  const Catalog all = catalog();
  for (const std::string& name : CatalogFiles("catalog").names("model")) {
    const auto entry = all.entry(name);
    const auto model = all.model(name);
    ASSERT_TRUE(entry.ok() && model.ok()) << name;
    const auto published = [&](const std::string& key) {
      for (const Figure& figure : entry->figures) {
        if (figure.key == "published." + key) return std::strtod(figure.value.c_str(), nullptr);
      }
      return 0.0;
    };
    const double total = published("total_parameters_b");
    ASSERT_GT(total, 0) << name;
    EXPECT_NEAR(model->total_parameters() / 1e9 / total, 1, 0.02) << name;
    // Cards leave the embedding table, or more, out of what is active.
    if (const double active = published("active_parameters_b"); active > 0) {
      EXPECT_GT(model->active_parameters() / 1e9, active * 0.99) << name;
      EXPECT_LT(model->active_parameters() / 1e9, active * 1.2) << name;
    }
    if (const double kv = published("kv_bf16_bytes_per_token"); kv > 0) {
      EXPECT_EQ(model->kv_bytes_per_token(Format::kBf16), kv) << name;
    }
  }
}

TEST(Models, EveryGroupOfLayersIsSound) {
  const Catalog all = catalog();
  for (const std::string& name : CatalogFiles("catalog").names("model")) {
    const auto model = all.model(name);
    ASSERT_TRUE(model.ok()) << model.error().message;
    EXPECT_EQ(model->name, name);
    int layers = 0;
    for (const AttentionGroup& group : model->attention_groups) {
      EXPECT_GT(group.layers, 0) << name;
      layers += group.layers;
    }
    EXPECT_EQ(layers, model->layers) << name;
    EXPECT_GT(model->context, 0) << name;
  }
}

}  // namespace
}  // namespace weft
