// The attention kernels for AVX2 and FMA; the portable ones where the compiler has no such thing.
#include "kernels/attention_generic.h"
#include "kernels/vec_avx2.h"

namespace weft::kernels {

#ifdef __AVX2__
AttentionKernels attention_avx2() { return AttentionEdges<VecAvx2, struct Avx2>::table(); }
#else
AttentionKernels attention_avx2() { return attention_portable(); }
#endif

}  // namespace weft::kernels
