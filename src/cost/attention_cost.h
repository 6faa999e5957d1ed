// AttentionCost: attention proper (scores and values) and the sparse indexer, for all layers, in
// seconds per key that a rank's load names. Projections are ordinary products, and not here.
#pragma once

#include <algorithm>
#include <vector>

#include "cost/roofline.h"
#include "cost/sharding.h"
#include "model/batch.h"

namespace weft {

// Prefill, GQA: 4 x heads x head_dim operations per query and key. MLA without absorption: 2 x
// heads x (nope + rope + v) (CM section 4.3.2), and the latents of earlier chunks are projected up
// again. Decode reads each key once for all heads: GQA 4 x heads x head_dim operations; MLA
// absorbed 2 x heads x (2 kv_lora + rope) on rows of kv_lora + rope (DeepSeek-V2, section 2.1). V4
// attends single rows of head_dim: a window, and one entry per `compression` tokens, at most top_k.
class AttentionCost {
 public:
  // `share` scales what depends on the load (1 / pp). `bound`: the least that must be done: a row
  // read once serves all draft tokens, and writing or projecting again is free.
  AttentionCost(const ModelShape& model, const InstanceLayout& layout, const Rates& rates,
                double share, bool bound);

  struct Work {
    double compute = 0;  // seconds if operations alone counted
    double memory = 0;   // seconds if bytes alone counted
  };
  [[nodiscard]] Work prefill(const RankLoad& load) const;
  [[nodiscard]] Work decode(const RankLoad& load) const;
  [[nodiscard]] Work prefill_index(const RankLoad& load) const;
  [[nodiscard]] Work decode_index(const RankLoad& load) const;

  // The indexer, prefill and decode, each on its longer side.
  [[nodiscard]] double index_seconds(const RankLoad& load) const;
  // Attention and indexer together.
  [[nodiscard]] double seconds(const RankLoad& load) const {
    const double decoding = decode_seconds(load);
    return load.prefill_tokens > 0 ? decoding + prefill_seconds(load) : decoding;
  }
  [[nodiscard]] double decode_seconds(const RankLoad& load) const {
    const double keys = static_cast<double>(load.decode_context);
    double sum = per_decode_key_ * keys;
    for (const Limited& limited : decode_limits_) {
      sum += limited.per_key * std::min(keys, limited.keys * load.decode_sequences);
    }
    return sum;
  }
  [[nodiscard]] double prefill_seconds(const RankLoad& load) const;

 private:
  static constexpr double kUnlimited = 1e18;

  // Keys that one query attends to in some layers: all, or the last or best `limit` of them.
  struct Part {
    double limit = kUnlimited;
    double decode_compute = 0;  // seconds per key
    double decode_memory = 0;
    double prefill_compute = 0;  // seconds per query and key
    double prefill_dense = 0;    // the same without the limit, where that can be cheaper
    double prefill_memory = 0;   // seconds per key of earlier chunks
  };
  struct Limited {
    double per_key = 0;
    double keys = 0;
  };
  struct Index {
    double prefill_compute = 0;
    double prefill_memory = 0;
    double decode_compute = 0;
    double decode_memory = 0;
  };
  struct Scales;  // seconds per operation and byte while building

  void add_group(const ModelShape& model, const AttentionGroup& group, const Scales& scales);
  void add_entries(const ModelShape& model, const AttentionGroup& group, const Scales& scales);
  void add_index(const ModelShape& model, const AttentionGroup& group, const Scales& scales);
  void add_decode(const Part& part);

  std::vector<Part> parts_;
  Index index_;
  double up_projection_ = 0;            // MLA: seconds per token of earlier chunks
  double write_ = 0;                    // seconds per prompt token whose KV is written
  double per_decode_key_ = 0;           // unlimited parts and the indexer, longer sides
  std::vector<Limited> decode_limits_;  // the limited ones
};

}  // namespace weft
