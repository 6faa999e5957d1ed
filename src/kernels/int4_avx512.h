// INT4 to INT8 in AVX-512 registers, for the files that are compiled for it.
#pragma once

#include <immintrin.h>

#include "kernels/block_template.h"

namespace weft {

// Scales of one group of 16 columns, in every word, and eight times them in every byte.
template <class Tag>
struct Int4Scales {
  __m512i words, eights;

  WEFT_INLINE void load(const std::byte* scales) {
    const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(scales));
    const __m512i of_column = _mm512_cvtepu8_epi32(bytes);
    words = _mm512_or_si512(of_column, _mm512_slli_epi32(of_column, 16));
    eights = _mm512_slli_epi32(_mm512_or_si512(words, _mm512_slli_epi32(words, 8)), 3);
  }

  // A line of pairs of codes as two lines of INT8: codes times scale, two bytes at a time. Neither
  // product exceeds 15 * 15, so nothing is carried from the lower byte to the upper one; then 8
  // times the scale comes off.
  WEFT_INLINE void expand(const std::byte* nibbles, __m512i& first, __m512i& second) const {
    const __m512i low = _mm512_set1_epi8(15);
    const __m512i both = _mm512_load_si512(nibbles);
    const __m512i lower = _mm512_and_si512(both, low);
    const __m512i upper = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
    first = _mm512_sub_epi8(_mm512_mullo_epi16(lower, words), eights);
    second = _mm512_sub_epi8(_mm512_mullo_epi16(upper, words), eights);
  }
};

// Tile `tile` (step, then half of the columns) of a chunk, 1,024 bytes.
template <class Tag>
WEFT_INLINE void expand_int4_tile(const std::byte* chunk, int tile, std::byte* out) {
  const std::byte* nibbles = chunk + 128 + tile * 512;
  for (int group = 0; group < 2; ++group) {
    Int4Scales<Tag> scales;
    scales.load(chunk + tile / 2 * 64 + group * 32 + tile % 2 * 16);
    for (int pair = 0; pair < 4; ++pair, nibbles += 64, out += 128) {
      __m512i first, second;
      scales.expand(nibbles, first, second);
      _mm512_store_si512(out, first);
      _mm512_store_si512(out + 64, second);
    }
  }
}

}  // namespace weft
