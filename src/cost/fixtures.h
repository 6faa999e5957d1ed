// Systems and layouts for the tests of this folder, written out by hand so that the tests speak of
// the formulas and not of the catalog. Figures as in the catalog; efficiencies: CM Tables 8 and 10.
#pragma once

#include "base/check.h"
#include "cost/deployment.h"
#include "cost/model_fixtures.h"

namespace weft::fixtures {

// The constants of the catalog's kernels. Tests run in the root of the source tree.
inline const std::map<std::string, ChipKernels>& catalog_kernels() {
  static const std::map<std::string, ChipKernels> kKernels = [] {
    auto kernels = read_chip_kernels("catalog/kernels");
    CHECK(kernels.ok(), "the catalog's kernels can be read");
    return std::move(kernels).value();
  }();
  return kKernels;
}

inline Chip chip(const std::string& name, const std::string& title, double cores, double bf16,
                 double eight_bit, double gibibytes, double terabytes_per_s) {
  Chip c;
  c.name = name;
  c.title = title;
  c.cores = cores;
  c.matrix_ops[static_cast<size_t>(Format::kBf16)] = bf16 * 1e12;
  c.matrix_ops[static_cast<size_t>(Format::kInt8)] = eight_bit * 1e12;
  c.memory_bytes = gibibytes * 1024 * 1024 * 1024;
  c.memory_bandwidth = terabytes_per_s * 1e12;
  c.kernels = catalog_kernels().at(name);
  return c;
}

inline Chip nvidia(const std::string& name, const std::string& title, double cores, double bf16,
                   double eight_bit, double gibibytes, double terabytes_per_s) {
  Chip c = chip(name, title, cores, bf16, eight_bit, gibibytes, terabytes_per_s);
  c.matrix_ops[static_cast<size_t>(Format::kFp8)] = eight_bit * 1e12;
  return c;
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
