// Packed weights from any bytes: an error or a matrix whose rows and products can be computed,
// never a crash. Small shapes only, so that the product takes no time.
#include <vector>

#include "kernels/multiply.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  static Workers workers(1, false);
  const auto read = PackedMatrix::from_bytes({reinterpret_cast<const std::byte*>(data), size});
  if (!read.ok()) return 0;
  const PackedMatrix& matrix = *read;
  if (matrix.n() > 4096 || matrix.k() > 4096) return 0;
  std::vector<float> row(static_cast<size_t>(matrix.k()), 0.25F);
  std::vector<float> y(static_cast<size_t>(matrix.n()));
  for (Isa isa : available_isas()) {
    Activations x;
    x.set(row.data(), 1, matrix.k(), matrix.k(), matrix.format(), isa, workers);
    multiply(matrix, x, {.y = y.data(), .stride = matrix.n()}, workers);
  }
  matrix.read_row(matrix.n() - 1, row.data());
  return 0;
}
