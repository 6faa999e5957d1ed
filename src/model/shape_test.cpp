// Parameters and KV bytes counted from shapes that are written out here; the catalog's models are
// held against their published totals in hardware/models_test.cpp.
#include "model/shape.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

ModelShape deepseek_v3() {
  ModelShape m;
  m.attention = AttentionKind::kMla;
  m.hidden = 7168;
  m.layers = 61;
  m.vocab = 129280;
  m.heads = 128;
  m.q_lora = 1536;
  m.kv_lora = 512;
  m.nope_dim = 128;
  m.rope_dim = 64;
  m.v_dim = 128;
  m.dense_layers = 3;
  m.dense_ffn = 18432;
  m.experts = 256;
  m.experts_per_token = 8;
  m.expert_ffn = 2048;
  m.shared_experts = 1;
  m.mtp_layers = 1;
  m.attention_groups = {{.layers = 61}};
  return m;
}

ModelShape llama_8b() {
  ModelShape m;
  m.hidden = 4096;
  m.layers = 32;
  m.vocab = 128256;
  m.heads = 32;
  m.kv_heads = 8;
  m.head_dim = 128;
  m.dense_layers = 32;
  m.dense_ffn = 14336;
  m.attention_groups = {{.layers = 32}};
  return m;
}

ModelShape deepseek_v4_pro() {
  ModelShape m;
  m.attention = AttentionKind::kCompressed;
  m.hidden = 7168;
  m.layers = 61;
  m.heads = 128;
  m.kv_heads = 1;
  m.head_dim = 512;
  m.q_lora = 1536;
  m.rope_dim = 64;
  m.o_lora = 1024;
  m.o_groups = 16;
  m.index_heads = 64;
  m.index_dim = 128;
  m.attention_groups = {
      {.layers = 31, .window = 128, .compression = 128},
      {.layers = 30, .window = 128, .compression = 4, .top_k = 1024, .runs_indexer = true}};
  return m;
}

TEST(Shape, CountsLatentAttentionAndExperts) {
  const ModelShape m = deepseek_v3();
  EXPECT_EQ(m.expert_parameters(), 3.0 * 7168 * 2048);
  EXPECT_EQ(m.attention_parameters_per_layer(), 187'105'280);
  EXPECT_NEAR(m.total_parameters(), 671.025e9, 1e6);
  EXPECT_NEAR(m.active_parameters(), 37.551e9, 1e6);
  EXPECT_NEAR(m.mtp_parameters(), 11.6e9, 0.05e9);
}

TEST(Shape, TiedEmbeddingsCountOnce) {
  ModelShape m = llama_8b();
  const double apart = m.total_parameters();
  m.tied_embeddings = true;
  EXPECT_EQ(apart - m.total_parameters(), m.embedding_parameters());
  EXPECT_NEAR(apart, 8.03e9, 1e6);
}

TEST(Shape, LatentKvRows) {
  const ModelShape m = deepseek_v3();
  EXPECT_EQ(m.kv_entry_bytes(Format::kBf16), 1152);
  EXPECT_EQ(m.kv_entry_bytes(Format::kFp8), 656);  // FlashMLA's row
  EXPECT_EQ(m.kv_entry_bytes(Format::kInt8), 640);
  EXPECT_EQ(m.kv_bytes_per_token(Format::kBf16), 70272);
  EXPECT_EQ(m.kv_bytes_per_token(Format::kFp8), 40016);
  EXPECT_EQ(m.kv_bytes_per_token(Format::kInt8), 39040);
  EXPECT_EQ(m.kv_bytes_per_sequence(Format::kBf16), 0);
}

TEST(Shape, IndexKeysStandBesideTheKvOfLayersThatIndex) {
  ModelShape m = deepseek_v3();
  m.index_heads = 64;
  m.index_dim = 128;
  m.attention_groups = {{.layers = 61, .top_k = 2048, .runs_indexer = true}};
  EXPECT_EQ(m.kv_bytes_per_token(Format::kBf16), 85888);
  EXPECT_EQ(m.kv_bytes_per_token(Format::kFp8), 48068);
  m.attention_groups = {{.layers = 21, .top_k = 2048, .runs_indexer = true},
                        {.layers = 40, .top_k = 2048}};
  EXPECT_EQ(m.kv_bytes_per_token(Format::kBf16), 70272 + 21 * 256);
}

TEST(Shape, CompressedEntriesAndWindows) {
  const ModelShape m = deepseek_v4_pro();
  EXPECT_EQ(m.kv_bytes_per_token(Format::kBf16), 9848);
  EXPECT_NEAR(m.kv_bytes_per_token(Format::kFp8), 5511, 1);
  EXPECT_EQ(m.kv_entry_bytes(Format::kFp8), 584);
  EXPECT_EQ(m.index_entry_bytes(Format::kFp8), 132);
  EXPECT_NEAR(m.kv_bytes_per_sequence(Format::kBf16), 8.0e6, 0.01e6);
}

TEST(Shape, WindowOnlyLayersAddNothingPerToken) {
  ModelShape m = deepseek_v4_pro();
  m.attention_groups = {{.layers = 61, .window = 128, .compression = 0}};
  EXPECT_EQ(m.kv_bytes_per_token(Format::kBf16), 0);
  EXPECT_GT(m.kv_bytes_per_sequence(Format::kBf16), 0);
}

TEST(Shape, LayersThatReadAnothersKvStoreNone) {
  ModelShape m = llama_8b();
  m.attention_groups = {{.layers = 16}, {.layers = 16, .stores_kv = false}};
  EXPECT_EQ(m.kv_bytes_per_token(Format::kBf16), 131072 / 2);
}

TEST(Shape, WindowsOfGroupedQueryLayersAreHeldPerSequence) {
  ModelShape m = llama_8b();
  m.attention_groups = {{.layers = 16, .window = 128}, {.layers = 16}};
  EXPECT_EQ(m.kv_bytes_per_token(Format::kBf16), 131072 / 2);
  EXPECT_EQ(m.kv_bytes_per_sequence(Format::kBf16), 128 * 131072 / 2);
}

}  // namespace
}  // namespace weft
