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

void embed(const Elementwise& kernels, const EmbeddingTable& table, std::span<const int32_t> tokens,
           float* out, int64_t out_stride) {
  for (const int32_t token : tokens) {
    CHECK(token >= 0 && token < table.tokens, "a token outside the table of embeddings");
    const int64_t from = token * table.width;
    if (table.bf16 != nullptr) {
      kernels.from_bf16(table.bf16 + from, table.width, out);
    } else if (table.int8 != nullptr) {
      kernels.from_int8(table.int8 + from, table.int8_scales[token], table.width, out);
    } else {
      for (int64_t i = 0; i < table.width; ++i) out[i] = table.f32[from + i];
    }
    out += out_stride;
  }
}

void rms_norm_heads(const Elementwise& kernels, float* x, int64_t stride, int64_t rows,
                    int64_t heads, int64_t head_dim, const float* weight, float eps) {
  for (int64_t row = 0; row < rows; ++row, x += stride) {
    kernels.rms_norm(x, head_dim, heads, head_dim, weight, eps, x, head_dim);
  }
}

void add_bias(const Elementwise& kernels, float* x, int64_t stride, int64_t rows, int64_t width,
              const float* bias) {
  for (int64_t row = 0; row < rows; ++row, x += stride) kernels.add(x, bias, width);
}

}  // namespace weft
