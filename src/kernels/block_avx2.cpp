// Block kernels for AVX2 with FMA: rows two at a time, a line in two vectors.
#include "kernels/block_kernels.h"

#if defined(__AVX2__) && defined(__FMA__)

#include <immintrin.h>

#include "kernels/block_template.h"
#include "kernels/row_template.h"

namespace weft {
namespace {

WEFT_INLINE __m256i load(const std::byte* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

WEFT_INLINE void store(__m256i v, std::byte* to) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v);
}

WEFT_INLINE __m256i broadcast(const std::byte* from) {
  int32_t four = 0;
  std::memcpy(&four, from, sizeof(four));
  return _mm256_set1_epi32(four);
}

struct FloatSums {
  static constexpr int kParts = 2;
  static constexpr bool kMovedX = false;
  using Sum = __m256;
  static WEFT_INLINE void zero(Sum& s) { s = _mm256_setzero_ps(); }
  static WEFT_INLINE void load_sum(Sum& s, const std::byte* from) {
    s = _mm256_castsi256_ps(load(from));
  }
  static WEFT_INLINE void store_sum(const Sum& s, std::byte* to) {
    store(_mm256_castps_si256(s), to);
  }
};

struct F32Op : FloatSums {
  using Line = __m256;
  using X = __m256;
  static WEFT_INLINE void load_line(Line& w, const std::byte* from) { load_sum(w, from); }
  static WEFT_INLINE void load_x(X& x, const std::byte* from) {
    x = _mm256_castsi256_ps(broadcast(from));
  }
  static WEFT_INLINE void add(Sum& s, const Line& w, const X& x) { s = _mm256_fmadd_ps(w, x, s); }
};

// The even k of a pair lies in the lower half.
struct Bf16Op : FloatSums {
  struct Pair {
    __m256 even, odd;
  };
  using Line = Pair;
  using X = Pair;
  static WEFT_INLINE void part(Pair& pair, __m256i both) {
    pair.even = _mm256_castsi256_ps(_mm256_slli_epi32(both, 16));
    pair.odd = _mm256_castsi256_ps(_mm256_and_si256(both, _mm256_set1_epi32(-65536)));
  }
  static WEFT_INLINE void load_line(Line& w, const std::byte* from) { part(w, load(from)); }
  static WEFT_INLINE void load_x(X& x, const std::byte* from) { part(x, broadcast(from)); }
  static WEFT_INLINE void add(Sum& s, const Line& w, const X& x) {
    s = _mm256_fmadd_ps(w.even, x.even, s);
    s = _mm256_fmadd_ps(w.odd, x.odd, s);
  }
};

// Magnitudes of x times w with x's sign: no pair of products exceeds 2 * 127 * 127 < 2^15.
struct Int8Op {
  static constexpr int kParts = 2;
  static constexpr bool kMovedX = false;
  using Sum = __m256i;
  using Line = __m256i;
  struct X {
    __m256i value, magnitude;
  };
  static WEFT_INLINE void zero(Sum& s) { s = _mm256_setzero_si256(); }
  static WEFT_INLINE void load_sum(Sum& s, const std::byte* from) { s = load(from); }
  static WEFT_INLINE void store_sum(const Sum& s, std::byte* to) { store(s, to); }
  static WEFT_INLINE void load_line(Line& w, const std::byte* from) { w = load(from); }
  static WEFT_INLINE void load_x(X& x, const std::byte* from) {
    x.value = broadcast(from);
    x.magnitude = _mm256_abs_epi8(x.value);
  }
  static WEFT_INLINE void add(Sum& s, const Line& w, const X& x) {
    const __m256i pairs = _mm256_maddubs_epi16(x.magnitude, _mm256_sign_epi8(w, x.value));
    s = _mm256_add_epi32(s, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
};

// Codes times scale, two bytes at a time: neither product exceeds 15 * 15, so nothing is carried
// from the lower byte to the upper one. Then 8 times the scale comes off.
WEFT_INLINE __m256i scaled(__m256i codes, __m256i scales, __m256i eights) {
  return _mm256_sub_epi8(_mm256_mullo_epi16(codes, scales), eights);
}

void expand_tile(const std::byte* nibbles, const std::byte* scales, std::byte* out) {
  const __m256i low = _mm256_set1_epi8(15);
  for (int part = 0; part < 4; ++part) {  // group, then half of the line
    int64_t eight = 0;
    std::memcpy(&eight, scales + part / 2 * 32 + part % 2 * 8, sizeof(eight));
    const __m256i of_column = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(eight));
    const __m256i words = _mm256_or_si256(of_column, _mm256_slli_epi32(of_column, 16));
    const __m256i bytes = _mm256_or_si256(words, _mm256_slli_epi32(words, 8));
    const __m256i eights = _mm256_slli_epi32(bytes, 3);
    for (int pair = 0; pair < 4; ++pair) {
      const int line = part / 2 * 4 + pair;
      const __m256i both = load(nibbles + line * 64 + part % 2 * 32);
      std::byte* to = out + line * 128 + part % 2 * 32;
      store(scaled(_mm256_and_si256(both, low), words, eights), to);
      store(scaled(_mm256_and_si256(_mm256_srli_epi16(both, 4), low), words, eights), to + 64);
    }
  }
}

void expand_int4(const std::byte* packed, int64_t chunks, std::byte* out) {
  for (; chunks > 0; --chunks, packed += kInt4ChunkBytes) {
    for (int tile = 0; tile < 4; ++tile, out += 1024) {
      expand_tile(packed + 128 + tile * 512, packed + tile / 2 * 64 + tile % 2 * 16, out);
    }
  }
}

struct Avx2;

void int4(const BlockJob& job) { multiply_int4_by_chunks<Avx2>(job, *detail::avx2_blocks()); }

}  // namespace

const BlockKernels* detail::avx2_blocks() {
  static constexpr BlockKernels kTable = {[] {},
                                          [] {},
                                          multiply_block<F32Op, 2>,
                                          multiply_block<Bf16Op, 2>,
                                          multiply_block<Int8Op, 2>,
                                          int4,
                                          expand_int4,
                                          false};
  return &kTable;
}

const RowKernels* detail::avx2_rows() { return &RowOps<Avx2>::kTable; }

}  // namespace weft

#else

namespace weft {
const BlockKernels* detail::avx2_blocks() { return nullptr; }
const RowKernels* detail::avx2_rows() { return nullptr; }
}  // namespace weft

#endif
