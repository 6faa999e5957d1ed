// placeholder
#include "kernels/block_kernels.h"
namespace weft {
const BlockKernels* detail::avx2_blocks() { return nullptr; }
const RowKernels* detail::avx2_rows() { return nullptr; }
}  // namespace weft
