// The attention kernels for AVX-512; the portable ones where the compiler has no such thing.
#include "kernels/attention_generic.h"
#include "kernels/vec_avx512.h"

namespace weft::kernels {

#ifdef __AVX512BF16__
AttentionKernels attention_avx512() { return AttentionEdges<VecAvx512, struct Avx512>::table(); }
#else
AttentionKernels attention_avx512() { return attention_portable(); }
#endif

}  // namespace weft::kernels
