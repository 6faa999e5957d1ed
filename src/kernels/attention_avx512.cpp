// The attention kernels for AVX-512; the portable ones where the compiler has no such thing.
#include "kernels/attention_generic.h"
#include "kernels/vec_avx512.h"

namespace weft::kernels {

#ifdef __AVX512BF16__
namespace {

// rows[i][j] becomes rows[j][i], of 32 bits each.
void transpose(__m512i (&rows)[16]) {
  __m512i other[16];
  for (int i = 0; i < 16; i += 2) {
    other[i] = _mm512_maskz_unpacklo_epi32(0xffff, rows[i], rows[i + 1]);
    other[i + 1] = _mm512_maskz_unpackhi_epi32(0xffff, rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    rows[i] = _mm512_maskz_unpacklo_epi64(0xff, other[i], other[i + 2]);
    rows[i + 1] = _mm512_maskz_unpackhi_epi64(0xff, other[i], other[i + 2]);
    rows[i + 2] = _mm512_maskz_unpacklo_epi64(0xff, other[i + 1], other[i + 3]);
    rows[i + 3] = _mm512_maskz_unpackhi_epi64(0xff, other[i + 1], other[i + 3]);
  }
  for (int i = 0; i < 16; i += 8) {
    for (int j = 0; j < 4; ++j) {
      other[i + j] = _mm512_maskz_shuffle_i32x4(0xffff, rows[i + j], rows[i + j + 4], 0x88);
      other[i + j + 4] = _mm512_maskz_shuffle_i32x4(0xffff, rows[i + j], rows[i + j + 4], 0xdd);
    }
  }
  for (int j = 0; j < 8; ++j) {
    rows[j] = _mm512_maskz_shuffle_i32x4(0xffff, other[j], other[j + 8], 0x88);
    rows[j + 8] = _mm512_maskz_shuffle_i32x4(0xffff, other[j], other[j + 8], 0xdd);
  }
}

// 32 dimensions of 16 tokens: transposed to a token in each vector, then two tokens side by side.
void values_of_group(const uint16_t* from, int64_t tokens, uint16_t* to) {
  alignas(64) uint16_t low[32];
  alignas(64) uint16_t high[32];
  for (int i = 0; i < 16; ++i) {
    low[2 * i] = static_cast<uint16_t>(i);
    low[2 * i + 1] = static_cast<uint16_t>(i + 32);
    high[2 * i] = static_cast<uint16_t>(i + 16);
    high[2 * i + 1] = static_cast<uint16_t>(i + 48);
  }
  const __m512i take_low = _mm512_load_si512(low);
  const __m512i take_high = _mm512_load_si512(high);
  __m512i rows[16];
  for (int i = 0; i < 16; ++i) rows[i] = _mm512_loadu_si512(from + 32 * i);
  transpose(rows);
  for (int token = 0; token < 16; token += 2) {
    const __m512i even = token < tokens ? rows[token] : _mm512_setzero_si512();
    const __m512i odd = token + 1 < tokens ? rows[token + 1] : _mm512_setzero_si512();
    _mm512_storeu_si512(to + token / 2 * 32, _mm512_permutex2var_epi16(even, take_low, odd));
    _mm512_storeu_si512(to + 512 + token / 2 * 32, _mm512_permutex2var_epi16(even, take_high, odd));
  }
}

void values_of_keys(const uint16_t* first, const uint16_t* second, int64_t tokens, int64_t dims,
                    uint16_t* to) {
  for (int64_t dim = 0; dim < dims; dim += 32) {
    values_of_group(first + dim * 16, tokens, to + dim * 32);
    values_of_group(second + dim * 16, tokens - 16, to + dim * 32 + 256);
  }
}

// Sixteen at a time, the low halves of floats being zero for whole numbers this small.
void unpack(const int8_t* from, int64_t n, uint16_t* to) {
  for (int64_t i = 0; i < n; i += 32) {
    const __m512 low = VecAvx512::load_int8(from + i);
    const __m512 high = VecAvx512::load_int8(from + i + 16);
    const __m512bh both = _mm512_cvtne2ps_pbh(high, low);
    _mm512_storeu_si512(to + i, reinterpret_cast<__m512i>(both));
  }
}

}  // namespace

AttentionKernels attention_avx512() {
  AttentionKernels kernels = AttentionEdges<VecAvx512, struct Avx512>::table();
  kernels.values_of_keys = values_of_keys;
  kernels.unpack = unpack;
  return kernels;
}
#else
AttentionKernels attention_avx512() { return attention_portable(); }
#endif

}  // namespace weft::kernels
