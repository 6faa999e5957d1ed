// Sixteen floats at a time with AVX-512 and its BF16 products; the siblings' contract stands in
// vec_portable.h. Empty in files that are compiled without these instructions.
#pragma once

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512BF16__)
#include <immintrin.h>

#include <cstdint>

namespace weft::kernels {

struct VecAvx512 {
  static constexpr int kLanes = 16;
  using F = __m512;

  static __mmask16 mask(int64_t n) {
    return n >= kLanes ? __mmask16{0xffff} : n <= 0 ? __mmask16{0} : __mmask16((1U << n) - 1U);
  }
  static F set(float value) { return _mm512_set1_ps(value); }
  static F load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, F value) { _mm512_storeu_ps(to, value); }
  static F load_first(const float* from, int64_t n) { return _mm512_maskz_loadu_ps(mask(n), from); }
  static void store_first(float* to, F value, int64_t n) {
    _mm512_mask_storeu_ps(to, mask(n), value);
  }

  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F swap_pairs(F a) { return _mm512_permute_ps(a, 0xb1); }
  static float sum(F a) {
    const __m256 low = _mm512_maskz_extractf32x8_ps(0xff, a, 0);
    const __m256 high = _mm512_maskz_extractf32x8_ps(0xff, a, 1);
    const __m256 eight = _mm256_add_ps(low, high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
  }
  static float largest(F a) {
    const __m256 low = _mm512_maskz_extractf32x8_ps(0xff, a, 0);
    const __m256 high = _mm512_maskz_extractf32x8_ps(0xff, a, 1);
    const __m256 eight = _mm256_max_ps(low, high);
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
  }
  static F first(F a, int64_t n, F b) { return _mm512_mask_blend_ps(mask(n), b, a); }
  static F zero_below(F a, F bound, F value) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, bound, _CMP_NLT_UQ), value);
  }
  static F times_power_of_two(F value, F n) { return _mm512_scalef_ps(value, n); }

  // In whole numbers rather than by VCVTNEPS2BF16, which takes denormals for 0.
  static void store_bf16(uint16_t* to, F value) {
    const __m512i bits = _mm512_castps_si512(value);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded =
        _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
    const __mmask16 is_nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
    const __m512i chosen = _mm512_mask_blend_epi32(is_nan, rounded, quiet);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                        _mm512_cvtepi32_epi16(_mm512_srli_epi32(chosen, 16)));
  }
  static void store_bf16_weights(uint16_t* to, F value) {
    const __m256bh rounded = _mm512_cvtneps_pbh(value);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), reinterpret_cast<__m256i>(rounded));
  }
  static F load_int8(const int8_t* from) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
  }
  static F add_products(F sum, const uint16_t* pairs, uint32_t q) {
    const __m512i bits = _mm512_loadu_si512(pairs);
    __m512i both = _mm512_set1_epi32(static_cast<int>(q));
#ifdef __clang__
    asm("" : "+v"(both));  // Clang 16 recurses without end when it folds this into the product
#endif
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(bits),
                            reinterpret_cast<__m512bh>(both));
  }
};

}  // namespace weft::kernels
#endif
