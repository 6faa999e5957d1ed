// catalog/engines: how an engine batches, and what its software costs.
#include <algorithm>
#include <array>

#include "hardware/figures.h"
#include "hardware/records.h"

namespace weft {

const std::vector<EngineConstant>& engine_constants() {
  static const std::vector<EngineConstant> kConstants = {
      {"kernel_gap_us", &EngineCosts::kernel_gap, 1e6, 0.1e-6, 5e-6},
      {"small_kernel_us", &EngineCosts::small_kernel, 1e6, 0.5e-6, 10e-6},
      {"kernels_per_attention", &EngineCosts::kernels_per_attention, 1, 1, 16},
      {"kernels_per_dense_ffn", &EngineCosts::kernels_per_dense_ffn, 1, 1, 16},
      {"kernels_per_moe_ffn", &EngineCosts::kernels_per_moe_ffn, 1, 1, 16},
      {"host_step_us", &EngineCosts::host_step, 1e6, 10e-6, 50e-3},
      {"host_sequence_us", &EngineCosts::host_sequence, 1e6, 0.1e-6, 1e-3},
      {"eager_layer_us", &EngineCosts::eager_layer, 1e6, 10e-6, 5e-3},
      {"eager_experts_us", &EngineCosts::eager_experts, 1e6, 10e-6, 5e-3, 1e-3},
      {"sampling_us", &EngineCosts::sampling, 1e6, 5e-6, 2e-3},
      {"request_us", &EngineCosts::request, 1e6, 50e-6, 0.5},
      {"request_token_us", &EngineCosts::request_token, 1e6, 0.01e-6, 100e-6},
      {"overlap_prefill", &EngineCosts::overlap_prefill, 1, 0.05, 1},
      {"overlap_decode", &EngineCosts::overlap_decode, 1, 0.05, 1},
      {"products_share", &EngineCosts::products_share, 1, 0.2, 1},
      {"attention_share", &EngineCosts::attention_share, 1, 0.2, 1},
      {"expert_imbalance", &EngineCosts::expert_imbalance, 1, 1, 4},
  };
  return kConstants;
}

void reset_fitted(Engine& engine) {
  const EngineCosts defaults;
  for (const EngineConstant& constant : engine_constants()) {
    if (std::ranges::find(engine.fitted, constant.key) == engine.fitted.end()) continue;
    engine.spec.costs.*constant.member =
        constant.start > 0 ? constant.start : defaults.*constant.member;
  }
}

namespace {

constexpr std::array<const char*, 6> kExchanges = {"deepep_low_latency", "deepep_normal",
                                                   "trtllm_one_sided",   "trtllm_two_sided",
                                                   "cloudmatrix",        "allgather"};
constexpr std::array<const char*, 2> kExpertKernels = {"trtllm", "open"};
constexpr double kGiB = 1024.0 * 1024 * 1024;
constexpr std::array<const char*, 3> kMemoryShares = {"all", "weights_and_kv", "free"};
constexpr std::array<const char*, 3> kAllReduces = {"library", "custom", "trtllm"};

// No more than is physically possible; what costs nothing is 0; the hottest rank has the mean at
// least.
NumberRange range_of(const EngineConstant& constant) {
  const bool ratio = constant.member == &EngineCosts::expert_imbalance;
  const bool share = constant.member == &EngineCosts::products_share ||
                     constant.member == &EngineCosts::attention_share;
  const double least = share ? constant.least : 0;
  return {.min = ratio ? 1.0 : least, .max = constant.most * constant.per_unit};
}

// One of an enumeration's names, in its order.
template <class Kind, size_t N>
Kind read_kind(FigureReader& figures, const char* key, const std::array<const char*, N>& names,
               Kind fallback) {
  const std::vector<std::string> words(names.begin(), names.end());
  const std::string word = figures.word(key, words, names[static_cast<size_t>(fallback)]);
  return static_cast<Kind>(std::ranges::find(words, word) - words.begin());
}

}  // namespace

Result<Record<Engine>> read_engine(ConfigTable root, const std::string& name) {
  constexpr IntegerRange kCount = {.min = 1, .max = 1 << 30};
  Record<Engine> record;
  FigureReader figures(std::move(root), &record.figures);
  Engine& engine = record.thing;
  engine.name = name;
  engine.title = record.title = figures.table().text("title");
  record.note = figures.table().text("note", "");
  EngineScheduling& s = engine.scheduling;
  s.prefill_first = figures.boolean("prefill_first", s.prefill_first);
  s.block_tokens = figures.integer("block_tokens", 0, kCount);
  s.max_sequences = figures.integer("max_sequences", 0, kCount);
  s.max_tokens_per_step = figures.integer("max_tokens_per_step", 0, kCount);
  s.prefix_caching = figures.boolean("prefix_caching", s.prefix_caching);
  s.memory_share = figures.number("memory_share", 0.0, {.min = 0, .max = 1, .exclusive_min = true});
  s.logit_bytes = figures.number("logit_bytes", s.logit_bytes, {.min = 0, .max = 64});
  s.memory_reserve = figures.number("memory_reserve_gib", 0.0, {.min = 0, .max = 1024}) * kGiB;
  s.memory_reserve_rank =
      figures.number("memory_reserve_rank_gib", 0.0, {.min = 0, .max = 64}) * kGiB;
  s.memory_covers = read_kind(figures, "memory_covers", kMemoryShares, s.memory_covers);
  EngineSpec& spec = engine.spec;
  spec.captures_decode = figures.boolean("captures_decode", spec.captures_decode);
  spec.host_overlapped = figures.boolean("host_overlapped", spec.host_overlapped);
  spec.quantizes_head = figures.boolean("quantizes_head", spec.quantizes_head);
  spec.all_reduce = read_kind(figures, "all_reduce", kAllReduces, spec.all_reduce);
  spec.expert_kernels = read_kind(figures, "expert_kernels", kExpertKernels, spec.expert_kernels);
  spec.prefill_exchange = read_kind(figures, "prefill_exchange", kExchanges, spec.prefill_exchange);
  spec.decode_exchange = read_kind(figures, "decode_exchange", kExchanges, spec.decode_exchange);
  for (const EngineConstant& constant : engine_constants()) {
    double& value = spec.costs.*constant.member;
    const double fallback = value * constant.per_unit;
    value = figures.number(constant.key, fallback, range_of(constant)) / constant.per_unit;
  }
  for (const Figure& figure : record.figures) {
    if (figure.grade == "fitted") engine.fitted.push_back(figure.key);
  }
  if (auto error = figures.table().finish()) return *error;
  return record;
}

}  // namespace weft
