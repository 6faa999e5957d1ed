// Operators: one kernel or transfer, as a chip's constants have it.
#include <fmt/format.h>

#include "cost/attention_kernel.h"
#include "cost/exchange_cost.h"
#include "cost/gemm_cost.h"
#include "plan/prediction.h"

namespace weft {
namespace {

constexpr double kMega = 1e6;
constexpr double kGiga = 1e9;

Error at(const Case& one, const std::string& message) {
  return bad_input(fmt::format("{}: case \"{}\": {}", one.where, one.id, message));
}

void add(Prediction& out, double seconds, double bytes, double share) {
  out.metrics.push_back({"us", seconds * kMega});
  if (bytes > 0) out.metrics.push_back({"gb_per_s", bytes / seconds / kGiga});
  if (share > 0) out.metrics.push_back({"utilization", share});
}

Result<Prediction> gemm(const Case& one, const Chip& chip) {
  const OperatorShape& s = *one.shape;
  const Format format = one.layout.precision.activations;
  if (chip.ops(format) <= 0) {
    return at(one, fmt::format("format: {} does not compute in {}: it has {}", chip.title,
                               format_name(format), chip.formats_text()));
  }
  const double bytes = bytes_per_value(format);
  const GemmShape shape{static_cast<double>(s.n), static_cast<double>(s.k),
                        static_cast<double>(s.groups), bytes, bytes};
  const GemmFit& fit = chip.kernels.gemm.of(gemm_kind(format, format, false));
  const GemmPlan plan(shape, fit.constants, {chip.ops(format), chip.memory_bandwidth, chip.cores});
  const auto m = static_cast<double>(s.m);
  const double seconds = plan.seconds(m);
  const double values = m * shape.k * bytes + shape.k * shape.n * bytes + m * shape.n * 2;
  Prediction out;
  add(out, seconds, s.groups * values,
      2 * s.groups * m * shape.n * shape.k / seconds / chip.ops(format));
  return out;
}

// Latent decode attention over a batch that saturates the die; "memory" reads 8,192 keys for a few
// heads, "compute" multiplies all heads of two tokens.
Result<Prediction> attention(const Case& one, const Chip& chip, const ModelShape& model) {
  if (model.attention != AttentionKind::kMla) {
    return at(one, "model: expected one with latent attention");
  }
  const bool computes = one.shape->bound == "compute";
  constexpr double kSequences = 96;
  constexpr double kKeys = 8192;
  constexpr double kFewHeads = 16;
  AttentionShape shape;
  shape.query_heads = computes ? model.heads : kFewHeads;
  shape.qk_dim = model.kv_lora + model.rope_dim;
  shape.v_dim = model.kv_lora;
  shape.row_bytes = model.kv_entry_bytes(Format::kBf16);
  shape.shares_tile = true;
  const double tokens = computes ? 2 : 1;
  const auto& fit = chip.kernels.attention.decode(DecodeKernel::kMla, Format::kBf16);
  const AttentionDecodePlan plan(shape, tokens, fit.constants,
                                 AttentionPeaks::of(chip, chip.cores, Format::kBf16));
  const double seconds = plan.seconds(kSequences, kSequences * kKeys);
  const double operations =
      2 * shape.query_heads * tokens * (shape.qk_dim + shape.v_dim) * kSequences * kKeys;
  const double bytes = kSequences * kKeys * shape.row_bytes;
  Prediction out;
  const double share =
      computes ? operations / chip.ops(Format::kBf16) : bytes / chip.memory_bandwidth;
  add(out, seconds, computes ? 0 : bytes, share / seconds);
  return out;
}

Result<Prediction> exchange(const Case& one, const System& system, const ModelShape& model,
                            const Engine& engine) {
  const OperatorShape& s = *one.shape;
  const bool dispatch = s.kind == OperatorKind::kDispatch;
  ExchangeRoute route;
  const ExchangeConstants& kernels = system.chip.kernels.exchange;
  const bool cloudmatrix = engine.spec.decode_exchange == ExchangeKind::kCloudMatrix;
  route.software = kernels.nearest(cloudmatrix ? ExchangeSoftware::kCloudMatrix
                                               : ExchangeSoftware::kDeepEpLowLatency);
  route.dies = s.ranks;
  route.experts = model.experts;
  route.copies = model.experts_per_token + (cloudmatrix ? model.shared_experts : 0);
  route.is_out_only = !cloudmatrix;  // as the published tables of DeepEP were measured
  const ExchangeRow row =
      exchange_row(route.software, one.layout.precision.activations, model.hidden);
  const ExchangePlan plan = dispatch ? plan_dispatch(system, kernels, route, row.dispatch)
                                     : plan_combine(system, kernels, route, row.combine);
  const auto tokens = static_cast<double>(s.tokens);
  Prediction out;
  const double bytes = tokens * route.copies * (dispatch ? row.dispatch : row.combine);
  add(out, plan.seconds(tokens), bytes, 0);
  return out;
}

Prediction transfer(const Case& one, const System& system) {
  const OperatorShape& s = *one.shape;
  const Link& link = s.path == "npu-cpu" ? system.host : system.scale_up;
  const double bandwidth = s.op == "write" ? link.write_bandwidth : link.bandwidth;
  const Duration latency = s.same_node ? link.latency : link.latency_far;
  const double seconds = to_seconds(latency) + s.bytes / bandwidth;
  Prediction out;
  add(out, seconds, s.bytes, 0);
  return out;
}

}  // namespace

Result<Prediction> predict_operator(const Case& one, const Catalog& catalog) {
  auto system = catalog.system(one.hardware);
  if (!system) return at(one, system.error().message);
  const OperatorKind kind = one.shape->kind;
  if (kind == OperatorKind::kGemm) return gemm(one, system->chip);
  if (kind == OperatorKind::kTransfer) return transfer(one, *system);
  auto model = catalog.model(one.model);
  if (!model) return at(one, model.error().message);
  if (kind == OperatorKind::kAttention) return attention(one, system->chip, *model);
  auto engine = catalog.engine(one.engine);
  if (!engine) return at(one, engine.error().message);
  return exchange(one, *system, *model, *engine);
}

}  // namespace weft
