// Rounding of activations into the kernels' blocks, rows spread over the threads.
#include "kernels/activations.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/block_kernels.h"

namespace weft {
namespace {

constexpr int64_t kAlone = 16'384;  // values that one thread rounds before it is worth a fork

int64_t steps_of(WeightFormat weights, int64_t k) {
  switch (weights) {
    case WeightFormat::kF32:
      return (k + 15) / 16;
    case WeightFormat::kBf16:
      return (k + 31) / 32;
    case WeightFormat::kInt8:
      return (k + 63) / 64;
    case WeightFormat::kInt4:
      return (k + kInt4Chunk - 1) / kInt4Chunk * 2;
  }
  return 0;
}

}  // namespace

void Activations::set(const float* x, int64_t m, int64_t k, int64_t stride, WeightFormat weights,
                      Isa isa, Workers& workers) {
  CHECK(m >= 0 && k > 0 && k <= PackedMatrix::kLargestK && isa <= best_isa());
  rows_ = m;
  k_ = k;
  weights_ = weights;
  isa_ = isa;
  steps_ = steps_of(weights, k);
  const int64_t blocks = (m + kBlockRows - 1) / kBlockRows;
  bytes_.reserve(static_cast<size_t>(blocks * steps_ * kBlockStepBytes));
  scales_.reserve(static_cast<size_t>(m) * sizeof(float));
  const auto part = [&](const Range& range) {
    for (int64_t i = range.begin; i < range.end; ++i) set_row(i, x + i * stride);
  };
  if (m * k <= kAlone || workers.threads() == 1) {
    part({0, m});
  } else {
    workers.run([&](int thread) { part(split(m, 1, thread, workers.threads())); });
  }
}

void Activations::set_row(int64_t row, const float* x) {
  const RowKernels& kernels = row_kernels(isa_);
  std::byte* to =
      bytes_.data() + row / kBlockRows * steps_ * kBlockStepBytes + row % kBlockRows * kLineBytes;
  if (weights_ == WeightFormat::kF32) {
    for (int64_t i = 0; i < k_; i += 16, to += kBlockStepBytes) {
      const int64_t count = std::min<int64_t>(16, k_ - i);
      std::fill_n(std::copy_n(x + i, count, reinterpret_cast<float*>(to)), 16 - count, 0.0F);
    }
    return;
  }
  if (weights_ == WeightFormat::kBf16) return kernels.to_bf16(x, k_, to, kBlockStepBytes);
  const float largest = kernels.largest(x, k_);
  const bool zero = largest <= 1e-30F;
  const auto flip = static_cast<uint8_t>(block_kernels(isa_).unsigned_x ? 0x80 : 0);
  reinterpret_cast<float*>(scales_.data())[row] = zero ? 0 : largest / 127;
  kernels.to_int8(x, k_, zero ? 0 : 127 / largest, flip, to, kBlockStepBytes);
  // An odd number of steps that INT4 rounded up: weights are zero there, but memory must be
  // defined.
  for (int64_t step = (k_ + 63) / 64; step < steps_; ++step) {
    std::fill_n(to + step * kBlockStepBytes, kLineBytes, std::byte{});
  }
}

}  // namespace weft
