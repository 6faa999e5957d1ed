// The portable element-wise kernels, the choice of a table, and what is built on the tables.
#include "kernels/elementwise.h"

#include "base/check.h"
#include "kernels/elementwise_generic.h"
#include "kernels/elementwise_tables.h"
#include "kernels/vec_portable.h"

namespace weft {

Elementwise kernels::elementwise_portable() {
  return kernels::ElementwiseOf<kernels::VecPortable>::table();
}

// A table is made only when it is asked for: code for an instruction set may use it anywhere.
const Elementwise& elementwise(Isa isa) {
  if (isa == Isa::kPortable) {
    static const Elementwise kTable = kernels::elementwise_portable();
    return kTable;
  }
  if (isa == Isa::kAvx2) {
    static const Elementwise kTable = kernels::elementwise_avx2();
    return kTable;
  }
  static const Elementwise kTable =
      kernels::elementwise_avx512();  // tiles have nothing to add here
  return kTable;
}

void rms_norm_heads(const Elementwise& kernels, float* x, int64_t stride, int64_t rows,
                    int64_t heads, int64_t head_dim, const float* weight, float eps) {
  for (int64_t row = 0; row < rows; ++row, x += stride) {
    kernels.rms_norm(x, head_dim, heads, head_dim, weight, eps, x, head_dim);
  }
}

}  // namespace weft
