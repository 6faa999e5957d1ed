// placeholder
#include "kernels/block_kernels.h"
namespace weft {
const BlockKernels* detail::avx512_blocks() { return nullptr; }
const RowKernels* detail::avx512_rows() { return nullptr; }
}  // namespace weft
