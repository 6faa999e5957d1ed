// AttentionLayers: attention proper and the sparse indexer of all layers of a model on one die,
// from the sums of a rank's load, over the kernels of attention_kernel.h. Projections are products,
// and not here.
#pragma once

#include <algorithm>
#include <vector>

#include "cost/attention_kernel.h"
#include "cost/sharding.h"

namespace weft {

// Which layers run which kernel. GQA: one kernel each for prompts and decodes. MLA: prompts
// without absorption, decodes absorbed (DeepSeek-V2, section 2.1). V3.2: the indexer scores every
// key, then absorbed attention reads the best top_k. V4: a window of single rows, and one entry per
// `compression` tokens, at most top_k of them.
// TensorRT-LLM decodes GQA over BF16 KV on Hopper head by head while four times the blocks of 128
// keys, sequences times KV heads times max(1, keys / 128), are fewer than the cores
// (decoderXQARunner.cpp, shouldUse), and more than 32 query heads on a KV head always: there a
// larger load can take less time, by a faster kernel.
class AttentionLayers {
 public:
  static constexpr double kBlockKeys = 128;
  static constexpr double kCoresPerBlock = 4;
  // `open_kernels`: FlashAttention's, which begin no parts outside a window, unlike TensorRT-LLM's,
  // on which the constants were fitted.
  AttentionLayers(const ModelShape& model, const System& system, const InstanceLayout& layout,
                  bool open_kernels = false);

  struct Parts {
    double prefill = 0;  // seconds, all layers
    double decode = 0;
    double index = 0;
    [[nodiscard]] double total() const { return prefill + decode + index; }
  };
  // `share` of the load: 1 / (pipeline stages x micro-batches).
  [[nodiscard]] Parts parts(const RankLoad& load, double share) const;
  [[nodiscard]] double seconds(const RankLoad& load, double share) const {
    return parts(load, share).total();
  }
  // Whether the load lies where the kernels' constants were fitted.
  [[nodiscard]] bool covers(const RankLoad& load) const;

 private:
  struct Kernel {
    double layers = 1;
    double keys = 1;  // entries per token of context: 1 / compression
    bool index = false;
    AttentionPrefillPlan prefill;
    AttentionDecodePlan decode;
    AttentionDecodePlan few;  // of fewer than `fewest` blocks of keys
    double fewest = 0;        // 0: no such kernel
    // Where selecting is possible, reading everything can still be cheaper.
    bool has_dense = false;
    AttentionPrefillPlan dense;
    AttentionConstants::Prefill prefill_fit;
    AttentionConstants::Decode decode_fit;

    [[nodiscard]] double decode_seconds(double sequences, double context) const {
      const bool by_head = std::max(sequences, context / kBlockKeys) < fewest;
      return (by_head ? few : decode).seconds(sequences, context);
    }
  };
  struct Builder;

  std::vector<Kernel> kernels_;
};

}  // namespace weft
