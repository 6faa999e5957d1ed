// Block kernels for AMX: 16 or 32 rows by 32 columns in tile registers. F32 is AVX-512's.
// Few rows take the same instructions in the same order as many, for BF16's tiles round in their
// own way; what that costs is hidden behind reading the weights.
#include "kernels/block_kernels.h"

#if defined(__AMX_INT8__) && defined(__AMX_BF16__) && defined(__AVX512BW__)

#include <immintrin.h>

#include "kernels/block_template.h"
#include "kernels/int4_avx512.h"

namespace weft {
namespace {

constexpr int kFewRows = 8;           // of INT4, that AVX-512 computes
constexpr int64_t kSumsStride = 128;  // bytes of a row of sums

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

void prepare() {
  static constexpr TileConfig kConfig;  // in memory: the compiler sees but the first word read
  _tile_loadconfig(&kConfig);
}

void finish() { _tile_release(); }

// Tiles 0 to 3: sums of rows 0 to 15 by columns 0 to 15 and 16 to 31, then of rows 16 to 31.
// 4, 5: weights of both halves of the columns. 6, 7: rows 0 to 15, and 16 to 31.
WEFT_INLINE void begin(const BlockJob& job, bool two) {
  if (!job.resume) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    return;
  }
  _tile_loadd(0, job.sums, kSumsStride);
  _tile_loadd(1, job.sums + 64, kSumsStride);
  if (!two) return;
  _tile_loadd(2, job.sums + 16 * kSumsStride, kSumsStride);
  _tile_loadd(3, job.sums + 16 * kSumsStride + 64, kSumsStride);
}

WEFT_INLINE void end(const BlockJob& job, bool two) {
  _tile_stored(0, job.sums, kSumsStride);
  _tile_stored(1, job.sums + 64, kSumsStride);
  if (!two) return;
  _tile_stored(2, job.sums + 16 * kSumsStride, kSumsStride);
  _tile_stored(3, job.sums + 16 * kSumsStride + 64, kSumsStride);
}

template <bool kTwo>
WEFT_INLINE void int8_step(const std::byte* weights, const std::byte* first,
                           const std::byte* second) {
  _tile_loadd(4, weights, 64);
  _tile_loadd(6, first, 64);
  _tile_dpbssd(0, 6, 4);
  _tile_loadd(5, weights + 1024, 64);
  _tile_dpbssd(1, 6, 5);
  if constexpr (kTwo) {
    _tile_loadd(7, second, 64);
    _tile_dpbssd(2, 7, 4);
    _tile_dpbssd(3, 7, 5);
  }
}

template <bool kTwo>
WEFT_INLINE void bf16_step(const std::byte* weights, const std::byte* first,
                           const std::byte* second) {
  _tile_loadd(4, weights, 64);
  _tile_loadd(6, first, 64);
  _tile_dpbf16ps(0, 6, 4);
  _tile_loadd(5, weights + 1024, 64);
  _tile_dpbf16ps(1, 6, 5);
  if constexpr (kTwo) {
    _tile_loadd(7, second, 64);
    _tile_dpbf16ps(2, 7, 4);
    _tile_dpbf16ps(3, 7, 5);
  }
}

WEFT_INLINE void prefetch(const BlockJob& job, int64_t step) {
  const std::byte* from = job.ahead + step * job.ahead_lines * kLineBytes;
  for (int64_t line = 0; line < job.ahead_lines; ++line) {
    _mm_prefetch(reinterpret_cast<const char*>(from + line * kLineBytes), _MM_HINT_T0);
  }
}

template <bool kTwo, void (*kStep)(const std::byte*, const std::byte*, const std::byte*)>
WEFT_INLINE void run(const BlockJob& job) {
  begin(job, kTwo);
  for (int64_t step = 0; step < job.steps; ++step) {
    const std::byte* weights = job.panel + step * kPanelStepBytes;
    prefetch(job, step);
    kStep(weights, job.blocks[0] + step * kBlockStepBytes,
          kTwo ? job.blocks[1] + step * kBlockStepBytes : nullptr);
  }
  end(job, kTwo);
}

void int8(const BlockJob& job) {
  job.rows > 16 ? run<true, int8_step<true>>(job) : run<false, int8_step<false>>(job);
}

void bf16(const BlockJob& job) {
  job.rows > 16 ? run<true, bf16_step<true>>(job) : run<false, bf16_step<false>>(job);
}

struct Amx;

WEFT_INLINE void expand_chunk(const std::byte* chunk, std::byte* out) {
  for (int tile = 0; tile < 4; ++tile) expand_int4_tile<Amx>(chunk, tile, out + tile * 1024);
  asm volatile("" : : "r"(out) : "memory");  // GCC's tile loads do not say that they read memory
}

// The next chunk becomes INT8 in the first cache while the tiles are busy with this one.
template <bool kTwo>
void run_int4(const BlockJob& job) {
  alignas(64) std::byte expanded[2][2 * kPanelStepBytes];
  begin(job, kTwo);
  expand_chunk(job.panel, expanded[0]);
  for (int64_t step = 0; step < job.steps; step += 2) {
    prefetch(job, step);
    prefetch(job, step + 1);
    const int64_t next = step / 2 + 1;
    if (step + 2 < job.steps) expand_chunk(job.panel + next * kInt4ChunkBytes, expanded[next % 2]);
    const std::byte* weights = expanded[step / 2 % 2];
    for (int64_t half = 0; half < 2; ++half) {
      const int64_t at = (step + half) * kBlockStepBytes;
      int8_step<kTwo>(weights + half * kPanelStepBytes, job.blocks[0] + at,
                      kTwo ? job.blocks[1] + at : nullptr);
    }
  }
  end(job, kTwo);
}

// Integers are exact, so the quicker way may be taken.
void int4(const BlockJob& job) {
  if (job.rows <= kFewRows) return detail::avx512_int4_few_rows(job);
  job.rows > 16 ? run_int4<true>(job) : run_int4<false>(job);
}

}  // namespace

const BlockKernels* detail::amx_blocks() {
  const BlockKernels* avx512 = avx512_blocks();
  if (avx512 == nullptr) return nullptr;
  static const BlockKernels kTable = {prepare, finish, avx512->f32,         bf16,
                                      int8,    int4,   avx512->expand_int4, false};
  return &kTable;
}

}  // namespace weft

#else

namespace weft {
const BlockKernels* detail::amx_blocks() { return nullptr; }
}  // namespace weft

#endif
