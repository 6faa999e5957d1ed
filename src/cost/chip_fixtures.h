// Chips for the tests of this folder, with the constants of the catalog's kernels.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "base/check.h"
#include "hardware/hardware.h"

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

}  // namespace weft::fixtures
