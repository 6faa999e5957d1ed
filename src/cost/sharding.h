// Sharding: what each die of an instance holds and meets, derived from the layout. Used by memory
// and by time alike, so that both speak of the same experts and the same weights.
#pragma once

#include "cost/deployment.h"

namespace weft {

// Requires check_layout() to have passed.
struct Sharding {
  Sharding(const ModelShape& model, const Chip& chip, const InstanceLayout& layout);

  int tp = 1;
  int ep = 1;
  int stage_dies = 1;        // dp * tp: dies of one pipeline stage
  int group_ranks = 1;       // data-parallel ranks whose tokens meet in one expert group
  int groups = 1;            // expert groups of a stage, each with every expert
  int expert_split = 1;      // dies that share one expert: tp beyond ep
  int shared_only_dies = 0;  // dies of a group that hold a shared expert and no routed one (CM: 32)
  double expert_slots = 0;   // routed experts on a die that holds routed experts
  bool exchanges = false;    // tokens are dispatched and combined (else every die has them all)
  double sequence_share = 1;  // 1 / sp: part of a rank's tokens in stages that SP spreads

  // Routed experts; all other layers' matrices. 4-bit weights of a mixture are its experts', and
  // the rest stays as published (R1 FP4, V4, gpt-oss). Embeddings and head are BF16 always.
  Format expert_format = Format::kBf16;
  Format layer_format = Format::kBf16;
  Format attention_format = Format::kBf16;  // of attention's matrices

  // Messages that one token sends: its routed experts, and the shared one where it is elsewhere.
  [[nodiscard]] int copies_per_token(const ModelShape& model) const;
};

// Parameters of one attention layer by where they lie.
struct AttentionWeights {
  double whole = 0;  // on every die, applied to sequence_share of the rank's tokens
  double split = 0;  // per die after tensor parallelism, applied to all of the rank's tokens
};

// MLA's and V4's down-projections and indexer lie whole on every die; q, k, v and o are split by
// head. Under SP the output projection lies whole too (CM section 4.3.2), and GQA's matrices as
// well (all-to-all sequence parallelism).
AttentionWeights attention_weights(const ModelShape& model, const AttentionGroup& group,
                                   const InstanceLayout& layout);

// Width of all query heads and of all output heads of a token, in values.
double query_width(const ModelShape& model);
double output_width(const ModelShape& model);

// Bytes of one dispatched copy of a token. 8-bit rows carry a 512-byte slot for their scale (CM
// section 4.2.1: 7,168 + 512); combine returns BF16.
double dispatch_bytes(const ModelShape& model, Format activations);
double combine_bytes(const ModelShape& model);

// Format whose rate a product runs at: the activations', or BF16 where weights are wider.
Format product_format(Format weights, Format activations);

}  // namespace weft
