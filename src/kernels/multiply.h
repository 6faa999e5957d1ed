// y = x W^T over packed weights, alone or for the experts of a mixture.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/activations.h"
#include "kernels/packed_matrix.h"
#include "kernels/product_output.h"
#include "kernels/workers.h"

namespace weft {

// A row of y depends on its row of x and on W alone: not on the other rows, their number, the
// number of threads, or which of these functions computed it; bit for bit, on one instruction set.
// (INT8 and INT4: on all of them.) For each element of y, products are summed along k in one fixed
// order.
//
// Bounds. Few rows: reading the weights once. Many rows: the instruction set's products per cycle.

// Row i of y = row i of x times w, for each row of x; n columns, n / 2 with kSiluMul. Requires that
// x was set for w's format, with the same k.
void multiply(const PackedMatrix& w, const Activations& x, const ProductOutput& out,
              Workers& workers);

// One expert and its rows: row destinations[i] of y = row sources[i] of x times w.
struct ExpertRows {
  const PackedMatrix* w = nullptr;
  std::span<const int32_t> sources;
  std::span<const int32_t> destinations;  // as many; distinct over all experts

  int64_t pieces_before = 0;  // multiply_experts' own
};

// All experts in one go, their pieces spread over the threads. All matrices have the format of x
// and its k; experts without rows cost nothing. Experts have no biases.
void multiply_experts(std::span<ExpertRows> experts, const Activations& x, const ProductOutput& out,
                      Workers& workers);

}  // namespace weft
