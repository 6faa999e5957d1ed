// The products of multiply.h said plainly, for tests and for whoever wants to know what they mean:
// no blocks, no threads, double precision where the kernels sum in F32.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/packed_matrix.h"

namespace weft::reference {

// A value as the format holds it.
[[nodiscard]] float round_to_bf16(float value);

// w[n][k] as the format gives it back: rounded, or quantised and multiplied out. Not INT4, whose
// choice between two scales of nearly the same error hangs on rounding.
[[nodiscard]] std::vector<float> through_format(std::span<const float> w, int64_t n, int64_t k,
                                                WeightFormat format);

// The squared error of a row of weights in INT4 when each group has the best of all 15 scales.
[[nodiscard]] double least_int4_error(std::span<const float> row);

// x[m][k] as activations for weights of this format give it back.
[[nodiscard]] std::vector<float> through_activations(std::span<const float> x, int64_t m, int64_t k,
                                                     WeightFormat weights);

// y[m][n] = x w^T.
[[nodiscard]] std::vector<double> multiply(std::span<const float> x, std::span<const float> w,
                                           int64_t m, int64_t n, int64_t k);

// silu(gate) * up, for one row of gate and up.
[[nodiscard]] std::vector<float> silu_mul(std::span<const float> gate_up);

}  // namespace weft::reference
