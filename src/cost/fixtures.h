// Systems and layouts for the tests of this folder, written out by hand so that the tests speak of
// the formulas and not of the catalog. Figures as in the catalog; efficiencies: CM Tables 8 and 10.
#pragma once

#include "cost/chip_fixtures.h"
#include "cost/deployment.h"
#include "cost/model_fixtures.h"

namespace weft::fixtures {

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
