// StepBound: what no software can beat in a step: operations over the dense peak and bytes over the
// peak bandwidth, of the slowest rank or of all dies' mean. Weights count once, KV once, and of
// routed experts those that tokens touch when some are liked better (expert_popularity.h).
#pragma once

#include <span>

#include "base/time.h"
#include "cost/attention_bound.h"
#include "cost/expert_popularity.h"

namespace weft {

class StepBound {
 public:
  // Requires check_layout() to have passed.
  StepBound(const ModelShape& model, const System& system, const InstanceLayout& layout);

  [[nodiscard]] Duration time(std::span<const RankLoad> loads) const;

 private:
  // Products of a rank's tokens with weights that are read once, all layers.
  struct Product {
    double compute = 0;  // seconds per token
    double weights = 0;  // seconds, whatever the tokens
  };
  // Routed experts of a die: each token picks k of S slots.
  struct Experts {
    Product all;        // weights: all slots of the die
    double copies = 0;  // on a die, per token of the group
    ExpertPopularity popularity;
  };
  struct Builder;

  [[nodiscard]] AttentionBound::Work rank_work(const RankLoad& load) const;

  size_t group_ranks_ = 1;
  Product layers_;  // projections, dense FFN, router, shared experts
  Product head_;
  AttentionBound attention_;
  Experts experts_;
};

}  // namespace weft
