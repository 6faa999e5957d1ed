// Plans of every kernel, and what a load makes of them.
#include "cost/step_kernels.h"

#include <algorithm>
#include <cmath>

#include "cost/step_bound.h"

namespace weft {
namespace {

constexpr double kBf16Bytes = 2;
constexpr double kBlock = 128;  // values that share a scale

// Bytes of a value in memory, block scales included.
double weight_bytes_of(Format format, bool block_scaled) {
  const double scales = block_scaled && format == Format::kFp8 ? 4 / (kBlock * kBlock) : 0;
  return bytes_per_value(format) + scales;
}

double activation_bytes_of(Format format, bool block_scaled) {
  const double scales = block_scaled && format == Format::kFp8 ? 4 / kBlock : 0;
  return bytes_per_value(format) + scales;
}

ExchangeSoftware software_of(ExchangeKind kind) {
  switch (kind) {
    case ExchangeKind::kDeepEpNormal:
      return ExchangeSoftware::kDeepEpNormal;
    case ExchangeKind::kTrtllmOneSided:
      return ExchangeSoftware::kTrtllmOneSided;
    case ExchangeKind::kTrtllmTwoSided:
      return ExchangeSoftware::kTrtllmTwoSided;
    case ExchangeKind::kCloudMatrix:
      return ExchangeSoftware::kCloudMatrix;
    case ExchangeKind::kDeepEpLowLatency:
    case ExchangeKind::kAllGather:
      break;
  }
  return ExchangeSoftware::kDeepEpLowLatency;
}

CollectiveSoftware software_of(AllReduceKind kind) {
  if (kind == AllReduceKind::kTrtllm) return CollectiveSoftware::kTrtllm;
  return kind == AllReduceKind::kCustom ? CollectiveSoftware::kCustom
                                        : CollectiveSoftware::kLibrary;
}

}  // namespace

std::string_view gemm_term_name(GemmTerm term) {
  switch (term) {
    case GemmTerm::kProjections:
      return "attention projections";
    case GemmTerm::kDense:
      return "dense ffn";
    case GemmTerm::kRouter:
      return "router";
    case GemmTerm::kShared:
      break;
  }
  return "shared experts";
}

struct StepKernels::Builder {
  StepKernels& out;
  const ModelShape& model;
  const System& system;
  const InstanceLayout& layout;
  const EngineSpec& engine;
  Sharding sharding{model, system.chip, layout};
  double moe_layers = model.is_moe() ? model.moe_layers() : 0;
  bool block_scaled = layout.precision.block_scales.value_or(model.native_weights == Format::kFp8);
  double memory = system.chip.memory_bandwidth *
                  system.chip.kernels.gemm.of(GemmKind::kBf16).constants.memory_share;

  [[nodiscard]] GemmPeaks peaks(Format format) const {
    return {system.chip.ops(format) * system.chip.sustained, system.chip.memory_bandwidth,
            system.chip.cores};
  }
  [[nodiscard]] Gemm gemm(const LayerGemm& shape) const {
    const Format format = product_format(shape.weights, shape.activations);
    const bool four_bits = bytes_per_value(shape.weights) < 1 && format == Format::kBf16;
    const GemmKind kind =
        four_bits ? GemmKind::kFourBitWeights : gemm_kind(format, format, block_scaled);
    Gemm gemm;
    gemm.shape = shape;
    gemm.fit = &system.chip.kernels.gemm.of(kind);
    const GemmShape sizes{static_cast<double>(shape.n),
                          static_cast<double>(shape.k),
                          static_cast<double>(shape.groups),
                          weight_bytes_of(shape.weights, block_scaled),
                          activation_bytes_of(format, block_scaled),
                          kBf16Bytes};
    GemmPeaks reached = peaks(format);
    reached.operations *= engine.costs.products_share;
    gemm.plan = GemmPlan(sizes, gemm.fit->constants, reached);
    return gemm;
  }
  void add_gemms(GemmTerm term, const std::vector<LayerGemm>& shapes) const {
    for (const LayerGemm& shape : shapes) {
      out.gemms_[static_cast<size_t>(term)].push_back(gemm(shape));
      out.reprojects_ = out.reprojects_ || shape.rows == LayerGemm::Rows::kPrefillTokens;
    }
  }
  [[nodiscard]] Collective collective(CollectivePlan plan, double bytes, double count) const {
    return {plan, bytes, count};
  }
  [[nodiscard]] const CollectiveConstants& constants() const {
    return system.chip.kernels.collectives;
  }
  [[nodiscard]] CollectivePlan reduce(int dies) const {
    return plan_all_reduce(system, constants(), software_of(engine.all_reduce), dies);
  }

  void build() const {
    add_gemms(GemmTerm::kProjections, attention_gemms(model, layout, sharding));
    add_gemms(GemmTerm::kDense, dense_ffn_gemms(model, layout, sharding));
    add_gemms(GemmTerm::kRouter, {});
    for (const LayerGemm& shape : moe_gemms(model, layout, sharding)) {
      add_gemms(shape.term == "router" ? GemmTerm::kRouter : GemmTerm::kShared, {shape});
    }
    add_elementwise();
    if (moe_layers > 0) add_experts();
    if (sharding.exchanges) add_exchange();
    if (sharding.tp > 1) add_attention_collectives();
    if (sharding.tp > 1) add_ffn_collectives();
    add_once();
    add_launches();
  }
  void add_elementwise() const;
  void add_experts() const;
  void add_exchange() const;
  [[nodiscard]] Exchange exchange(ExchangeKind kind, bool dispatch) const;
  void add_attention_collectives() const;
  void add_ffn_collectives() const;
  void add_once() const;
  void add_launches() const;
};

StepKernels::StepKernels(const ModelShape& model, const System& system,
                         const InstanceLayout& layout, const EngineSpec& engine, int passes)
    : passes_(passes),
      share_(1.0 / layout.parallel.pp / passes),
      pipeline_stages_(layout.parallel.pp),
      layers_(model.layers),
      dense_layers_(model.is_moe() ? model.dense_layers : model.layers),
      attention_(model, system, layout, engine.expert_kernels == ExpertKernels::kOpen),
      attention_times_(1 / engine.costs.attention_share),
      overlap_prefill_(engine.costs.overlap_prefill),
      overlap_decode_(engine.costs.overlap_decode) {
  Builder{*this, model, system, layout, engine}.build();
}

// Norms, residuals and quantisation: about eight rows of hidden; rotary and concatenation of heads;
// SwiGLU of dense layers.
void StepKernels::Builder::add_elementwise() const {
  const double heads = (query_width(model) + output_width(model)) / sharding.tp;
  const double rows = 8.0 * model.hidden * sharding.sequence_share * model.residual_streams;
  const double swiglu = 3.0 * model.dense_ffn / sharding.tp;
  const double values = model.layers * (rows + heads) + out.dense_layers_ * swiglu;
  out.elementwise_ = values * kBf16Bytes / memory;
}

void StepKernels::Builder::add_experts() const {
  Experts& e = out.experts_;
  const Format format = product_format(sharding.expert_format, layout.precision.activations);
  const bool four_bits = bytes_per_value(sharding.expert_format) < 1 && format == Format::kBf16;
  GemmKind kind = four_bits ? GemmKind::kFourBitWeights : gemm_kind(format, format, block_scaled);
  if (kind == GemmKind::kFp8Block && sharding.exchanges) kind = GemmKind::kFp8Grouped;
  if (engine.expert_kernels == ExpertKernels::kOpen) kind = open_kind(kind);
  const ExpertShape shape{static_cast<double>(model.hidden),
                          static_cast<double>(model.expert_ffn) / sharding.expert_split,
                          weight_bytes_of(sharding.expert_format, block_scaled),
                          activation_bytes_of(format, block_scaled),
                          sharding.expert_slots,
                          sharding.exchanges ? 1 : static_cast<double>(model.experts_per_token)};
  e.plan = ExpertPlan(shape, system.chip.kernels.experts.of(kind).constants, peaks(format));
  e.layers = moe_layers;
  e.slots = sharding.expert_slots;
  const double routed_dies = sharding.ep - sharding.shared_only_dies;
  const double k = model.experts_per_token;
  e.copies = k / routed_dies;
  if (sharding.ep > 1) {
    const bool given = layout.expert_imbalance > 0;
    e.balance = given ? layout.expert_imbalance : engine.costs.expert_imbalance;
    e.two_log_dies = given ? 0 : 2 * std::log(static_cast<double>(routed_dies));
  }
  if (sharding.shared_only_dies > 0) {
    e.least_copies = static_cast<double>(model.shared_experts) / sharding.shared_only_dies;
  }
  e.popularity = ExpertPopularity(k / (sharding.expert_slots * routed_dies));
  e.sees_all = !sharding.exchanges;
}

StepKernels::Exchange StepKernels::Builder::exchange(ExchangeKind kind, bool dispatch) const {
  Exchange made;
  const Format activations = layout.precision.activations;
  const double hidden = model.hidden;
  if (kind == ExchangeKind::kAllGather) {
    const CollectivePlan plan = dispatch ? plan_all_gather(system, constants(), sharding.ep)
                                         : plan_reduce_scatter(system, constants(), sharding.ep);
    const double bytes = hidden * (dispatch ? bytes_per_value(activations) : kBf16Bytes);
    made.collective = {plan, bytes, 1};
    return made;
  }
  const ExchangeConstants& kernels = system.chip.kernels.exchange;
  ExchangeRoute route;
  route.software = kernels.nearest(software_of(kind));
  route.dies = sharding.ep;
  route.experts = model.experts + layout.redundant_experts;
  route.copies = sharding.copies_per_token(model);
  if (model.expert_groups > 1) route.domain_limit = model.expert_groups_per_token;
  const ExchangeRow row = exchange_row(route.software, activations, hidden);
  made.plan = dispatch ? plan_dispatch(system, kernels, route, row.dispatch)
                       : plan_combine(system, kernels, route, row.combine);
  return made;
}

// Tokens leave from the die that computed their attention. The busiest die is the largest rank's,
// or the one that the hottest experts' copies reach.
void StepKernels::Builder::add_exchange() const {
  out.exchanges_ = true;
  out.dispatch_ = {exchange(engine.decode_exchange, true), exchange(engine.prefill_exchange, true)};
  out.combine_ = {exchange(engine.decode_exchange, false),
                  exchange(engine.prefill_exchange, false)};
  // DeepEP's normal kernels hold some cores while they move (DeepSeek-V3, section 3.2.2: 20 SMs).
  const ExchangeConstants& kernels = system.chip.kernels.exchange;
  for (const auto& [index, kind] :
       {std::pair(0, engine.decode_exchange), std::pair(1, engine.prefill_exchange)}) {
    const bool normal = kernels.nearest(software_of(kind)) == ExchangeSoftware::kDeepEpNormal;
    const double held = normal ? kernels.normal_cores : 0;
    out.stretch_[static_cast<size_t>(index)] = kernels.cores / (kernels.cores - held);
  }
  const double balance =
      layout.expert_imbalance > 0 ? layout.expert_imbalance : engine.costs.expert_imbalance;
  out.exchange_rank_share_ = 1.0 / sharding.tp;
  out.exchange_mean_share_ = balance / sharding.ep;
}

// TP: all-reduce of the attention's output. SP: all-gather of the latents, all-to-all of the heads'
// outputs (CM section 4.3.2); GQA exchanges heads for tokens before and after.
void StepKernels::Builder::add_attention_collectives() const {
  const int tp = sharding.tp;
  const double layers = model.layers;
  const auto add = [&](CollectivePlan plan, double values) {
    out.collectives_.push_back(collective(plan, values * kBf16Bytes, layers));
  };
  if (layout.parallel.sp == 1) return add(reduce(tp), model.hidden);
  const CollectivePlan spread = plan_all_to_all(system, constants(), tp);
  add(spread, output_width(model) / tp);
  if (model.attention == AttentionKind::kGqa) {
    return add(spread, (query_width(model) + 2.0 * model.kv_heads * model.head_dim) / tp);
  }
  const double row =
      model.attention == AttentionKind::kMla ? model.kv_lora + model.rope_dim : model.head_dim;
  add(plan_all_gather(system, constants(), tp), model.q_lora + row);
}

// TP: all-reduce after the FFN, or all-gather of the tokens that combine left spread. SP: a layer
// without exchange gathers its tokens and scatters the sums.
void StepKernels::Builder::add_ffn_collectives() const {
  const double row = model.hidden * kBf16Bytes;
  const double plain = sharding.exchanges ? out.dense_layers_ : model.layers;
  if (plain > 0) out.collectives_.push_back(collective(reduce(sharding.tp), row, plain));
  if (!sharding.exchanges || layout.parallel.sp > 1) return;
  const CollectivePlan gather = plan_all_gather(system, constants(), sharding.tp);
  out.collectives_.push_back(collective(gather, row, moe_layers));
}

// Embedding, head, sampling, pipeline and MTP's projection. The vocabulary's slices sum their rows;
// under SP each die keeps its own tokens' alone. Sampling passes three times over FP32 logits.
void StepKernels::Builder::add_once() const {
  const double row = model.hidden * kBf16Bytes;
  if (sharding.tp > 1) {
    const CollectivePlan sum = layout.parallel.sp > 1
                                   ? plan_all_gather(system, constants(), sharding.tp)
                                   : reduce(sharding.tp);
    out.embedding_ = collective(sum, row, 1);
    out.logits_ =
        collective(plan_all_gather(system, constants(), sharding.tp), kBf16Bytes * model.vocab, 1);
  }
  out.embedding_per_token_ = 2 * row / memory;
  const int pp = layout.parallel.pp;
  if (pp > 1) {
    out.pipeline_ =
        collective(plan_send(system, constants(), sharding.stage_dies), row / sharding.tp, pp);
  }
  out.head_ = gemm(head_gemm(model, layout, sharding));
  out.draft_ = gemm(draft_gemm(model, layout, sharding));
  out.sampling_ = engine.costs.sampling;
  out.sampling_per_row_ = 3.0 * 4 * model.vocab / memory;
}

// Gaps between kernels, and the small kernels whole. Attention counts one kernel a layer.
void StepKernels::Builder::add_launches() const {
  const EngineCosts& c = engine.costs;
  const double small = model.layers * c.kernels_per_attention +
                       out.dense_layers_ * c.kernels_per_dense_ffn +
                       moe_layers * c.kernels_per_moe_ffn;
  double large = model.layers;
  for (const auto& gemms : out.gemms_) {
    for (const Gemm& gemm : gemms) large += gemm.shape.count;
  }
  for (const Collective& one : out.collectives_) large += one.count;
  if (moe_layers > 0) large += moe_layers * (sharding.exchanges ? 3 : 1);
  out.launches_ = small * c.small_kernel + (small + large) * c.kernel_gap;
}

double StepKernels::rows_of(const LayerGemm& gemm, const RankLoad& load) const {
  double rows = 0;
  switch (gemm.rows) {
    case LayerGemm::Rows::kTokens:
      rows = static_cast<double>(load.prefill_tokens + load.decode_tokens);
      break;
    case LayerGemm::Rows::kDecodeTokens:
      rows = static_cast<double>(load.decode_tokens);
      break;
    case LayerGemm::Rows::kPrefillTokens:
      if (load.prefill_tokens == 0) return 0;
      rows = static_cast<double>(load.prefill_tokens + load.prefill_context);
      break;
  }
  return std::ceil(rows * share_ * gemm.rows_share);
}

StepKernels::GemmSeconds StepKernels::gemm_seconds(const RankLoad& load) const {
  GemmSeconds seconds{};
  for (size_t term = 0; term < gemms_.size(); ++term) {
    for (const Gemm& gemm : gemms_[term]) {
      const double rows = rows_of(gemm.shape, load);
      if (rows > 0) seconds[term] += passes_ * gemm.shape.count * gemm.plan.seconds(rows);
    }
  }
  return seconds;
}

StepKernels::RankParts StepKernels::rank_parts(const RankLoad& load) const {
  RankParts parts;
  const int64_t context = reprojects_ && load.prefill_tokens > 0 ? load.prefill_context : 0;
  const auto mixed =
      static_cast<size_t>(load.decode_tokens + 131 * load.prefill_tokens + 17 * context);
  Remembered& known = remembered_[mixed % kRemembered];
  if (known.decode != load.decode_tokens || known.prefill != load.prefill_tokens ||
      known.context != context) {
    known = {load.decode_tokens, load.prefill_tokens, context, gemm_seconds(load)};
  }
  parts.gemms = known.gemms;
  parts.attention = attention_.parts(load, share_);
  parts.attention.prefill *= passes_ * attention_times_;
  parts.attention.decode *= passes_;
  parts.attention.index *= passes_;
  const double tokens = static_cast<double>(load.prefill_tokens + load.decode_tokens);
  parts.elementwise = elementwise_ * tokens * share_ * passes_;
  return parts;
}

StepKernels::SharedParts StepKernels::shared_parts(const LoadSummary& sum) const {
  SharedParts parts;
  const double tokens = sum.tokens * share_;
  const double group = sum.group_tokens * share_;
  if (sum.rows > 0) {
    parts.head = head_.plan.seconds(std::ceil(sum.rows));
    parts.sampling = sampling_ + sampling_per_row_ * sum.rows;
    if (logits_.count > 0) parts.sampling += logits_.plan.seconds(logits_.bytes * sum.rows);
  }
  if (tokens <= 0) return parts;
  if (experts_.layers > 0) {
    const Experts& e = experts_;
    const double share = busiest_share(e.balance, e.copies * group, e.two_log_dies);
    const double rows = std::max(e.copies * share, e.least_copies) * group;
    const double touched = std::max(1.0, e.slots * e.popularity.touched(group * share));
    const double seen = e.sees_all ? group : std::min(group, rows);
    const double each = passes_ * e.layers;
    parts.experts = each * e.plan.seconds(rows, touched, seen);
    parts.handling = each * e.plan.handling_seconds(rows, seen);
    parts.experts_compute_bound = e.plan.compute_bound(rows, touched, seen);
  }
  if (exchanges_) {
    const double busiest = std::max(exchange_rank_share_ * tokens, exchange_mean_share_ * group);
    const size_t kind = sum.prefills ? 1 : 0;
    parts.dispatch = passes_ * experts_.layers * dispatch_[kind].seconds(busiest, group);
    parts.combine = passes_ * experts_.layers * combine_[kind].seconds(busiest, group);
  }
  for (const Collective& one : collectives_) {
    parts.collectives += passes_ * one.count * one.plan.seconds(one.bytes * tokens);
  }
  parts.launches = passes_ * launches_;
  parts.embedding = embedding_per_token_ * sum.tokens / pipeline_stages_;
  if (embedding_.count > 0) parts.embedding += embedding_.plan.seconds(embedding_.bytes * tokens);
  if (pipeline_.count > 0) {
    parts.pipeline = pipeline_.count * pipeline_.plan.seconds(pipeline_.bytes * tokens);
  }
  return parts;
}

double StepKernels::draft_once(const LoadSummary& sum, double rows) const {
  double seconds = draft_.plan.seconds(std::ceil(sum.tokens));
  if (rows <= 0) return seconds;
  seconds += head_.plan.seconds(std::ceil(rows)) + sampling_ + sampling_per_row_ * rows;
  if (logits_.count > 0) seconds += logits_.plan.seconds(logits_.bytes * rows);
  return seconds;
}

double StepKernels::last_layer(const RankParts& parts) const {
  const auto gemm = [&](GemmTerm term) { return parts.gemms[static_cast<size_t>(term)]; };
  const double moe_layers = layers_ - dense_layers_;
  double all = parts.attention.total() + parts.elementwise + gemm(GemmTerm::kProjections);
  if (moe_layers <= 0) return (all + gemm(GemmTerm::kDense)) / layers_;
  return all / layers_ + (gemm(GemmTerm::kRouter) + gemm(GemmTerm::kShared)) / moe_layers;
}

bool StepKernels::compute_bound(GemmTerm term, const RankLoad& load) const {
  double most = -1;
  bool compute = false;
  for (const Gemm& gemm : gemms_[static_cast<size_t>(term)]) {
    const double rows = rows_of(gemm.shape, load);
    const double seconds = gemm.shape.count * gemm.plan.seconds(rows);
    if (rows <= 0 || seconds <= most) continue;
    most = seconds;
    compute = gemm.plan.compute_bound(rows);
  }
  return compute;
}

bool StepKernels::covers(const RankLoad& load) const {
  if (!attention_.covers(load)) return false;
  for (const auto& gemms : gemms_) {
    for (const Gemm& gemm : gemms) {
      const double rows = rows_of(gemm.shape, load);
      const auto n = static_cast<double>(gemm.shape.n);
      const auto k = static_cast<double>(gemm.shape.k);
      if (rows > 0 && gemm.shape.groups == 1 && !gemm.fit->covers(rows, n, k)) return false;
    }
  }
  return true;
}

}  // namespace weft
