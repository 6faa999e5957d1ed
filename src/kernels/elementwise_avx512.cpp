// The element-wise kernels for AVX-512; the portable ones where the compiler has no such thing.
#include "kernels/elementwise_generic.h"
#include "kernels/elementwise_tables.h"
#include "kernels/vec_avx512.h"

namespace weft::kernels {

#ifdef __AVX512BF16__
Elementwise elementwise_avx512() { return ElementwiseOf<VecAvx512>::table(); }
#else
Elementwise elementwise_avx512() { return elementwise_portable(); }
#endif

}  // namespace weft::kernels
