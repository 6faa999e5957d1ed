// The products' formulas for the fit scripts: arrays in, seconds out. Constants come in the order
// of GemmConstants.
#include "cost/gemm_cost.h"

namespace {

weft::GemmConstants constants_of(const double* c) {
  return {c[0], c[1], c[2], c[3],  c[4],  c[5],  c[6],
          c[7], c[8], c[9], c[10], c[11], c[12], c[13] > 0};
}

}  // namespace

// shapes: m, n, k, groups, bytes of a weight, of an activation; peaks: operations, memory, cores.
extern "C" void gemm_seconds(const double* c, const double* peaks, const double* shapes, int count,
                             double* out) {
  const weft::GemmPeaks peak{peaks[0], peaks[1], peaks[2]};
  const weft::GemmConstants constants = constants_of(c);
  for (int i = 0; i < count; ++i) {
    const double* s = shapes + 6L * i;
    const weft::GemmPlan plan({s[1], s[2], s[3], s[4], s[5], 2}, constants, peak);
    out[i] = plan.seconds(s[0]);
  }
}

// shapes: hidden, ffn, bytes of a weight, of an activation, rows, experts with rows, tokens,
// experts held, copies of a token.
extern "C" void expert_seconds(const double* c, const double* peaks, const double* shapes,
                               int count, double* out) {
  const weft::GemmPeaks peak{peaks[0], peaks[1], peaks[2]};
  const weft::GemmConstants constants = constants_of(c);
  for (int i = 0; i < count; ++i) {
    const double* s = shapes + 9L * i;
    const weft::ExpertPlan plan({s[0], s[1], s[2], s[3], s[7], s[8]}, constants, peak);
    out[i] = plan.seconds(s[4], s[5], s[6]);
  }
}
