// Models and systems for the tests of this folder, written out by hand so that the tests speak of
// the formulas and not of the catalog. Figures as in the catalog; efficiencies: CM Tables 8 and 10.
#pragma once

#include "cost/chip_fixtures.h"
#include "cost/deployment.h"

namespace weft::fixtures {

inline ModelShape deepseek_r1() {
  ModelShape m;
  m.name = "deepseek-r1";
  m.hidden = 7168;
  m.layers = 61;
  m.vocab = 129280;
  m.context = 163840;
  m.attention = AttentionKind::kMla;
  m.heads = 128;
  m.q_lora = 1536;
  m.kv_lora = 512;
  m.nope_dim = 128;
  m.rope_dim = 64;
  m.v_dim = 128;
  m.attention_groups = {{.layers = 61}};
  m.dense_layers = 3;
  m.dense_ffn = 18432;
  m.experts = 256;
  m.experts_per_token = 8;
  m.expert_ffn = 2048;
  m.shared_experts = 1;
  m.expert_groups = 8;
  m.expert_groups_per_token = 4;
  m.mtp_layers = 1;
  m.native_weights = m.native_experts = Format::kFp8;
  return m;
}

inline ModelShape deepseek_v32() {
  ModelShape m = deepseek_r1();
  m.name = "deepseek-v3.2";
  m.attention_groups = {{.layers = 61, .top_k = 2048, .runs_indexer = true}};
  m.index_heads = 64;
  m.index_dim = 128;
  return m;
}

inline ModelShape deepseek_v4_pro() {
  ModelShape m = deepseek_r1();
  m.name = "deepseek-v4-pro";
  m.attention = AttentionKind::kCompressed;
  m.head_dim = 512;
  m.nope_dim = m.kv_lora = m.v_dim = 0;
  m.o_lora = 1024;
  m.o_groups = 16;
  m.attention_groups = {
      {.layers = 30, .window = 128, .compression = 4, .top_k = 1024, .runs_indexer = true},
      {.layers = 31, .window = 128, .compression = 128}};
  m.index_heads = 64;
  m.index_dim = 128;
  m.dense_layers = m.dense_ffn = 0;
  m.experts = 384;
  m.experts_per_token = 6;
  m.expert_ffn = 3072;
  m.expert_groups = m.expert_groups_per_token = 1;
  m.residual_streams = 4;
  m.native_experts = Format::kFp4;
  return m;
}

inline ModelShape gqa(std::string name, int hidden, int layers, int heads, int kv_heads,
                      int head_dim, int vocab) {
  ModelShape m;
  m.name = std::move(name);
  m.hidden = hidden;
  m.layers = layers;
  m.vocab = vocab;
  m.context = 131072;
  m.heads = heads;
  m.kv_heads = kv_heads;
  m.head_dim = head_dim;
  m.attention_groups = {{.layers = layers}};
  return m;
}

inline ModelShape llama_8b() {
  ModelShape m = gqa("llama-3.1-8b", 4096, 32, 32, 8, 128, 128256);
  m.dense_layers = 32;
  m.dense_ffn = 14336;
  return m;
}

inline ModelShape llama_70b() {
  ModelShape m = gqa("llama-3.1-70b", 8192, 80, 64, 8, 128, 128256);
  m.dense_layers = 80;
  m.dense_ffn = 28672;
  return m;
}

inline ModelShape gpt_oss_120b() {
  ModelShape m = gqa("gpt-oss-120b", 2880, 36, 64, 8, 64, 201088);
  m.attention_groups = {{.layers = 18, .window = 128}, {.layers = 18}};
  m.experts = 128;
  m.experts_per_token = 4;
  m.expert_ffn = 2880;
  m.native_experts = Format::kFp4;
  return m;
}

// 384 packages of two dies on UB.
inline System cloudmatrix384() {
  System s;
  s.name = "cloudmatrix384";
  s.title = "CloudMatrix384";
  s.chip = chip("ascend-910c", "Ascend 910C", 24, 376, 752, 64, 1.6);
  s.chip.dies = 2;
  s.packages = s.scale_up_packages = 384;
  s.scale_up = {"ub", 164e9, microseconds(1), microseconds(2), 135e9};
  s.scale_out = {"rdma", 22e9, microseconds(3), microseconds(5)};
  return s;
}

// Nodes of eight GPUs, joined by one 400 Gbit/s port per GPU.
inline System gpu_nodes(Chip gpu, int packages, double nvlink_gb_s) {
  System s;
  s.name = s.title = gpu.title + "-" + std::to_string(packages);
  s.chip = std::move(gpu);
  s.packages = packages;
  s.scale_up_packages = 8;
  s.scale_up = {"nvlink", nvlink_gb_s * 1e9, microseconds(1), microseconds(1)};
  s.scale_out = {"rdma", 45e9, microseconds(3), microseconds(5)};
  return s;
}

inline System h800(int packages) {
  return gpu_nodes(nvidia("h800", "H800", 132, 989, 1979, 80, 3.35), packages, 160);
}
inline System h100(int packages) {
  return gpu_nodes(nvidia("h100", "H100", 132, 989, 1979, 80, 3.35), packages, 360);
}
inline System h200(int packages) {
  return gpu_nodes(nvidia("h200", "H200", 132, 989, 1979, 141, 4.8), packages, 360);
}
inline System rtx_pro_6000(int packages) {
  return gpu_nodes(nvidia("rtx-pro-6000", "RTX PRO 6000", 188, 504, 1008, 95.6, 1.79), packages,
                   50);
}

inline InstanceLayout layout(Role role, int packages, Parallel parallel, Format format) {
  InstanceLayout l;
  l.role = role;
  l.packages = packages;
  l.parallel = parallel;
  l.precision = {format, format, Format::kBf16};
  return l;
}

// CM section 4.1: decode over 160 NPUs, prefill over 16.
inline InstanceLayout cloudmatrix_decode() {
  InstanceLayout l =
      layout(Role::kDecode, 160, {.dp = 320, .tp = 1, .sp = 1, .ep = 320, .pp = 1}, Format::kInt8);
  l.redundant_experts = 32;
  l.microbatches = 2;
  l.draft_tokens = 1;
  return l;
}

inline InstanceLayout cloudmatrix_prefill() {
  InstanceLayout l =
      layout(Role::kPrefill, 16, {.dp = 1, .tp = 32, .sp = 32, .ep = 32, .pp = 1}, Format::kInt8);
  l.redundant_experts = 32;
  l.microbatches = 2;
  return l;
}

}  // namespace weft::fixtures
