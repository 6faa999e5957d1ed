// placeholder
#include "kernels/block_kernels.h"
namespace weft {
const BlockKernels* detail::amx_blocks() { return nullptr; }
}  // namespace weft
