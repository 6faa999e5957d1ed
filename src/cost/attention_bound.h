// AttentionBound: the least operations and bytes of attention proper (scores and values) and of the
// sparse indexer, all layers. Projections are ordinary products, and not here.
#pragma once

#include <vector>

#include "cost/sharding.h"
#include "model/batch.h"

namespace weft {

// Prefill, GQA: 4 x heads x head_dim operations per query and key. MLA without absorption: 2 x
// heads x (nope + rope + v) (CM section 4.3.2). Decode reads each key once for all heads: GQA 4 x
// heads x head_dim operations; MLA absorbed 2 x heads x (2 kv_lora + rope) on rows of kv_lora +
// rope (DeepSeek-V2, section 2.1). V4 attends single rows of head_dim: a window, and one entry per
// `compression` tokens, at most top_k. A row that is read once serves all draft tokens.
class AttentionBound {
 public:
  // Operations and bytes per second of a die.
  struct Peaks {
    double attention = 0;
    double index = 0;
    double memory = 0;
  };
  struct Work {
    double compute = 0;  // seconds if operations alone counted
    double memory = 0;   // seconds if bytes alone counted
  };

  AttentionBound(const ModelShape& model, const Chip& chip, const InstanceLayout& layout);
  AttentionBound(const ModelShape& model, const InstanceLayout& layout, const Peaks& peaks);

  // Everything that a rank's load asks for.
  [[nodiscard]] Work work(const RankLoad& load) const;
  // Its parts.
  [[nodiscard]] Work prefill(const RankLoad& load) const;
  [[nodiscard]] Work decode(const RankLoad& load) const;
  [[nodiscard]] Work prefill_index(const RankLoad& load) const;
  [[nodiscard]] Work decode_index(const RankLoad& load) const;

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
  struct Scales;  // seconds per operation and byte while building

  void add_group(const ModelShape& model, const AttentionGroup& group, const Scales& scales);
  void add_entries(const ModelShape& model, const AttentionGroup& group, const Scales& scales);
  void add_index(const ModelShape& model, const AttentionGroup& group, const Scales& scales);

  std::vector<Part> parts_;
  Part index_;
};

}  // namespace weft
