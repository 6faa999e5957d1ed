// Peak loops for AVX-512: VNNI and BF16 products over 16 independent sums.
#include "kernels/peak_loops.h"

#if defined(__AVX512BF16__) && defined(__AVX512VNNI__)

#include <immintrin.h>

#include "kernels/block_template.h"

namespace weft {
namespace {

// The compiler must have the value here, and knows nothing of it afterwards.
template <class Vector>
WEFT_INLINE void keep(Vector& value) {
  asm volatile("" : "+v"(value));
}

constexpr int kSums = 16;

double int8(int64_t rounds) {
  __m512i sums[kSums];
  const __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5);
  unrolled<kSums>([&](auto s) __attribute__((always_inline)) {
    sums[s] = a;
    keep(sums[s]);  // or the compiler sees that all sums are the same
  });
  for (int64_t i = 0; i < rounds; ++i) {
    unrolled<kSums>([&](auto s) __attribute__((always_inline)) {
      sums[s] = _mm512_dpbusd_epi32(sums[s], a, b);
    });
  }
  unrolled<kSums>([&](auto s) __attribute__((always_inline)) { keep(sums[s]); });
  return static_cast<double>(rounds) * kSums * 128;
}

double bf16(int64_t rounds) {
  __m512 sums[kSums];
  const auto a = reinterpret_cast<__m512bh>(_mm512_set1_epi16(0x3f00));
  const auto b = reinterpret_cast<__m512bh>(_mm512_set1_epi16(0x3e80));
  unrolled<kSums>([&](auto s) __attribute__((always_inline)) {
    sums[s] = _mm512_set1_ps(1);
    keep(sums[s]);
  });
  for (int64_t i = 0; i < rounds; ++i) {
    unrolled<kSums>([&](auto s) __attribute__((always_inline)) {
      sums[s] = _mm512_dpbf16_ps(sums[s], a, b);
    });
  }
  unrolled<kSums>([&](auto s) __attribute__((always_inline)) { keep(sums[s]); });
  return static_cast<double>(rounds) * kSums * 64;
}

void read(const std::byte* from, int64_t bytes) {
  __m512i sums[4] = {};
  for (int64_t at = 0; at < bytes; at += 256) {
    unrolled<4>([&](auto s) __attribute__((always_inline)) {
      _mm_prefetch(reinterpret_cast<const char*>(from + at + 4096 + s * 64), _MM_HINT_T0);
      sums[s] = _mm512_xor_si512(sums[s], _mm512_load_si512(from + at + s * 64));
    });
  }
  unrolled<4>([&](auto s) __attribute__((always_inline)) { keep(sums[s]); });
}

constexpr PeakLoops kLoops = {int8, bf16, read};

}  // namespace

const PeakLoops* detail::avx512_peaks() { return &kLoops; }

}  // namespace weft

#else

const weft::PeakLoops* weft::detail::avx512_peaks() { return nullptr; }

#endif
