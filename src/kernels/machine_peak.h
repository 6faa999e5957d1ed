// What this machine could do: the limits that kernels are measured against. Each takes a fraction
// of a second on idle cores, and gives the best of several short runs.
#pragma once

#include "kernels/isa.h"
#include "kernels/workers.h"

namespace weft {

// Bytes per second that all threads together read from memory, each its own part of 128 MiB
// from front to back, in turns through 1 GiB. The memory is allocated for the time of the call.
[[nodiscard]] double memory_read_bandwidth(Workers& workers);

// Operations per second (a multiplication and an addition are two) of all threads together in a
// loop of the instruction set's widest product of INT8 or BF16, operands in registers. The portable
// set and, for BF16, AVX2 have no such instruction: products of F32 or of 16-bit integers stand in.
[[nodiscard]] double int8_peak(Isa isa, Workers& workers);
[[nodiscard]] double bf16_peak(Isa isa, Workers& workers);

}  // namespace weft
