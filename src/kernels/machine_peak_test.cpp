// Peaks are measured, and no instruction set is told to be slower than plain code.
#include "kernels/machine_peak.h"

#include <gtest/gtest.h>

#include "kernels/peak_loops.h"

namespace weft {
namespace {

TEST(MachinePeak, LoopsCountWhatTheyDo) {
  for (Isa isa : available_isas()) {
    const PeakLoops& loops = peak_loops(isa);
    for (double (*loop)(int64_t) : {loops.int8, loops.bf16}) {
      EXPECT_GT(loop(160), 0) << isa_name(isa);
      EXPECT_DOUBLE_EQ(loop(320), 2 * loop(160)) << isa_name(isa);
    }
  }
}

TEST(MachinePeak, RatesArePlausible) {
  Workers workers(1, false);
  for (Isa isa : available_isas()) {
    EXPECT_GT(int8_peak(isa, workers), 1e8) << isa_name(isa);
    EXPECT_GT(bf16_peak(isa, workers), 1e8) << isa_name(isa);
    EXPECT_LT(int8_peak(isa, workers), 1e15) << isa_name(isa);
  }
}

}  // namespace
}  // namespace weft
