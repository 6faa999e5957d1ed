// The matrix products of a model under a layout: which kernels one die runs for a rank's tokens,
// layer by layer, by their shapes. Attention proper, routed experts and communication are
// elsewhere.
#pragma once

#include <string_view>
#include <vector>

#include "cost/sharding.h"

namespace weft {

// `count` products alike in a step, each of [m, k] by [k, n] where m is what `rows` says; `groups`
// of them run as one kernel (a batched product of so many matrices).
struct LayerGemm {
  enum class Rows {
    kTokens,         // the rank's tokens
    kDecodeTokens,   // those of decoding sequences alone
    kPrefillTokens,  // prompt tokens and the earlier chunks' that attention projects again
  };
  std::string_view term;  // of an estimate
  double count = 1;
  Rows rows = Rows::kTokens;
  double rows_share = 1;  // part of them that this die computes
  int64_t n = 0;
  int64_t k = 0;
  int groups = 1;
  Format weights = Format::kBf16;
  Format activations = Format::kBf16;

  [[nodiscard]] double parameters() const {
    return static_cast<double>(n) * static_cast<double>(k) * groups;
  }
};

// Attention projections of all layers. GQA: q, k and v in one product, and the output's. MLA
// (DeepSeek-V2, section 2.1): the down-projections in one, the queries' up, keys' and values' up
// for prompts, the same absorbed into queries and outputs by head for decodes, the output's. What
// else the layer has (indexer, V4's output ranks) is one product more.
std::vector<LayerGemm> attention_gemms(const ModelShape& model, const InstanceLayout& layout,
                                       const Sharding& sharding);
// Dense FFN layers: gate and up in one, then down.
std::vector<LayerGemm> dense_ffn_gemms(const ModelShape& model, const InstanceLayout& layout,
                                       const Sharding& sharding);
// Of MoE layers: the router's (BF16), and shared experts that lie on every die.
std::vector<LayerGemm> moe_gemms(const ModelShape& model, const InstanceLayout& layout,
                                 const Sharding& sharding);
// The vocabulary's slice of this die.
LayerGemm head_gemm(const ModelShape& model, const InstanceLayout& layout,
                    const Sharding& sharding);
// Of one MTP module: 2 hidden x hidden (DeepSeek-V3, section 2.2).
LayerGemm draft_gemm(const ModelShape& model, const InstanceLayout& layout,
                     const Sharding& sharding);

}  // namespace weft
