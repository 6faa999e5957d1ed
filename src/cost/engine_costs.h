// EngineCosts: what a serving engine's software adds to the arithmetic of a step. One set of
// constants per engine; the defaults describe a well-made one and are the same for every chip.
#pragma once

namespace weft {

struct EngineCosts {
  // Attention kernels' rate over that of matrix products: CM Tables 8 and 10, 65.4 % against 79.6 %
  // of the 910C's peak. (FlashMLA on H800: 66.7 %.)
  double attention_share = 0.82;
  // What of the shorter of computation and expert exchange disappears under the other with two or
  // more micro-batches. The streams share cores and memory: DeepSeek's prefill gives 24 of an
  // H800's 132 multiprocessors to communication (CM Fig. 18a), so 0.82 of it computes.
  double overlap = 0.8;
  // Hottest rank's expert load over the mean, with expert balancing. 16,384-token prefill
  // takes 1.18 times as long with the default balancer as with a perfect one (CM Table 3), and
  // experts and their exchange are about half of it.
  double expert_imbalance = 1.35;
  // Dispatch or combine without its bytes: start, flags and barriers, then more with each doubling
  // of the group. CM Table 7: 116 to 152 us of dispatch over 8 to 256 dies.
  double exchange_start = 20e-6;
  double exchange_per_doubling = 5e-6;
  // An all-reduce or its like without its bytes and hops; custom all-reduce kernels of 8 GPUs.
  double collective_start = 6e-6;
  // From one kernel of a captured graph to the next: 1 to 2 us of gap, and the ramp and drain of a
  // kernel that is too short to fill the die.
  double kernel_gap = 3e-6;
  double kernels_per_attention = 7;  // norm, down, up, rope, attention, out, residual
  double kernels_per_dense_ffn = 4;
  double kernels_per_moe_ffn = 8;  // gate, top-k, permute, two grouped products, SwiGLU, ...
  // Host's part of a step that the device waits for. CM section 4.2.4 measures 0.6 to 0.8 ms for
  // each graph launched naively; asynchronous scheduling hides most of it.
  double host = 0.3e-3;
  double sampling_start = 50e-6;
};

}  // namespace weft
