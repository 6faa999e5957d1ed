// The element-wise kernels for AVX2 and FMA; the portable ones where the compiler has no such
// thing.
#include "kernels/elementwise_generic.h"
#include "kernels/elementwise_tables.h"
#include "kernels/vec_avx2.h"

namespace weft::kernels {

#ifdef __AVX2__
Elementwise elementwise_avx2() { return ElementwiseOf<VecAvx2>::table(); }
#else
Elementwise elementwise_avx2() { return elementwise_portable(); }
#endif

}  // namespace weft::kernels
