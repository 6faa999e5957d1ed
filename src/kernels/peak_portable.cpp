// Peak loops in plain C++, and the choice of the table.
#include "kernels/block_template.h"
#include "kernels/peak_loops.h"

namespace weft {
namespace {

// Vectors of four lanes, which every compiler keeps in registers.
template <class Value>
double four_lanes(int64_t rounds) {
  using Vector [[gnu::vector_size(16)]] = Value;
  constexpr int kSums = 8;
  Vector sums[kSums] = {}, a = Vector{} + Value{3}, b = Vector{} + Value{5};
  for (int64_t i = 0; i < rounds; ++i) {
    asm volatile("" : "+m"(a), "+m"(b));  // what the loop multiplies may have changed
    unrolled<kSums>([&](auto s) __attribute__((always_inline)) { sums[s] = sums[s] + a * b; });
  }
  for (Vector& sum : sums) asm volatile("" : "+m"(sum));
  return static_cast<double>(rounds) * kSums * 2 * static_cast<double>(sizeof(Vector)) /
         sizeof(Value);
}

void read(const std::byte* from, int64_t bytes) {
  using Vector [[gnu::vector_size(16)]] = int64_t;
  Vector sums[4] = {};
  for (int64_t at = 0; at < bytes; at += 64) {
    for (int i = 0; i < 4; ++i) {
      Vector v;
      __builtin_memcpy(&v, from + at + i * 16, sizeof(v));
      sums[i] = sums[i] ^ v;
    }
  }
  for (Vector& sum : sums) asm volatile("" : "+m"(sum));
}

constexpr PeakLoops kPortable = {four_lanes<uint16_t>, four_lanes<float>, read};

}  // namespace

const PeakLoops& peak_loops(Isa isa) {
  const PeakLoops* loops = nullptr;
  if (isa >= Isa::kAmx) loops = detail::amx_peaks();
  if (loops == nullptr && isa >= Isa::kAvx512) loops = detail::avx512_peaks();
  if (loops == nullptr && isa >= Isa::kAvx2) loops = detail::avx2_peaks();
  return loops != nullptr ? *loops : kPortable;
}

}  // namespace weft
