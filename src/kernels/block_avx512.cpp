// Block kernels for AVX-512 with VNNI and BF16: up to 8 rows at a time, a line is a vector.
#include "kernels/block_kernels.h"

#if defined(__AVX512BF16__) && defined(__AVX512VNNI__) && defined(__AVX512BW__)

#include <immintrin.h>

#include "kernels/block_template.h"
#include "kernels/int4_avx512.h"
#include "kernels/row_template.h"

namespace weft {
namespace {

constexpr int kMostRows = 8;              // 16 vectors of sums
constexpr int64_t kPrefetchAhead = 4096;  // bytes of a panel, for a CPU that does not run ahead

WEFT_INLINE int32_t four_bytes(const std::byte* from) {
  int32_t four = 0;
  std::memcpy(&four, from, sizeof(four));
  return four;
}

struct IntegerLines {
  static constexpr int kParts = 1;
  using Line = __m512i;
  using X = __m512i;
  static WEFT_INLINE void load_line(Line& w, const std::byte* from) {
    w = _mm512_load_si512(from);
    _mm_prefetch(reinterpret_cast<const char*>(from + kPrefetchAhead), _MM_HINT_T0);
  }
  static WEFT_INLINE void load_x(X& x, const std::byte* from) {
    x = _mm512_set1_epi32(four_bytes(from));
  }
};

struct FloatSums : IntegerLines {
  static constexpr bool kMovedX = false;
  using Sum = __m512;
  static WEFT_INLINE void zero(Sum& s) { s = _mm512_setzero_ps(); }
  static WEFT_INLINE void load_sum(Sum& s, const std::byte* from) { s = _mm512_loadu_ps(from); }
  static WEFT_INLINE void store_sum(const Sum& s, std::byte* to) { _mm512_storeu_ps(to, s); }
};

struct F32Op : FloatSums {
  static WEFT_INLINE void add(Sum& s, const Line& w, const X& x) {
    s = _mm512_fmadd_ps(_mm512_castsi512_ps(w), _mm512_castsi512_ps(x), s);
  }
};

struct Bf16Op : FloatSums {
  static WEFT_INLINE void add(Sum& s, const Line& w, const X& x) {
    __m512i moved = x;
    asm("" : "+v"(moved));  // Clang 16 crashes over a broadcast that it would fold into this
    s = _mm512_dpbf16_ps(s, reinterpret_cast<__m512bh>(w), reinterpret_cast<__m512bh>(moved));
  }
};

struct Int8Op : IntegerLines {
  static constexpr bool kMovedX = true;
  using Sum = __m512i;
  static WEFT_INLINE void zero(Sum& s) { s = _mm512_setzero_si512(); }
  static WEFT_INLINE void load_sum(Sum& s, const std::byte* from) { s = _mm512_loadu_si512(from); }
  static WEFT_INLINE void store_sum(const Sum& s, std::byte* to) { _mm512_storeu_si512(to, s); }
  static WEFT_INLINE void add(Sum& s, const Line& w, const X& x) {
    s = _mm512_dpbusd_epi32(s, x, w);
  }
};

// x as it is: 128 is added here.
struct SignedInt8Op : Int8Op {
  static WEFT_INLINE void load_x(X& x, const std::byte* from) {
    x = _mm512_xor_si512(_mm512_set1_epi32(four_bytes(from)), _mm512_set1_epi8(-128));
  }
};

struct Avx512;

// INT4 without a detour through memory.
template <class Op, int R>
__attribute__((noinline)) void multiply_int4_rows(const BlockJob& job, const std::byte* rows,
                                                  std::byte* out) {
  BlockSums<Op, R> sums;
  sums.begin(job, out);
  const std::byte* chunk = job.panel;
  for (int64_t step = 0; step < job.steps; ++step) {
    const int64_t half = step % 2;
    const std::byte* nibbles = chunk + 128 + half * 1024;
    for (int64_t group = 0; group < 2; ++group) {
      Int4Scales<Avx512> scales[2];
      scales[0].load(chunk + half * 64 + group * 32);
      scales[1].load(chunk + half * 64 + group * 32 + 16);
      for (int64_t pair = group * 4; pair < group * 4 + 4; ++pair) {
        const std::byte* from = nibbles + pair * 64;
        _mm_prefetch(reinterpret_cast<const char*>(from + kPrefetchAhead), _MM_HINT_T0);
        _mm_prefetch(reinterpret_cast<const char*>(from + 512 + kPrefetchAhead), _MM_HINT_T0);
        __m512i first[2], second[2];
        scales[0].expand(from, first[0], second[0]);
        scales[1].expand(from + 512, first[1], second[1]);
        sums.add(first, rows + pair * 8);
        sums.add(second, rows + pair * 8 + 4);
      }
    }
    chunk += half * kInt4ChunkBytes;
    rows += kBlockStepBytes;
  }
  sums.end(out);
}

void expand_int4(const std::byte* packed, int64_t chunks, std::byte* out) {
  for (; chunks > 0; --chunks, packed += kInt4ChunkBytes) {
    for (int tile = 0; tile < 4; ++tile, out += 1024) expand_int4_tile<Avx512>(packed, tile, out);
  }
}

template <class Op>
void int4_few_rows(const BlockJob& job) {
  unrolled<kMostRows>([&](auto r) __attribute__((always_inline)) {
    if (job.rows == r + 1) multiply_int4_rows<Op, r + 1>(job, job.blocks[0], job.sums);
  });
}

void int4(const BlockJob& job) {
  if (job.rows <= kMostRows) return int4_few_rows<Int8Op>(job);
  multiply_int4_by_chunks<Avx512>(job, *detail::avx512_blocks());
}

}  // namespace

void detail::avx512_int4_few_rows(const BlockJob& job) { int4_few_rows<SignedInt8Op>(job); }

const BlockKernels* detail::avx512_blocks() {
  static constexpr BlockKernels kTable = {[] {},
                                          [] {},
                                          multiply_block<F32Op, kMostRows>,
                                          multiply_block<Bf16Op, kMostRows>,
                                          multiply_block<Int8Op, kMostRows>,
                                          int4,
                                          expand_int4,
                                          true};
  return &kTable;
}

const RowKernels* detail::avx512_rows() { return &RowOps<Avx512>::kTable; }

}  // namespace weft

#else

namespace weft {
const BlockKernels* detail::avx512_blocks() { return nullptr; }
const RowKernels* detail::avx512_rows() { return nullptr; }
}  // namespace weft

#endif
