// Loops that do nothing but multiply and add in registers, or read memory: one table per
// instruction set, for machine_peak.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/isa.h"

namespace weft {

struct PeakLoops {
  // `rounds` times round; the operations that were done.
  double (*int8)(int64_t rounds);
  double (*bf16)(int64_t rounds);
  // Reads every cache line; `bytes` a multiple of 4,096.
  void (*read)(const std::byte* from, int64_t bytes);
};

// Requires isa <= best_isa().
[[nodiscard]] const PeakLoops& peak_loops(Isa isa);

namespace detail {
// By file. Null where the compiler had no such instructions.
[[nodiscard]] const PeakLoops* avx2_peaks();
[[nodiscard]] const PeakLoops* avx512_peaks();
[[nodiscard]] const PeakLoops* amx_peaks();
}  // namespace detail

}  // namespace weft
