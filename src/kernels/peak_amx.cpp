// Peak loops for AMX: products of whole tiles over four independent sums.
#include "kernels/peak_loops.h"

#if defined(__AMX_INT8__) && defined(__AMX_BF16__) && defined(__AVX512F__)

#include <immintrin.h>

namespace weft {
namespace {

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t rest[15] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

void prepare() {
  static constexpr TileConfig kConfig;
  _tile_loadconfig(&kConfig);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
}

double int8(int64_t rounds) {
  prepare();
  for (int64_t i = 0; i < rounds / 16; ++i) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  _tile_release();
  return static_cast<double>(rounds / 16) * 4 * 2 * 16 * 16 * 64;
}

double bf16(int64_t rounds) {
  prepare();
  for (int64_t i = 0; i < rounds / 16; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  return static_cast<double>(rounds / 16) * 4 * 2 * 16 * 16 * 32;
}

}  // namespace

const PeakLoops* detail::amx_peaks() {
  if (avx512_peaks() == nullptr) return nullptr;
  static const PeakLoops kLoops = {int8, bf16, avx512_peaks()->read};
  return &kLoops;
}

}  // namespace weft

#else

const weft::PeakLoops* weft::detail::amx_peaks() { return nullptr; }

#endif
