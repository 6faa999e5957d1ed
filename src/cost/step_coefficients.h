// StepCoefficients: everything a step's time depends on but its load, as seconds per token, copy
// and row. Built once from shapes and hardware; StepModel puts loads in. One set describes the step
// whole, one cut into micro-batches, one the bound that no software can beat.
#pragma once

#include "cost/attention_cost.h"
#include "cost/network.h"

namespace weft {

// Routed experts on the hottest die of a group, all MoE layers. Sources: CM section 4.2 for layout
// and counts; each of T tokens picks k of S slots evenly, so a slot stays idle with probability
// (1 - k / S)^T.
struct ExpertProduct {
  Product per_copy;         // weights: all slots of the die
  double handling = 0;      // seconds per copy: permute, quantise, SwiGLU, gather
  double copies = 0;        // on the hottest die, per token of the group
  double tokens_scale = 0;  // tokens that one pass over the weights sees, per token of the group
  double idle_base = 1;     // 1 - k / S
  double least_used = 0;    // share of the slots that any step reads

  [[nodiscard]] double used_share(double group_tokens) const;
  [[nodiscard]] double compute(double group_tokens) const {
    return per_copy.compute * copies * group_tokens;
  }
  [[nodiscard]] double memory(double group_tokens) const {
    return per_copy.weights * used_share(group_tokens) + per_copy.traffic * copies * group_tokens;
  }
  [[nodiscard]] double seconds(double group_tokens) const {
    return std::max(compute(group_tokens), memory(group_tokens)) + handling * copies * group_tokens;
  }
};

struct StepCoefficients {
  // `passes` is how many micro-batches the step is cut into.
  static StepCoefficients reached(const ModelShape& model, const System& system,
                                  const InstanceLayout& layout, const EngineCosts& engine,
                                  int passes);
  static StepCoefficients bound(const ModelShape& model, const System& system,
                                const InstanceLayout& layout);

  explicit StepCoefficients(AttentionCost cost) : attention(std::move(cost)) {}

  // One rank's own work on its tokens, all layers.
  Product projections;
  Product dense;
  Product router;
  Product shared;
  double elementwise = 0;  // seconds per token
  AttentionCost attention;

  // What the ranks of a group do together, all layers.
  ExpertProduct experts;
  Line dispatch;  // of the busiest die's tokens
  Line combine;
  double exchange_rank_share = 0;  // die's tokens per token of the largest rank ...
  double exchange_mean_share = 0;  // ... or per token of the group, hottest receiver
  Line collectives;
  double launches = 0;

  // Once per step, of the largest rank's tokens or rows of logits.
  Line embedding;
  Line pipeline;
  Product head;
  Line sampling;
  double host = 0;
  // Each draft token: one more layer, a projection of 2 hidden x hidden, head and sampling.
  Product draft_projection;
  double draft_layers = 0;  // draft tokens / layers
  double draft_tokens = 0;

  double overlap = 0;  // hidden share of the shorter of computation and exchange
  int passes = 1;

  // Work of one rank alone, without collectives.
  [[nodiscard]] double products(double tokens) const {
    return projections.seconds(tokens) + dense.seconds(tokens) + router.seconds(tokens) +
           shared.seconds(tokens) + elementwise * tokens;
  }
};

}  // namespace weft
