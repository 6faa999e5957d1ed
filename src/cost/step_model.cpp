// Puts the loads of a step into the coefficients.
#include "cost/step_model.h"

#include <algorithm>

namespace weft {
namespace {

double rank_tokens(const RankLoad& load) {
  return static_cast<double>(load.prefill_tokens + load.decode_tokens);
}

// Computation and exchange of the layers, the shorter partly under the longer. Written so that
// rounding cannot make more work take less time.
double overlapped(double computation, double exchange, double overlap) {
  return std::max(computation, exchange) + (1 - overlap) * std::min(computation, exchange);
}

Bound side(bool compute) { return compute ? Bound::kCompute : Bound::kMemory; }

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
                     const EngineCosts& engine)
    : layers_(model.layers),
      dense_layers_(model.is_moe() ? model.dense_layers : model.layers),
      draft_tokens_(layout.draft_tokens),
      pipeline_stages_(layout.parallel.pp),
      tp_(layout.parallel.tp),
      group_ranks_(static_cast<size_t>(Sharding(model, system.chip, layout).group_ranks)),
      whole_(StepCoefficients::reached(model, system, layout, engine, 1)),
      split_(Sharding(model, system.chip, layout).exchanges && layout.microbatches > 1
                 ? StepCoefficients::reached(model, system, layout, engine, layout.microbatches)
                 : whole_),
      bound_(StepCoefficients::bound(model, system, layout)) {}

StepModel::Summary StepModel::summarize(std::span<const RankLoad> loads) const {
  int64_t most_tokens = 0;
  int64_t most_group_tokens = 0;
  int64_t most_rows = 0;
  for (size_t first = 0; first < loads.size(); first += group_ranks_) {
    int64_t group_tokens = 0;
    for (const RankLoad& load :
         loads.subspan(first, std::min(group_ranks_, loads.size() - first))) {
      const int64_t tokens = load.prefill_tokens + load.decode_tokens;
      const int64_t rows =
          load.sampled + static_cast<int64_t>(draft_tokens_) * load.decode_sequences;
      group_tokens += tokens;
      most_tokens = std::max(most_tokens, tokens);
      most_rows = std::max(most_rows, rows);
    }
    most_group_tokens = std::max(most_group_tokens, group_tokens);
  }
  return {static_cast<double>(most_tokens), static_cast<double>(most_group_tokens),
          static_cast<double>(most_rows)};
}

// A rank whose attention would not make it the slowest even with the most tokens of any rank is
// passed over; `bar` leaves room for rounding. Attention is the same whole and split.
StepModel::SlowestRanks StepModel::slowest(std::span<const RankLoad> loads,
                                           double most_tokens) const {
  constexpr double kRounding = 1 - 1e-12;
  const double most = whole_.products(most_tokens);
  const double most_split = split_.products(most_tokens);
  Slowest whole;
  Slowest split;
  double bar = -1;
  for (size_t r = 0; r < loads.size(); ++r) {
    const double attention = whole_.attention.seconds(loads[r]);
    if (attention <= bar) continue;
    const double tokens = rank_tokens(loads[r]);
    const double seconds = whole_.products(tokens) + attention;
    const double split_seconds = split_.products(tokens) + attention;
    if (seconds > whole.seconds) whole = {seconds, r};
    if (split_seconds > split.seconds) split = {split_seconds, r};
    bar = std::min(whole.seconds * kRounding - most, split.seconds * kRounding - most_split);
  }
  return {whole, split};
}

StepModel::Parts StepModel::parts(const StepCoefficients& c, const Summary& sum, double own) const {
  Parts p;
  p.own = own;
  p.experts = c.experts.seconds(sum.group_tokens);
  const double busiest =
      std::max(c.exchange_rank_share * sum.tokens, c.exchange_mean_share * sum.group_tokens);
  p.exchange = c.dispatch.seconds(busiest) + c.combine.seconds(busiest);
  p.layers = overlapped(p.own + p.experts, p.exchange, c.overlap) +
             c.collectives.seconds(sum.tokens) + c.launches;
  double logits = 0;
  if (sum.rows > 0) logits = c.head.seconds(sum.rows) + c.sampling.seconds(sum.rows);
  if (c.draft_tokens > 0) {
    double each = c.draft_projection.seconds(sum.tokens);
    const double sequences = sum.rows / (1 + c.draft_tokens);
    if (sequences > 0) each += c.head.seconds(sequences) + c.sampling.seconds(sequences);
    p.draft = c.draft_layers * p.layers + c.draft_tokens * each;
  }
  p.once = c.embedding.seconds(sum.tokens) + logits + c.pipeline.seconds(sum.tokens) + c.host;
  return p;
}

Duration StepModel::time(std::span<const RankLoad> loads) const {
  const Summary sum = summarize(loads);
  const SlowestRanks ranks = slowest(loads, sum.tokens);
  const double whole = parts(whole_, sum, ranks.whole.seconds).total();
  if (split_.passes == 1) return seconds(whole);
  return seconds(std::min(whole, parts(split_, sum, ranks.split.seconds).total()));
}

std::vector<Term> StepModel::terms(std::span<const RankLoad> loads) const {
  const Summary sum = summarize(loads);
  const SlowestRanks ranks = slowest(loads, sum.tokens);
  const Parts whole = parts(whole_, sum, ranks.whole.seconds);
  const Parts split = parts(split_, sum, ranks.split.seconds);
  const bool cut = split_.passes > 1 && split.total() < whole.total();
  const StepCoefficients& c = cut ? split_ : whole_;
  const size_t rank = cut ? ranks.split.rank : ranks.whole.rank;
  std::vector<Term> terms;
  add_rank_terms(c, loads.empty() ? RankLoad() : loads[rank], terms);
  add_shared_terms(c, sum, cut ? split : whole, terms);
  std::erase_if(terms, [](const Term& term) { return term.seconds == 0; });
  return terms;
}

void StepModel::add_rank_terms(const StepCoefficients& c, const RankLoad& load,
                               std::vector<Term>& terms) const {
  const double tokens = rank_tokens(load);
  const auto add_product = [&](std::string_view name, int count, const Product& p) {
    terms.push_back({name, count * c.passes, p.seconds(tokens), side(p.compute_bound(tokens))});
  };
  const auto add_work = [&](std::string_view name, double seconds, AttentionCost::Work work) {
    terms.push_back({name, layers_ * c.passes, seconds, side(work.compute >= work.memory)});
  };
  add_product("attention projections", layers_, c.projections);
  const AttentionCost::Work prefill = c.attention.prefill(load);
  const AttentionCost::Work prefill_index = c.attention.prefill_index(load);
  const AttentionCost::Work decode_index = c.attention.decode_index(load);
  const bool prefills = load.prefill_tokens > 0;
  const double decoding = std::max(decode_index.compute, decode_index.memory);
  const double indexing = std::max(prefill_index.compute, prefill_index.memory);
  if (prefills) {
    add_work("attention, prefill", std::max(prefill.compute, prefill.memory), prefill);
  }
  add_work("attention, decode", c.attention.decode_seconds(load) - decoding,
           c.attention.decode(load));
  add_work(
      "sparse indexer", decoding + (prefills ? indexing : 0),
      {decode_index.compute + prefill_index.compute, decode_index.memory + prefill_index.memory});
  terms.push_back(
      {"norms and activations", layers_ * c.passes, c.elementwise * tokens, Bound::kMemory});
  add_product("dense ffn", dense_layers_, c.dense);
  add_product("router", layers_ - dense_layers_, c.router);
  add_product("shared experts", layers_ - dense_layers_, c.shared);
}

void StepModel::add_shared_terms(const StepCoefficients& c, const Summary& sum, const Parts& parts,
                                 std::vector<Term>& terms) const {
  const int moe_layers = (layers_ - dense_layers_) * c.passes;
  const double busiest =
      std::max(c.exchange_rank_share * sum.tokens, c.exchange_mean_share * sum.group_tokens);
  const auto add_line = [&](std::string_view name, int count, const Line& line, double n,
                            Bound bound) {
    const bool late = line.fixed > line.per_token * n;
    terms.push_back({name, count, line.seconds(n), late ? Bound::kLatency : bound});
  };
  terms.push_back(
      {"routed experts", moe_layers, parts.experts,
       side(c.experts.compute(sum.group_tokens) >= c.experts.memory(sum.group_tokens))});
  add_line("dispatch", moe_layers, c.dispatch, busiest, Bound::kNetwork);
  add_line("combine", moe_layers, c.combine, busiest, Bound::kNetwork);
  const double computation = parts.own + parts.experts;
  terms.push_back({"hidden by micro-batches", moe_layers,
                   -c.overlap * std::min(computation, parts.exchange), Bound::kNetwork});
  add_line("collectives", 2 * layers_ * c.passes, c.collectives, sum.tokens, Bound::kNetwork);
  terms.push_back({"kernel launches", layers_ * c.passes, c.launches, Bound::kLatency});
  terms.push_back({"multi-token prediction", draft_tokens_, parts.draft, Bound::kMemory});
  add_line("embedding", 1, c.embedding, sum.tokens, tp_ > 1 ? Bound::kNetwork : Bound::kMemory);
  if (sum.rows > 0) {
    terms.push_back({"head", 1, c.head.seconds(sum.rows), side(c.head.compute_bound(sum.rows))});
    add_line("sampling", 1, c.sampling, sum.rows, Bound::kMemory);
  }
  add_line("pipeline transfers", pipeline_stages_, c.pipeline, sum.tokens, Bound::kNetwork);
  terms.push_back({"host", 1, c.host, Bound::kLatency});
}

AttentionCost::Work StepModel::least_work(const RankLoad& load) const {
  AttentionCost::Work work;
  const auto add = [&](AttentionCost::Work more) {
    work.compute += more.compute;
    work.memory += more.memory;
  };
  add(bound_.attention.decode(load));
  add(bound_.attention.decode_index(load));
  if (load.prefill_tokens > 0) {
    add(bound_.attention.prefill(load));
    add(bound_.attention.prefill_index(load));
  }
  const double tokens = rank_tokens(load);
  if (tokens > 0) {
    for (const Product* p : {&bound_.projections, &bound_.dense, &bound_.router, &bound_.shared}) {
      add({p->compute * tokens, p->weights});
    }
  }
  if (load.sampled > 0) add({bound_.head.compute * load.sampled, bound_.head.weights});
  return work;
}

Duration StepModel::speed_of_light(std::span<const RankLoad> loads) const {
  AttentionCost::Work most;
  AttentionCost::Work all;
  double tokens = 0;
  for (const RankLoad& load : loads) {
    const AttentionCost::Work work = least_work(load);
    most.compute = std::max(most.compute, work.compute);
    most.memory = std::max(most.memory, work.memory);
    all.compute += work.compute;
    all.memory += work.memory;
    tokens += rank_tokens(load);
  }
  if (tokens > 0) {
    const double ranks = static_cast<double>(loads.size());
    const double group = tokens / ranks * static_cast<double>(group_ranks_);
    most.compute = std::max(most.compute, all.compute / ranks + bound_.experts.compute(group));
    most.memory = std::max(most.memory, all.memory / ranks + bound_.experts.memory(group));
  }
  return seconds(std::max(most.compute, most.memory));
}

}  // namespace weft
