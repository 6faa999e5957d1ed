// Which instructions the CPU kernels may use on this machine. A kernel takes the set as a
// parameter, so that a test runs each of them; there is no global to change.
#pragma once

#include <string_view>
#include <vector>

namespace weft {

// In rising order: a machine that has one of them has those before it.
enum class Isa {
  kPortable,  // plain C++
  kAvx2,      // AVX2, FMA
  kAvx512,    // AVX-512 F, BW, DQ, VL, VNNI and BF16
  kAmx,       // AVX-512 as above, and AMX tiles of INT8 and BF16
};

// Told by the CPU and granted by the operating system. The first call asks Linux to let this
// process use AMX's tiles. Any thread.
[[nodiscard]] Isa best_isa();

// best_isa() and all before it.
[[nodiscard]] std::vector<Isa> available_isas();

[[nodiscard]] std::string_view isa_name(Isa isa);  // "portable", "avx2", "avx512", "amx"

}  // namespace weft
