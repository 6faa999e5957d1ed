// Operations and bytes of a step at the chip's peaks.
#include "cost/step_bound.h"

#include <algorithm>

#include "cost/layer_gemms.h"

namespace weft {

struct StepBound::Builder {
  const ModelShape& model;
  const System& system;
  const InstanceLayout& layout;
  const Sharding& sharding;

  // A stage sees every token, and its layers are a pp-th of all.
  void add(const LayerGemm& gemm, Product& out) const {
    const double pp = layout.parallel.pp;
    const double parameters = gemm.count * gemm.parameters();
    const Format format = product_format(gemm.weights, gemm.activations);
    if (gemm.rows == LayerGemm::Rows::kDecodeTokens) return;  // the same work, absorbed
    out.compute += 2 * parameters * gemm.rows_share / system.chip.ops(format) / pp;
    out.weights += parameters * bytes_per_value(gemm.weights) / system.chip.memory_bandwidth / pp;
  }
  void add(const std::vector<LayerGemm>& gemms, Product& out) const {
    for (const LayerGemm& gemm : gemms) add(gemm, out);
  }
  void add_experts(Experts& out) const {
    const double pp = layout.parallel.pp;
    const double parameters =
        model.moe_layers() * model.expert_parameters() / sharding.expert_split / pp;
    const double routed_dies = sharding.ep - sharding.shared_only_dies;
    const double k = model.experts_per_token;
    const double shared = sharding.shared_only_dies > 0 ? model.shared_experts : 0;
    const Format format = product_format(sharding.expert_format, layout.precision.activations);
    out.all.compute = 2 * parameters / system.chip.ops(format);
    out.all.weights = parameters * bytes_per_value(sharding.expert_format) * sharding.expert_slots *
                      routed_dies / sharding.ep / system.chip.memory_bandwidth;
    out.copies = (k + shared) / sharding.ep;
    out.popularity = ExpertPopularity(k / (sharding.expert_slots * routed_dies));
  }
};

StepBound::StepBound(const ModelShape& model, const System& system, const InstanceLayout& layout)
    : attention_(model, system.chip, layout) {
  const Sharding sharding(model, system.chip, layout);
  const Builder builder{model, system, layout, sharding};
  group_ranks_ = static_cast<size_t>(sharding.group_ranks);
  builder.add(attention_gemms(model, layout, sharding), layers_);
  builder.add(dense_ffn_gemms(model, layout, sharding), layers_);
  builder.add(moe_gemms(model, layout, sharding), layers_);
  builder.add(head_gemm(model, layout, sharding), head_);
  if (model.is_moe()) builder.add_experts(experts_);
}

AttentionBound::Work StepBound::rank_work(const RankLoad& load) const {
  AttentionBound::Work work = attention_.work(load);
  const double tokens = static_cast<double>(load.prefill_tokens + load.decode_tokens);
  if (tokens > 0) {
    work.compute += layers_.compute * tokens;
    work.memory += layers_.weights;
  }
  if (load.sampled > 0) {
    work.compute += head_.compute * load.sampled;
    work.memory += head_.weights;
  }
  return work;
}

Duration StepBound::time(std::span<const RankLoad> loads) const {
  AttentionBound::Work most;
  AttentionBound::Work all;
  double tokens = 0;
  for (const RankLoad& load : loads) {
    const AttentionBound::Work work = rank_work(load);
    most.compute = std::max(most.compute, work.compute);
    most.memory = std::max(most.memory, work.memory);
    all.compute += work.compute;
    all.memory += work.memory;
    tokens += static_cast<double>(load.prefill_tokens + load.decode_tokens);
  }
  if (tokens > 0) {
    const double ranks = static_cast<double>(loads.size());
    const double group = tokens / ranks * static_cast<double>(group_ranks_);
    const double used = experts_.popularity.touched(group);
    most.compute = std::max(most.compute,
                            all.compute / ranks + experts_.all.compute * experts_.copies * group);
    most.memory = std::max(most.memory, all.memory / ranks + experts_.all.weights * used);
  }
  return seconds(std::max(most.compute, most.memory));
}

}  // namespace weft
