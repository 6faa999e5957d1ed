// The tables of element-wise kernels, one from each source file that is compiled for an instruction
// set. What everybody else calls is in elementwise.h.
#pragma once

#include "kernels/elementwise.h"

namespace weft::kernels {

Elementwise elementwise_portable();
Elementwise elementwise_avx2();
Elementwise elementwise_avx512();

}  // namespace weft::kernels
