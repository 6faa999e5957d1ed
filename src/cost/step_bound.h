// StepBound: what no software can beat in a step: operations over the dense peak and bytes over the
// peak bandwidth, of the slowest rank or of all dies' mean. Weights count once, KV once, and of
// routed experts those that evenly spread tokens would touch.
#pragma once

#include <span>

#include "base/time.h"
#include "cost/attention_bound.h"

namespace weft {

// x^n by squaring, so that every machine gets the same digits; n is rounded up: the chance that
// none of n tokens does what each leaves alone with chance `base`. 0 where 1 - x^n is 1 to the last
// digit.
double chance_of_none(double base, double n);

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
  // Routed experts of a die: each of T tokens picks k of S slots evenly, so that a slot stays idle
  // with probability (1 - k / S)^T.
  struct Experts {
    Product all;           // weights: all slots of the die
    double copies = 0;     // on a die, per token of the group
    double idle_base = 1;  // 1 - k / S
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
