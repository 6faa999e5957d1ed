// The attention formulas for the fit script: arrays in, seconds out. Constants come in the order of
// the structs in src/hardware/attention_constants.h.
#include "cost/attention_kernel.h"

namespace {

weft::AttentionShape shape_of(const double* s) {
  weft::AttentionShape shape;
  shape.query_heads = s[0];
  shape.kv_heads = s[1];
  shape.qk_dim = s[2];
  shape.v_dim = s[3];
  shape.row_bytes = s[4];
  shape.value_bytes = s[5];
  if (s[6] > 0) shape.limit = s[6];
  shape.shares_tile = s[7] > 0;
  return shape;
}

}  // namespace

// shapes: 8 per row; loads: tokens, products, context, sequences, longest; peaks: operations,
// memory, cores.
extern "C" void prefill_seconds(const double* c, const double* peaks, const double* shapes,
                                const double* loads, int count, double* out) {
  const weft::AttentionPrefillConstants constants{c[0], c[1], c[2], c[3], c[4], c[5], c[6]};
  const weft::AttentionPeaks peak{peaks[0], peaks[1], peaks[2]};
  for (int i = 0; i < count; ++i) {
    const weft::AttentionPrefillPlan plan(shape_of(shapes + 8L * i), constants, peak);
    const double* load = loads + 5L * i;
    out[i] = plan.seconds({load[0], load[1], load[2], load[3], load[4]});
  }
}

// loads: sequences, context, tokens per sequence.
extern "C" void decode_seconds(const double* c, const double* peaks, const double* shapes,
                               const double* loads, int count, double* out) {
  const weft::AttentionDecodeConstants constants{
      c[0],  c[1],  c[2],  c[3],  c[4],      c[5],      c[6],  c[7],  c[8],     c[9],
      c[10], c[11], c[12], c[13], c[14] > 0, c[15] > 0, c[16], c[17], c[18] > 0};
  const weft::AttentionPeaks peak{peaks[0], peaks[1], peaks[2]};
  for (int i = 0; i < count; ++i) {
    const double* load = loads + 3L * i;
    const weft::AttentionDecodePlan plan(shape_of(shapes + 8L * i), load[2], constants, peak);
    out[i] = plan.seconds(load[0], load[1]);
  }
}
