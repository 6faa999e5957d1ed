// Builds StepCoefficients, a function for each kind of work.
#include "cost/step_coefficients.h"

#include <algorithm>

namespace weft {
namespace {

constexpr double kBf16Bytes = 2;

// How the step is run: rates, and how often weights are read and kernels start.
struct Run {
  Rates rates;
  double passes = 1;        // micro-batches, each reads the weights
  double share = 1;         // of the load that one pass of one pipeline stage sees: 1 / pp
  double weight_reads = 1;  // per layer of the model
  bool bound = false;       // least work: no activation traffic, even experts
};

class Builder {
 public:
  Builder(const ModelShape& model, const System& system, const InstanceLayout& layout,
          const EngineCosts& engine, Run run)
      : model_(model),
        system_(system),
        layout_(layout),
        engine_(engine),
        run_(run),
        sharding_(model, system.chip, layout),
        moe_layers_(model.is_moe() ? model.moe_layers() : 0),
        imbalance_(layout.expert_imbalance > 0 ? layout.expert_imbalance
                                               : engine.expert_imbalance) {}

  StepCoefficients build() {
    StepCoefficients c(AttentionCost(model_, layout_, run_.rates, run_.share, run_.bound));
    add_attention(c);
    add_ffn(c);
    if (moe_layers_ > 0) add_experts(c);
    add_head(c);
    if (run_.bound) return c;
    add_elementwise(c);
    if (sharding_.exchanges) add_exchange(c);
    add_collectives(c);
    add_fixed(c);
    return c;
  }

 private:
  // Products of `tokens_share` of a rank's tokens with `parameters` on this die; `values` go in and
  // out per token of the rank.
  Product product(double parameters, double tokens_share, Format weights, Format activations,
                  double values) const {
    const double rate = run_.rates.of(product_format(weights, activations));
    Product p;
    p.compute = 2 * parameters * tokens_share * run_.share / rate;
    p.weights = parameters * bytes_per_value(weights) * run_.weight_reads / run_.rates.memory;
    p.traffic = run_.bound ? 0 : per_byte(values * kBf16Bytes);
    return p;
  }
  [[nodiscard]] double per_byte(double bytes) const {
    return bytes * run_.share / run_.rates.memory;
  }

  void add_attention(StepCoefficients& c) const;
  void add_ffn(StepCoefficients& c) const;
  void add_experts(StepCoefficients& c) const;
  void add_exchange(StepCoefficients& c) const;
  void add_collectives(StepCoefficients& c) const;
  [[nodiscard]] Line attention_collectives() const;
  [[nodiscard]] Line ffn_collectives(bool moe) const;
  void add_elementwise(StepCoefficients& c) const;
  void add_head(StepCoefficients& c) const;
  void add_fixed(StepCoefficients& c) const;
  [[nodiscard]] Line line(const Transfer& transfer, double bytes_per_token) const {
    return {transfer.fixed * run_.passes, transfer.per_byte * bytes_per_token * run_.share};
  }

  const ModelShape& model_;
  const System& system_;
  const InstanceLayout& layout_;
  const EngineCosts& engine_;
  Run run_;
  Sharding sharding_;
  double moe_layers_;
  double imbalance_;
};

Line operator+(Line a, Line b) { return {a.fixed + b.fixed, a.per_token + b.per_token}; }
Line operator*(double n, Line a) { return {n * a.fixed, n * a.per_token}; }

Product& operator+=(Product& a, const Product& b) {
  a.compute += b.compute;
  a.weights += b.weights;
  a.traffic += b.traffic;
  return a;
}

void Builder::add_attention(StepCoefficients& c) const {
  const double heads = (query_width(model_) + output_width(model_)) / sharding_.tp;
  const double values = 2 * model_.hidden * sharding_.sequence_share + heads;
  for (const AttentionGroup& group : model_.attention_groups) {
    const AttentionWeights weights = attention_weights(model_, group, layout_);
    const Format format = sharding_.layer_format;
    const Format activations = layout_.precision.activations;
    const double n = group.layers;
    c.projections +=
        product(n * weights.whole, sharding_.sequence_share, format, activations, n * values);
    c.projections += product(n * weights.split, 1, format, activations, 0);
  }
}

// Dense layers, the router's gate (BF16, every token) and shared experts that lie on every die.
void Builder::add_ffn(StepCoefficients& c) const {
  const Format activations = layout_.precision.activations;
  const double tp = sharding_.tp;
  const double dense_layers = model_.layers - moe_layers_;
  const double dense_values = (2.0 * model_.hidden + 3.0 * model_.dense_ffn / tp) * dense_layers;
  c.dense = product(dense_layers * model_.dense_ffn_parameters() / tp, 1, sharding_.layer_format,
                    activations, dense_values);
  if (moe_layers_ == 0) return;
  const double own = sharding_.sequence_share;
  c.router = product(moe_layers_ * model_.router_parameters_per_layer(), own, Format::kBf16,
                     Format::kBf16, moe_layers_ * model_.hidden * own);
  if (model_.shared_experts == 0 || sharding_.shared_only_dies > 0) return;
  // Under SP every die has the whole expert and its own tokens; under TP a slice and all tokens.
  const double parameters = moe_layers_ * model_.shared_experts * model_.expert_parameters();
  const double slice = layout_.parallel.sp > 1 ? 1 : 1 / tp;
  const double values = (2.0 * model_.hidden + 3.0 * model_.expert_ffn * slice) * own;
  c.shared = product(parameters * slice, own, sharding_.layer_format, activations,
                     moe_layers_ * model_.shared_experts * values);
}

void Builder::add_experts(StepCoefficients& c) const {
  const double split = sharding_.expert_split;
  const double hidden = model_.hidden;
  const double ffn = model_.expert_ffn / split;
  const double parameters = moe_layers_ * model_.expert_parameters() / split;
  const Format activations = layout_.precision.activations;
  const double one_byte = bytes_per_value(activations);
  const double routed_dies = sharding_.ep - sharding_.shared_only_dies;
  const double slots = sharding_.expert_slots * routed_dies;
  const double k = model_.experts_per_token;
  ExpertProduct& e = c.experts;
  e.per_copy = product(parameters, 1, sharding_.expert_format, activations,
                       moe_layers_ * (1.5 * hidden + 3 * ffn));
  e.per_copy.weights *= sharding_.expert_slots;
  e.idle_base = 1 - k / slots;
  const double shared_copies = sharding_.shared_only_dies > 0 ? model_.shared_experts : 0;
  if (run_.bound) {
    e.per_copy.weights *= routed_dies / sharding_.ep;
    e.copies = (k + shared_copies) / sharding_.ep;
    e.tokens_scale = 1;
    return;
  }
  // SwiGLU reads two rows of ffn and writes one; a copy is written, read and gathered once.
  const double handled = 2 * hidden * one_byte + hidden * kBf16Bytes + 5 * ffn;
  e.handling = per_byte(moe_layers_ * handled);
  const double hot = sharding_.ep > 1 ? imbalance_ : 1;
  e.copies = k * hot / routed_dies;
  if (shared_copies > 0) {
    e.copies = std::max(e.copies, shared_copies / sharding_.shared_only_dies);
  }
  e.tokens_scale = hot * run_.share / run_.passes;
  e.least_used = std::min(1.0, 1 / sharding_.expert_slots);
}

// Tokens leave from the die that computed their attention. The busiest die is the largest rank's,
// or the one that the hottest experts' copies reach.
void Builder::add_exchange(StepCoefficients& c) const {
  ExchangeShape shape;
  shape.dies = sharding_.ep;
  shape.copies = sharding_.copies_per_token(model_);
  shape.per_domain = layout_.role != Role::kDecode;
  if (model_.expert_groups > 1) shape.domain_limit = model_.expert_groups_per_token;
  const Transfer transfer = exchange(system_, engine_, shape);
  c.dispatch = moe_layers_ * line(transfer, dispatch_bytes(model_, layout_.precision.activations));
  c.combine = moe_layers_ * line(transfer, combine_bytes(model_));
  c.exchange_rank_share = 1.0 / sharding_.tp;
  c.exchange_mean_share = imbalance_ / sharding_.ep;
  if (run_.passes > 1) c.overlap = engine_.overlap;
}

// TP: all-reduce of the attention's output. SP: all-gather of the latents, all-to-all of the heads'
// outputs (CM section 4.3.2); GQA exchanges heads for tokens before and after.
Line Builder::attention_collectives() const {
  const int tp = sharding_.tp;
  if (layout_.parallel.sp == 1) {
    return line(all_reduce(system_, engine_, tp), model_.hidden * kBf16Bytes);
  }
  const Transfer spread = all_to_all(system_, engine_, tp);
  const Line back = line(spread, output_width(model_) / tp * kBf16Bytes);
  if (model_.attention == AttentionKind::kGqa) {
    const double rows = query_width(model_) + 2.0 * model_.kv_heads * model_.head_dim;
    return line(spread, rows / tp * kBf16Bytes) + back;
  }
  const double row =
      model_.attention == AttentionKind::kMla ? model_.kv_lora + model_.rope_dim : model_.head_dim;
  return line(all_gather(system_, engine_, tp), (model_.q_lora + row) * kBf16Bytes) + back;
}

// TP: all-reduce after the FFN, or all-gather of the tokens that combine left spread. SP: a layer
// without exchange gathers its tokens and scatters the sums.
Line Builder::ffn_collectives(bool moe) const {
  const double row = model_.hidden * kBf16Bytes;
  if (!(moe && sharding_.exchanges)) {
    return line(all_reduce(system_, engine_, sharding_.tp), row);
  }
  if (layout_.parallel.sp > 1) return {};
  return line(all_gather(system_, engine_, sharding_.tp), row);
}

void Builder::add_collectives(StepCoefficients& c) const {
  const int tp = sharding_.tp;
  const double row = model_.hidden * kBf16Bytes;
  // The vocabulary's slices sum their rows; under SP each die keeps its own tokens' alone.
  const Transfer sum =
      layout_.parallel.sp > 1 ? all_gather(system_, engine_, tp) : all_reduce(system_, engine_, tp);
  c.embedding = line(sum, row);
  c.embedding.per_token += per_byte(2 * row);
  if (tp > 1) {
    c.collectives = model_.layers * attention_collectives() + moe_layers_ * ffn_collectives(true) +
                    (model_.layers - moe_layers_) * ffn_collectives(false);
  }
  // A micro-batch passes every stage once, and pp of them are under way: pp hops a step.
  const int pp = layout_.parallel.pp;
  if (pp > 1) c.pipeline = pp * line(send(system_, sharding_.stage_dies), row / tp);
}

// Norms, residuals and quantisation: about eight rows of hidden; rotary and concatenation of heads.
void Builder::add_elementwise(StepCoefficients& c) const {
  const double heads = (query_width(model_) + output_width(model_)) / sharding_.tp;
  const double rows = 8 * model_.hidden * sharding_.sequence_share * model_.residual_streams;
  const double swiglu = 3.0 * model_.dense_ffn / sharding_.tp;
  const double values = model_.layers * (rows + heads) + (model_.layers - moe_layers_) * swiglu;
  c.elementwise = per_byte(values * kBf16Bytes);
}

// BF16 head, a slice of the vocabulary per die; sampling passes three times over FP32 logits that
// all slices were gathered from.
void Builder::add_head(StepCoefficients& c) const {
  const double tp = sharding_.tp;
  const double vocab = model_.vocab;
  c.head = product(model_.embedding_parameters() / tp, 1, Format::kBf16, Format::kBf16,
                   model_.hidden + vocab / tp);
  c.head.weights /= run_.passes;  // logits wait for the whole batch
  if (layout_.draft_tokens == 0 || run_.bound) return;
  c.draft_tokens = layout_.draft_tokens;
  c.draft_layers = c.draft_tokens / model_.layers;
  const double hidden = model_.hidden;
  c.draft_projection = product(2 * hidden * hidden, 1, sharding_.layer_format,
                               layout_.precision.activations, 3 * hidden);
}

void Builder::add_fixed(StepCoefficients& c) const {
  const double vocab = model_.vocab;
  const Transfer gather = all_gather(system_, engine_, sharding_.tp);
  c.sampling = {engine_.sampling_start + gather.fixed,
                per_byte(3 * 4 * vocab) + gather.per_byte * kBf16Bytes * vocab * run_.share};
  const double dense_layers = model_.layers - moe_layers_;
  c.launches =
      engine_.kernel_gap * run_.passes *
      (model_.layers * engine_.kernels_per_attention +
       dense_layers * engine_.kernels_per_dense_ffn + moe_layers_ * engine_.kernels_per_moe_ffn);
  c.host = engine_.host;
}

}  // namespace

// x^n by squaring, so that every machine gets the same digits; n is rounded up. 0 where 1 - x^n
// is 1 to the last digit.
static double power(double base, double exponent) {
  if (exponent * (1 - base) > 40) return 0;
  auto n = static_cast<uint64_t>(exponent);
  if (static_cast<double>(n) < exponent) ++n;
  double result = 1;
  for (; n > 0; n >>= 1) {
    if ((n & 1) != 0) result *= base;
    base *= base;
  }
  return result;
}

double ExpertProduct::used_share(double group_tokens) const {
  return std::max(least_used, 1 - power(idle_base, group_tokens * tokens_scale));
}

StepCoefficients StepCoefficients::reached(const ModelShape& model, const System& system,
                                           const InstanceLayout& layout, const EngineCosts& engine,
                                           int passes) {
  Run run{reached_rates(system.chip, engine), static_cast<double>(passes), 1.0 / layout.parallel.pp,
          static_cast<double>(passes), false};
  StepCoefficients c = Builder(model, system, layout, engine, run).build();
  c.passes = passes;
  return c;
}

StepCoefficients StepCoefficients::bound(const ModelShape& model, const System& system,
                                         const InstanceLayout& layout) {
  const double share = 1.0 / layout.parallel.pp;
  Run run{peak_rates(system.chip, layout.precision.kv), 1, share, share, true};
  const EngineCosts none;
  return Builder(model, system, layout, none, run).build();
}

}  // namespace weft
