// Peak loops for AVX2: bytes in pairs as the INT8 kernel multiplies them, and fused F32 for BF16.
#include "kernels/peak_loops.h"

#if defined(__AVX2__) && defined(__FMA__)

#include <immintrin.h>

#include "kernels/block_template.h"

namespace weft {
namespace {

// The compiler must have the value here, and knows nothing of it afterwards.
template <class Vector>
WEFT_INLINE void keep(Vector& value) {
  asm volatile("" : "+x"(value));
}

constexpr int kSums = 12;

double int8(int64_t rounds) {
  __m256i sums[kSums], a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(5);
  const __m256i one = _mm256_set1_epi16(1);
  unrolled<kSums>([&](auto s) __attribute__((always_inline)) { sums[s] = one; });
  for (int64_t i = 0; i < rounds; ++i) {
    unrolled<kSums>([&](auto s) __attribute__((always_inline)) {
      keep(a);  // each product is computed anew
      sums[s] = _mm256_add_epi32(sums[s], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), one));
    });
  }
  unrolled<kSums>([&](auto s) __attribute__((always_inline)) { keep(sums[s]); });
  return static_cast<double>(rounds) * kSums * 64;
}

double f32(int64_t rounds) {
  __m256 sums[kSums], a = _mm256_set1_ps(0.5F), b = _mm256_set1_ps(0.25F);
  unrolled<kSums>([&](auto s) __attribute__((always_inline)) { sums[s] = a; });
  for (int64_t i = 0; i < rounds; ++i) {
    unrolled<kSums>([&](auto s) __attribute__((always_inline)) {
      keep(a);
      sums[s] = _mm256_fmadd_ps(a, b, sums[s]);
    });
  }
  unrolled<kSums>([&](auto s) __attribute__((always_inline)) { keep(sums[s]); });
  return static_cast<double>(rounds) * kSums * 16;
}

void read(const std::byte* from, int64_t bytes) {
  __m256i sums[4] = {};
  for (int64_t at = 0; at < bytes; at += 128) {
    unrolled<4>([&](auto s) __attribute__((always_inline)) {
      const auto* line = reinterpret_cast<const __m256i*>(from + at) + s;
      sums[s] = _mm256_xor_si256(sums[s], _mm256_load_si256(line));
    });
  }
  unrolled<4>([&](auto s) __attribute__((always_inline)) { keep(sums[s]); });
}

constexpr PeakLoops kLoops = {int8, f32, read};

}  // namespace

const PeakLoops* detail::avx2_peaks() { return &kLoops; }

}  // namespace weft

#else

const weft::PeakLoops* weft::detail::avx2_peaks() { return nullptr; }

#endif
