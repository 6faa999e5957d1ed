// Block and row kernels in plain C++, over vectors that the compiler makes of what it has.
#include <cstring>

#include "kernels/block_template.h"
#include "kernels/row_template.h"

namespace weft {
namespace {

using Floats [[gnu::vector_size(64)]] = float;
using Ints [[gnu::vector_size(64)]] = int32_t;

struct FloatSums {
  static constexpr int kParts = 1;
  static constexpr bool kMovedX = false;
  using Sum = Floats;
  static WEFT_INLINE void zero(Sum& s) { s = Sum{}; }
  static WEFT_INLINE void load_sum(Sum& s, const std::byte* from) {
    std::memcpy(&s, from, sizeof(s));
  }
  static WEFT_INLINE void store_sum(const Sum& s, std::byte* to) { std::memcpy(to, &s, sizeof(s)); }
};

struct F32Op : FloatSums {
  using Line = Floats;
  using X = float;
  static WEFT_INLINE void load_line(Line& w, const std::byte* from) {
    std::memcpy(&w, from, sizeof(w));
  }
  static WEFT_INLINE void load_x(X& x, const std::byte* from) { std::memcpy(&x, from, sizeof(x)); }
  static WEFT_INLINE void add(Sum& s, const Line& w, const X& x) { s = s + w * x; }
};

// A line holds pairs: the lower half of 32 bits is the even k.
struct Bf16Op : FloatSums {
  struct Line {
    Floats even, odd;
  };
  struct X {
    float even, odd;
  };
  static WEFT_INLINE void load_line(Line& w, const std::byte* from) {
    Ints pairs;
    std::memcpy(&pairs, from, sizeof(pairs));
    const Ints even = pairs << 16, odd = pairs & static_cast<int32_t>(0xffff0000);
    w.even = reinterpret_cast<Floats>(even);
    w.odd = reinterpret_cast<Floats>(odd);
  }
  static WEFT_INLINE void load_x(X& x, const std::byte* from) {
    uint32_t pair = 0;
    std::memcpy(&pair, from, sizeof(pair));
    const uint32_t even = pair << 16, odd = pair & 0xffff0000;
    std::memcpy(&x.even, &even, sizeof(even));
    std::memcpy(&x.odd, &odd, sizeof(odd));
  }
  static WEFT_INLINE void add(Sum& s, const Line& w, const X& x) {
    s = s + w.even * x.even;
    s = s + w.odd * x.odd;
  }
};

struct Int8Op {
  static constexpr int kParts = 1;
  static constexpr bool kMovedX = false;
  using Sum = Ints;
  struct Line {
    Ints bytes[4];
  };
  struct X {
    int8_t bytes[4];
  };
  static WEFT_INLINE void zero(Sum& s) { s = Sum{}; }
  static WEFT_INLINE void load_sum(Sum& s, const std::byte* from) {
    std::memcpy(&s, from, sizeof(s));
  }
  static WEFT_INLINE void store_sum(const Sum& s, std::byte* to) { std::memcpy(to, &s, sizeof(s)); }
  static WEFT_INLINE void load_line(Line& w, const std::byte* from) {
    Ints four;
    std::memcpy(&four, from, sizeof(four));
    for (int i = 0; i < 4; ++i) w.bytes[i] = (four << (24 - 8 * i)) >> 24;
  }
  static WEFT_INLINE void load_x(X& x, const std::byte* from) { std::memcpy(&x, from, sizeof(x)); }
  static WEFT_INLINE void add(Sum& s, const Line& w, const X& x) {
    for (int i = 0; i < 4; ++i) s = s + w.bytes[i] * static_cast<int32_t>(x.bytes[i]);
  }
};

int8_t int4_value(std::byte code, std::byte scale) {
  return static_cast<int8_t>((static_cast<int>(code) - 8) * static_cast<int>(scale));
}

void expand_int4(const std::byte* packed, int64_t chunks, std::byte* out) {
  for (; chunks > 0; --chunks, packed += kInt4ChunkBytes) {
    const std::byte* nibbles = packed + 128;
    for (int tile = 0; tile < 4; ++tile) {  // step, then half of the columns
      for (int pair = 0; pair < 8; ++pair, nibbles += kLineBytes, out += 2 * kLineBytes) {
        const int group = tile / 2 * 2 + pair / 4;
        const std::byte* scales = packed + group * 32 + tile % 2 * 16;
        for (int i = 0; i < kLineBytes; ++i) {
          out[i] = static_cast<std::byte>(int4_value(nibbles[i] & std::byte{15}, scales[i / 4]));
          out[64 + i] = static_cast<std::byte>(int4_value(nibbles[i] >> 4, scales[i / 4]));
        }
      }
    }
  }
}

struct Portable;

void int4(const BlockJob& job) {
  multiply_int4_by_chunks<Portable>(job, *detail::portable_blocks());
}

}  // namespace

const BlockKernels* detail::portable_blocks() {
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

const RowKernels* detail::portable_rows() { return &RowOps<Portable>::kTable; }

const BlockKernels& block_kernels(Isa isa) {
  switch (isa) {
    case Isa::kAmx:
      if (const BlockKernels* table = detail::amx_blocks()) return *table;
      [[fallthrough]];
    case Isa::kAvx512:
      if (const BlockKernels* table = detail::avx512_blocks()) return *table;
      [[fallthrough]];
    case Isa::kAvx2:
      if (const BlockKernels* table = detail::avx2_blocks()) return *table;
      [[fallthrough]];
    case Isa::kPortable:
      break;
  }
  return *detail::portable_blocks();
}

const RowKernels& row_kernels(Isa isa) {
  const RowKernels* table = nullptr;
  if (isa >= Isa::kAvx512) table = detail::avx512_rows();
  if (table == nullptr && isa >= Isa::kAvx2) table = detail::avx2_rows();
  return table != nullptr ? *table : *detail::portable_rows();
}

}  // namespace weft
