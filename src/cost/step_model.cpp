// Puts the loads of a step into the kernels' plans.
#include "cost/step_model.h"

#include <algorithm>

namespace weft {
namespace {

// Whether a step of `a` cannot take longer than one of `b`.
bool is_within(const RankLoad& a, const RankLoad& b) {
  return a.decode_context <= b.decode_context && a.decode_sequences <= b.decode_sequences &&
         a.decode_tokens <= b.decode_tokens && a.prefill_tokens <= b.prefill_tokens &&
         a.prefill_products <= b.prefill_products && a.prefill_context <= b.prefill_context &&
         a.prefill_sequences <= b.prefill_sequences && a.prefill_longest <= b.prefill_longest;
}

InstanceLayout with_head(InstanceLayout layout, const EngineSpec& engine) {
  if (engine.quantizes_head) layout.precision.head = layout.precision.weights;
  return layout;
}

}  // namespace

std::string_view bound_name(Bound bound) {
  switch (bound) {
    case Bound::kCompute:
      return "compute";
    case Bound::kMemory:
      return "memory";
    case Bound::kNetwork:
      return "network";
    case Bound::kLatency:
      break;
  }
  return "latency";
}

StepModel::StepModel(const ModelShape& model, const System& system, const InstanceLayout& layout,
                     const EngineSpec& engine)
    : layers_(model.layers),
      dense_layers_(model.is_moe() ? model.dense_layers : model.layers),
      draft_tokens_(layout.draft_tokens),
      pipeline_stages_(layout.parallel.pp),
      group_ranks_(static_cast<size_t>(Sharding(model, system.chip, layout).group_ranks)),
      host_step_(engine.costs.host_step / system.host_speed),
      host_sequence_(engine.costs.host_sequence / system.host_speed),
      host_overlapped_(engine.host_overlapped),
      captures_decode_(engine.captures_decode),
      eager_((engine.costs.eager_layer * model.layers +
              engine.costs.eager_experts * (layers_ - dense_layers_)) /
             system.host_speed),
      whole_(model, system, with_head(layout, engine), engine, 1),
      split_(
          Sharding(model, system.chip, layout).exchanges && layout.microbatches > 1
              ? StepKernels(model, system, with_head(layout, engine), engine, layout.microbatches)
              : whole_),
      bound_(model, system, with_head(layout, engine)) {}

LoadSummary StepModel::summarize(std::span<const RankLoad> loads) const {
  int64_t most_tokens = 0;
  int64_t most_group_tokens = 0;
  int64_t most_rows = 0;
  int32_t most_sequences = 0;
  int64_t prompt_tokens = 0;
  for (size_t first = 0; first < loads.size(); first += group_ranks_) {
    int64_t group_tokens = 0;
    for (const RankLoad& load :
         loads.subspan(first, std::min(group_ranks_, loads.size() - first))) {
      const int64_t tokens = load.prefill_tokens + load.decode_tokens;
      const int64_t rows =
          load.sampled + static_cast<int64_t>(draft_tokens_) * load.decode_sequences;
      group_tokens += tokens;
      prompt_tokens += load.prefill_tokens;
      most_tokens = std::max(most_tokens, tokens);
      most_rows = std::max(most_rows, rows);
      most_sequences = std::max(most_sequences, load.decode_sequences + load.prefill_sequences);
    }
    most_group_tokens = std::max(most_group_tokens, group_tokens);
  }
  LoadSummary sum;
  sum.tokens = static_cast<double>(most_tokens);
  sum.group_tokens = static_cast<double>(most_group_tokens);
  sum.rows = static_cast<double>(most_rows);
  sum.sequences = most_sequences;
  sum.prefills = prompt_tokens > 0;
  return sum;
}

// A rank that has no more of anything than the slowest so far is passed over.
StepModel::Slowest StepModel::slowest(const StepKernels& kernels, std::span<const RankLoad> loads) {
  Slowest slowest;
  for (size_t r = 0; r < loads.size(); ++r) {
    if (slowest.seconds >= 0 && is_within(loads[r], loads[slowest.rank])) continue;
    const StepKernels::RankParts parts = kernels.rank_parts(loads[r]);
    slowest.last_layer = std::max(slowest.last_layer, kernels.last_layer(parts));
    const double seconds = parts.total();
    if (seconds <= slowest.seconds) continue;
    slowest.seconds = seconds;
    slowest.rank = r;
  }
  return slowest;
}

StepModel::Parts StepModel::parts(const StepKernels& kernels, const LoadSummary& sum,
                                  const Slowest& rank) const {
  Parts p;
  p.own = std::max(0.0, rank.seconds);
  p.shared = kernels.shared_parts(sum);
  const StepKernels::SharedParts& s = p.shared;
  const double computation = p.own + s.experts;
  const double exchange = s.dispatch + s.combine;
  if (kernels.passes() > 1) {
    const double beside = computation * kernels.stretch(sum.prefills);
    const double shown = (1 - kernels.overlap(sum.prefills)) * std::min(beside, exchange);
    p.hidden = computation + exchange - std::max(beside, exchange) - shown;
  }
  const double layers = computation + exchange - p.hidden + s.collectives + s.launches;
  if (draft_tokens_ > 0 && sum.sequences > 0) {
    const double moe_layers = layers_ - dense_layers_;
    double one = rank.last_layer + (s.collectives + s.launches) / layers_;
    if (moe_layers > 0) one += (s.experts + exchange - p.hidden) / moe_layers;
    p.draft = draft_tokens_ * (one + kernels.draft_once(sum, sum.rows / (1 + draft_tokens_)));
  }
  const double device = layers + p.draft + s.embedding + s.head + s.sampling + s.pipeline;
  const double host = host_step_ + host_sequence_ * sum.sequences;
  p.host = host_overlapped_ ? std::max(0.0, host - device) : host;
  const bool eager = sum.tokens > 0 && (sum.prefills || !captures_decode_);
  if (eager) p.host = std::max(p.host, eager_ - device + (host_overlapped_ ? 0 : host));
  p.total = device + p.host;
  return p;
}

Duration StepModel::time(std::span<const RankLoad> loads) const {
  const LoadSummary sum = summarize(loads);
  const auto total = [&](const StepKernels& kernels) {
    return parts(kernels, sum, slowest(kernels, loads)).total;
  };
  const double whole = total(whole_);
  if (split_.passes() == 1) return seconds(whole);
  return seconds(std::min(whole, total(split_)));
}

std::vector<Term> StepModel::terms(std::span<const RankLoad> loads) const {
  const LoadSummary sum = summarize(loads);
  const StepKernels* kernels = &whole_;
  RankLoad load;
  StepKernels::RankParts own;
  Parts best;
  for (const StepKernels* one : {&whole_, &split_}) {
    const Slowest rank = slowest(*one, loads);
    const RankLoad slow = loads.empty() ? RankLoad() : loads[rank.rank];
    const Parts here = parts(*one, sum, rank);
    if (one != &whole_ && here.total >= best.total) continue;
    kernels = one;
    load = slow;
    own = one->rank_parts(slow);
    best = here;
  }
  std::vector<Term> terms;
  add_rank_terms(*kernels, own, load, terms);
  add_shared_terms(*kernels, best, terms);
  std::erase_if(terms, [](const Term& term) { return term.seconds == 0; });
  return terms;
}

void StepModel::add_rank_terms(const StepKernels& kernels, const StepKernels::RankParts& own,
                               const RankLoad& load, std::vector<Term>& terms) const {
  const int passes = kernels.passes();
  const int moe_layers = layers_ - dense_layers_;
  for (int i = 0; i < kGemmTerms; ++i) {
    const auto term = static_cast<GemmTerm>(i);
    const int count = term == GemmTerm::kProjections ? layers_
                      : term == GemmTerm::kDense     ? dense_layers_
                                                     : moe_layers;
    const bool compute = kernels.compute_bound(term, load);
    terms.push_back({gemm_term_name(term), count * passes, own.gemms[static_cast<size_t>(i)],
                     compute ? Bound::kCompute : Bound::kMemory});
  }
  const auto add = [&](std::string_view name, double seconds, Bound bound) {
    terms.push_back({name, layers_ * passes, seconds, bound});
  };
  add("attention, prefill", own.attention.prefill, Bound::kCompute);
  add("attention, decode", own.attention.decode, Bound::kMemory);
  add("sparse indexer", own.attention.index,
      load.prefill_tokens > 0 ? Bound::kCompute : Bound::kMemory);
  add("norms and activations", own.elementwise, Bound::kMemory);
}

void StepModel::add_shared_terms(const StepKernels& kernels, const Parts& parts,
                                 std::vector<Term>& terms) const {
  const StepKernels::SharedParts& s = parts.shared;
  const int passes = kernels.passes();
  const int moe_layers = (layers_ - dense_layers_) * passes;
  const auto add = [&](std::string_view name, int count, double seconds, Bound bound) {
    terms.push_back({name, count, seconds, bound});
  };
  add("routed experts", moe_layers, s.experts,
      s.experts_compute_bound ? Bound::kCompute : Bound::kMemory);
  add("dispatch", moe_layers, s.dispatch, Bound::kNetwork);
  add("combine", moe_layers, s.combine, Bound::kNetwork);
  add("hidden by micro-batches", moe_layers, -parts.hidden, Bound::kNetwork);
  add("collectives", 2 * layers_ * passes, s.collectives, Bound::kNetwork);
  add("kernel launches", layers_ * passes, s.launches, Bound::kLatency);
  add("multi-token prediction", draft_tokens_, parts.draft, Bound::kMemory);
  add("embedding", 1, s.embedding, Bound::kMemory);
  add("head", 1, s.head, Bound::kMemory);
  add("sampling", 1, s.sampling, Bound::kLatency);
  add("pipeline transfers", pipeline_stages_, s.pipeline, Bound::kNetwork);
  add("host", 1, parts.host, Bound::kLatency);
}

bool StepModel::covers(std::span<const RankLoad> loads) const {
  return std::ranges::all_of(loads, [&](const RankLoad& load) { return whole_.covers(load); });
}

}  // namespace weft
