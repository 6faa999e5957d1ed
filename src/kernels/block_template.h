// The loop of all block kernels but AMX's: sums of R rows by 32 columns stay in registers while the
// panel's lines pass by. An Op says what one line adds. For the files of instruction sets only: an
// Op lies in an unnamed namespace, so that no code of one set is taken for another's.
#pragma once

#include <utility>

#include "kernels/block_kernels.h"

#define WEFT_INLINE inline __attribute__((always_inline))

// Op: Sum, one vector of sums; Line, one vector of weights; X, four bytes of x in every lane;
// kParts, vectors per line of 64 bytes; kMovedX, whether sums begin with job.start; load_sum,
// store_sum, zero, load_line, load_x, add.

namespace weft {

template <int N, class Body>
WEFT_INLINE void unrolled(Body body) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (body(std::integral_constant<int, I>{}), ...);
  }
  (std::make_integer_sequence<int, N>{});
}

// Sums of R rows of one block.
template <class Op, int R>
struct BlockSums {
  static constexpr int kVectors = 2 * Op::kParts;  // per row of 32 columns
  static constexpr int64_t kVectorBytes = 64 / Op::kParts;
  typename Op::Sum sums[R][kVectors];

  WEFT_INLINE void begin(const BlockJob& job, const std::byte* from) {
    unrolled<R>([&](auto r) __attribute__((always_inline)) {
      unrolled<kVectors>([&](auto v) __attribute__((always_inline)) {
        if (job.resume) {
          Op::load_sum(sums[r][v], from + r * 128 + v * kVectorBytes);
        } else if constexpr (Op::kMovedX) {
          Op::load_sum(sums[r][v],
                       reinterpret_cast<const std::byte*>(job.start) + v * kVectorBytes);
        } else {
          Op::zero(sums[r][v]);
        }
      });
    });
  }

  WEFT_INLINE void end(std::byte* to) const {
    unrolled<R>([&](auto r) __attribute__((always_inline)) {
      unrolled<kVectors>([&](auto v) __attribute__((always_inline)) {
        Op::store_sum(sums[r][v], to + r * 128 + v * kVectorBytes);
      });
    });
  }

  // One line of both tiles: four bytes of k.
  WEFT_INLINE void add(const typename Op::Line (&lines)[kVectors], const std::byte* x) {
    unrolled<R>([&](auto r) __attribute__((always_inline)) {
      typename Op::X value;
      Op::load_x(value, x + r * kLineBytes);
      unrolled<kVectors>([&](auto v) __attribute__((always_inline)) {
        Op::add(sums[r][v], lines[v], value);
      });
    });
  }
};

template <class Op, int R>
__attribute__((noinline)) void multiply_rows(const BlockJob& job, const std::byte* rows,
                                             std::byte* out) {
  using Sums = BlockSums<Op, R>;
  Sums sums;
  sums.begin(job, out);
  const std::byte* panel = job.panel;
  for (int64_t step = 0; step < job.steps; ++step) {
    for (int line = 0; line < 16; ++line) {
      typename Op::Line lines[Sums::kVectors];
      unrolled<Sums::kVectors>([&](auto v) __attribute__((always_inline)) {
        constexpr int kTile = v / Op::kParts, kPart = v % Op::kParts;
        Op::load_line(lines[v],
                      panel + kTile * 1024 + line * kLineBytes + kPart * Sums::kVectorBytes);
      });
      sums.add(lines, rows + line * 4);
    }
    panel += kPanelStepBytes;
    rows += kBlockStepBytes;
  }
  sums.end(out);
}

// rows in [1, Most], as a constant.
template <class Op, int Most>
WEFT_INLINE void multiply_some_rows(const BlockJob& job, const std::byte* rows, int count,
                                    std::byte* out) {
  unrolled<Most>([&](auto r) __attribute__((always_inline)) {
    if (count == r + 1) multiply_rows<Op, r + 1>(job, rows, out);
  });
}

// All rows of a job, at most `Most` at a time, a divisor of 16 or near enough.
template <class Op, int Most>
void multiply_block(const BlockJob& job) {
  for (int row = 0; row < job.rows;) {
    const int left_in_block = (row < 16 && job.rows > 16 ? 16 : job.rows) - row;
    const int count = left_in_block < Most ? left_in_block : Most;
    const std::byte* rows = job.blocks[row / 16] + (row % 16) * kLineBytes;
    multiply_some_rows<Op, Most>(job, rows, count, job.sums + row * 128);
    row += count;
  }
}

// INT4 by way of INT8, a chunk at a time.
template <class Unique>
void multiply_int4_by_chunks(const BlockJob& job, const BlockKernels& kernels) {
  alignas(64) std::byte expanded[2 * kPanelStepBytes];
  BlockJob part = job;
  part.panel = expanded;
  part.steps = 2;
  for (int64_t chunk = 0; chunk < job.steps / 2; ++chunk) {
    kernels.expand_int4(job.panel + chunk * kInt4ChunkBytes, 1, expanded);
    kernels.int8(part);
    part.resume = true;
    for (const std::byte*& block : part.blocks) {
      if (block != nullptr) block += 2 * kBlockStepBytes;
    }
  }
}

}  // namespace weft
