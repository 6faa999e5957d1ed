// Bytes per die of weights, buffers and KV; and what to do when they do not fit.
#include "cost/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "cost/sharding.h"

namespace weft {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;
constexpr double kBf16Bytes = 2;
// Driver context, compiled graphs and allocator slack; with peers also the libraries' channels.
// vLLM logs 0.3 to 0.6 GiB of "non-torch" memory on one GPU, twice that with NCCL.
constexpr double kRuntimeBytes = 0.5 * kGiB;
// Tokens of one die that one piece of a long exchange carries.
constexpr double kExchangePiece = 256;
// Expert rows that the hottest die makes room for, over the mean.
constexpr double kExpertHeadroom = 1.5;

// Layers of the fullest pipeline stage over all layers.
double stage_share(const ModelShape& model, const InstanceLayout& layout) {
  return static_cast<double>(ceil_div(model.layers, layout.parallel.pp)) / model.layers;
}

double attention_bytes(const ModelShape& model, const AttentionGroup& group,
                       const InstanceLayout& layout, const Sharding& sharding) {
  const AttentionWeights weights = attention_weights(model, group, layout);
  return (weights.whole + weights.split) * bytes_per_value(sharding.attention_format);
}

// Router, shared and routed experts of one layer on the fullest die.
double moe_bytes(const ModelShape& model, const InstanceLayout& layout, const Sharding& sharding) {
  const double expert = model.expert_parameters();
  const double routed = sharding.expert_slots * expert / sharding.expert_split *
                        bytes_per_value(sharding.expert_format);
  const double slice = layout.parallel.sp > 1 || sharding.shared_only_dies > 0 ? 1 : sharding.tp;
  const double shared =
      model.shared_experts * expert / slice * bytes_per_value(sharding.layer_format);
  const double experts = sharding.shared_only_dies > 0 ? std::max(routed, shared) : routed + shared;
  return experts + model.router_parameters_per_layer() * kBf16Bytes;
}

double layers_bytes(const ModelShape& model, const InstanceLayout& layout,
                    const Sharding& sharding) {
  double bytes = 0;
  for (const AttentionGroup& group : model.attention_groups) {
    bytes += group.layers * attention_bytes(model, group, layout, sharding);
  }
  const double moe_layers = model.is_moe() ? model.moe_layers() : 0;
  bytes += (model.layers - moe_layers) * model.dense_ffn_parameters() / sharding.tp *
           bytes_per_value(sharding.layer_format);
  if (moe_layers > 0) bytes += moe_layers * moe_bytes(model, layout, sharding);
  return bytes;
}

// One more layer like the last and a projection of 2 hidden x hidden for each module.
double mtp_bytes(const ModelShape& model, const InstanceLayout& layout, const Sharding& sharding) {
  if (layout.draft_tokens == 0 || model.attention_groups.empty()) return 0;
  const double ffn = model.is_moe() ? moe_bytes(model, layout, sharding)
                                    : model.dense_ffn_parameters() / sharding.tp *
                                          bytes_per_value(sharding.layer_format);
  const double projection =
      2.0 * model.hidden * model.hidden * bytes_per_value(sharding.layer_format);
  const double attention = attention_bytes(model, model.attention_groups.back(), layout, sharding);
  return std::min(model.mtp_layers, layout.draft_tokens) * (attention + ffn + projection);
}

// Tokens of a step on one data-parallel rank.
double rank_tokens(const InstanceLayout& layout, const MemoryLimits& limits) {
  const int64_t decoding = limits.max_sequences * (1 + layout.draft_tokens);
  const int64_t tokens =
      layout.role == Role::kDecode ? decoding : std::max(limits.max_tokens_per_step, decoding);
  return static_cast<double>(ceil_div(tokens, layout.parallel.dp));
}

double kv_share(const ModelShape& model, const InstanceLayout& layout) {
  const bool gqa = model.attention == AttentionKind::kGqa;
  const double heads = gqa ? std::min(layout.parallel.tp, model.kv_heads) : 1;
  const double draft = std::min(model.mtp_layers, layout.draft_tokens);
  return (stage_share(model, layout) + draft / model.layers) / heads;
}

// What weights, buffers and KV may take together.
double capacity(double memory, const MemoryPlan& plan, double workspace,
                const MemoryLimits& limits) {
  const double share = memory * limits.memory_share;
  switch (limits.memory_covers) {
    case MemoryShare::kWeightsAndKv:
      return std::min(memory, share + workspace);
    case MemoryShare::kFree:
      return share + (1 - limits.memory_share) * std::min(memory, plan.weights + plan.buffers);
    case MemoryShare::kAll:
      break;
  }
  return share;
}

MemoryPlan fill(const ModelShape& model, const System& system, const InstanceLayout& layout,
                const MemoryLimits& limits) {
  const int64_t per_rank = ceil_div(limits.max_sequences, layout.parallel.dp);
  const double tokens_per_die = rank_tokens(layout, limits) / layout.parallel.tp;
  const bool alone = layout.parallel.dp * layout.parallel.tp * layout.parallel.pp == 1;
  MemoryPlan plan;
  plan.weights = weight_bytes(model, system, layout);
  const double workspace = workspace_bytes(model, system, layout, limits) +
                           exchange_bytes(model, system, layout, tokens_per_die);
  plan.buffers = workspace + kRuntimeBytes * (alone ? 1 : 2);
  plan.capacity = capacity(system.chip.memory_bytes, plan, workspace, limits);
  plan.kv = plan.capacity - plan.weights - plan.buffers;
  const double share = kv_share(model, layout);
  plan.kv_bytes_per_token = model.kv_bytes_per_token(layout.precision.kv) * share;
  plan.kv_bytes_per_sequence = model.kv_bytes_per_sequence(layout.precision.kv) * share;
  const double windows = plan.kv_bytes_per_sequence * static_cast<double>(per_rank);
  const double block = plan.kv_bytes_per_token * limits.block.as_double();
  const double left = plan.kv - windows;
  // A model that keeps windows alone needs no blocks to speak of; 2^31 of them stand for "enough".
  constexpr double kMostBlocks = 2147483647.0;
  if (left > 0) {
    plan.blocks_per_rank =
        static_cast<int64_t>(block > 0 ? std::min(left / block, kMostBlocks) : kMostBlocks);
  }
  return plan;
}

bool fits(const MemoryPlan& plan) { return plan.blocks_per_rank > 0; }

// The same layout over more devices, the ways that a person would try first.
std::vector<InstanceLayout> larger_layouts(const InstanceLayout& layout, const ModelShape& model) {
  std::vector<InstanceLayout> found;
  for (const int times : {2, 4, 8, 16}) {
    InstanceLayout tp = layout;
    tp.packages *= times;
    tp.parallel.tp *= times;
    if (layout.parallel.sp > 1) tp.parallel.sp *= times;
    if (layout.parallel.ep > 1) tp.parallel.ep *= times;
    InstanceLayout dp = layout;
    dp.packages *= times;
    dp.parallel.dp *= times;
    dp.parallel.ep *= times;
    InstanceLayout pp = layout;
    pp.packages *= times;
    pp.parallel.pp *= times;
    const bool wide = model.is_moe() && layout.parallel.dp > 1;
    found.push_back(wide ? dp : tp);
    found.push_back(pp);
  }
  return found;
}

std::string degrees(const InstanceLayout& layout) {
  const Parallel& p = layout.parallel;
  std::string text;
  const auto add = [&](const char* name, int degree) {
    if (degree > 1) text += fmt::format("{}{} = {}", text.empty() ? "" : ", ", name, degree);
  };
  add("dp", p.dp);
  add("tp", p.tp);
  add("sp", p.sp);
  add("ep", p.ep);
  add("pp", p.pp);
  return fmt::format("{} on {} devices", text, layout.packages);
}

// The first larger layout and the widest narrower format that fit; "nothing near" when none does.
std::string what_fits(const ModelShape& model, const System& system, const InstanceLayout& layout,
                      const MemoryLimits& limits) {
  std::vector<std::string> ways;
  System larger = system;
  larger.packages = std::max(system.packages, layout.packages * 16);
  for (const InstanceLayout& candidate : larger_layouts(layout, model)) {
    if (!check_layout(candidate, model, larger)) continue;
    if (!fits(fill(model, larger, candidate, limits))) continue;
    ways.push_back(degrees(candidate));
    break;
  }
  const double bytes = bytes_per_value(layout.precision.weights);
  for (const Format format : {Format::kBf16, Format::kFp8, Format::kInt8, Format::kInt4}) {
    if (bytes_per_value(format) >= bytes) continue;
    if (format != Format::kInt4 && system.chip.ops(format) <= 0) continue;
    InstanceLayout narrower = layout;
    narrower.precision.weights = format;
    if (!check_layout(narrower, model, system)) continue;
    if (!fits(fill(model, system, narrower, limits))) continue;
    ways.push_back(fmt::format("{} weights", format_name(format)));
    break;
  }
  if (ways.empty()) return "no layout of up to 16 times the devices fits";
  return fmt::format("{} would fit", fmt::join(ways, ", or "));
}

}  // namespace

void set_memory_share(MemoryLimits& limits, const EngineScheduling& engine, double given, int dp,
                      const Chip& chip) {
  // A server's default knows one node's ranks; wider deployments name their share.
  constexpr int kNodeRanks = 8;
  const double ranks = dp > 1 && dp <= kNodeRanks ? dp : 0;
  const double reserve =
      (engine.memory_reserve + ranks * engine.memory_reserve_rank) / chip.memory_bytes;
  limits.memory_covers = engine.memory_covers;
  limits.logit_bytes = engine.logit_bytes;
  if (given > 0) {
    limits.memory_share = given;
  } else if (reserve > 0 && reserve < 1) {
    limits.memory_share = 1 - reserve;
  } else if (engine.memory_share > 0) {
    limits.memory_share = engine.memory_share;
  }
}

double weight_bytes(const ModelShape& model, const System& system, const InstanceLayout& layout) {
  const Sharding sharding(model, system.chip, layout);
  const double table = model.embedding_parameters() * kBf16Bytes / sharding.tp;
  // The first stage holds the embedding, the last the head.
  const bool one_table = model.tied_embeddings || layout.parallel.pp > 1;
  return layers_bytes(model, layout, sharding) * stage_share(model, layout) +
         table * (one_table ? 1 : 2) + mtp_bytes(model, layout, sharding);
}

double exchange_bytes(const ModelShape& model, const System& system, const InstanceLayout& layout,
                      double tokens_per_die) {
  const Sharding sharding(model, system.chip, layout);
  if (!sharding.exchanges) return 0;
  const double tokens =
      layout.role == Role::kDecode ? tokens_per_die : std::min(tokens_per_die, kExchangePiece);
  const double copies = std::min<double>(sharding.copies_per_token(model), sharding.expert_slots);
  const double message = dispatch_bytes(model, layout.precision.activations) + combine_bytes(model);
  return sharding.ep * tokens * copies * message;
}

double workspace_bytes(const ModelShape& model, const System& system, const InstanceLayout& layout,
                       const MemoryLimits& limits) {
  const Sharding sharding(model, system.chip, layout);
  const double step_tokens = rank_tokens(layout, limits);
  const double tokens = step_tokens / (sharding.exchanges ? layout.microbatches : 1);
  const double own = sharding.sequence_share;
  const double residual = 4.0 * model.hidden * own;
  const double latent = model.q_lora + model.kv_lora + model.rope_dim;
  const double key_width = model.attention == AttentionKind::kGqa
                               ? 2.0 * model.kv_heads * model.head_dim
                               : query_width(model) + output_width(model);
  const double attention =
      latent + (query_width(model) + output_width(model) + key_width) / sharding.tp;
  const double dense = 3.0 * model.dense_ffn / sharding.tp;
  double experts = 0;
  if (model.is_moe()) {
    const double group = sharding.group_ranks * tokens * model.experts_per_token / sharding.ep;
    const double rows = std::min(group * (sharding.ep > 1 ? kExpertHeadroom : 1),
                                 sharding.group_ranks * tokens * model.experts_per_token);
    const double copied = sharding.exchanges ? 2 : 1;  // inputs are gathered where they lie
    experts = rows / std::max(1.0, tokens) *
              (copied * model.hidden + 3.0 * model.expert_ffn / sharding.expert_split);
  }
  const double rows = static_cast<double>(
      ceil_div(limits.max_sequences * (1 + layout.draft_tokens), layout.parallel.dp));
  return tokens * kBf16Bytes * (residual + std::max({attention, dense, experts})) +
         rows * limits.logit_bytes * model.vocab;
}

Result<MemoryPlan> plan_memory(const ModelShape& model, const System& system,
                               const InstanceLayout& layout, const MemoryLimits& limits) {
  CHECK(limits.block.count() > 0 && limits.memory_share > 0 && limits.memory_share <= 1);
  const MemoryPlan plan = fill(model, system, layout, limits);
  if (fits(plan)) return plan;
  const double block = plan.kv_bytes_per_token * limits.block.as_double();
  const double needed = plan.weights + plan.buffers + block +
                        plan.kv_bytes_per_sequence *
                            static_cast<double>(ceil_div(limits.max_sequences, layout.parallel.dp));
  return bad_input(fmt::format(
      "{} does not fit: {:.1f} GiB per die of weights, {:.1f} of buffers and a first KV block, and "
      "{} offers {:.1f}, {:.1f} GiB too few; {}",
      model.name, plan.weights / kGiB, (needed - plan.weights) / kGiB, system.chip.title,
      plan.capacity / kGiB, (needed - plan.capacity) / kGiB,
      what_fits(model, system, layout, limits)));
}

}  // namespace weft
