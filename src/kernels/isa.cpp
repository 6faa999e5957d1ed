// cpuid for the instructions, xgetbv and arch_prctl for what the operating system saves of them.
#include "kernels/isa.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <cstdint>

namespace weft {
namespace {

#if defined(__x86_64__)

struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(uint32_t leaf, uint32_t subleaf) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

constexpr bool has(uint32_t flags, uint32_t mask) { return (flags & mask) == mask; }
constexpr uint32_t bit(int n) { return uint32_t{1} << n; }

// XCR0: which register files Linux saves.
uint64_t saved_state() {
  if (!has(cpuid(1, 0).ecx, bit(27))) return 0;  // OSXSAVE
  uint32_t low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

// Tiles are large, so Linux gives them to a process only when asked (arch_prctl(2)).
bool tiles_are_granted() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

Isa detect() {
  const uint64_t saved = saved_state();
  const Registers one = cpuid(1, 0), seven = cpuid(7, 0), seven_one = cpuid(7, 1);
  const bool avx2 = (saved & 0x6) == 0x6 && has(one.ecx, bit(12)) && has(seven.ebx, bit(5));
  if (!avx2) return Isa::kPortable;
  // F, DQ, BW, VL; VNNI; BF16.
  const bool avx512 = (saved & 0xe6) == 0xe6 &&
                      has(seven.ebx, bit(16) | bit(17) | bit(30) | bit(31)) &&
                      has(seven.ecx, bit(11)) && has(seven_one.eax, bit(5));
  if (!avx512) return Isa::kAvx2;
  // AMX-BF16, AMX-TILE, AMX-INT8.
  const bool amx = (saved & 0x60000) == 0x60000 && has(seven.edx, bit(22) | bit(24) | bit(25));
  return amx && tiles_are_granted() ? Isa::kAmx : Isa::kAvx512;
}

#else

Isa detect() { return Isa::kPortable; }

#endif

}  // namespace

Isa best_isa() {
  static const Isa kBest = detect();
  return kBest;
}

std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  for (Isa isa : {Isa::kPortable, Isa::kAvx2, Isa::kAvx512, Isa::kAmx}) {
    if (isa <= best_isa()) isas.push_back(isa);
  }
  return isas;
}

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kPortable:
      return "portable";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAmx:
      return "amx";
  }
  return "unknown";
}

}  // namespace weft
