// Refuses layouts that do not divide, and formats that the chip does not compute in.
#include "cost/deployment.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace weft {
namespace {

using Problem = std::optional<std::string>;

Problem check_ranges(const InstanceLayout& l) {
  const Parallel& p = l.parallel;
  if (std::min({p.dp, p.tp, p.sp, p.ep, p.pp}) < 1) {
    return fmt::format(
        "parallel degrees start at 1, got dp = {}, tp = {}, sp = {}, ep = {}, pp = {}", p.dp, p.tp,
        p.sp, p.ep, p.pp);
  }
  if (l.packages < 1)
    return fmt::format("an instance needs at least one device, got {}", l.packages);
  if (l.microbatches < 1) return fmt::format("microbatches starts at 1, got {}", l.microbatches);
  if (l.draft_tokens < 0) return fmt::format("draft_tokens starts at 0, got {}", l.draft_tokens);
  if (l.redundant_experts < 0) {
    return fmt::format("redundant_experts starts at 0, got {}", l.redundant_experts);
  }
  if (l.expert_imbalance != 0 && !(l.expert_imbalance >= 1 && l.expert_imbalance <= 1e6)) {
    return fmt::format("the hottest rank's expert load over the mean is at least 1, got {}",
                       l.expert_imbalance);
  }
  return {};
}

Problem check_devices(const InstanceLayout& l, const System& system) {
  const Parallel& p = l.parallel;
  const int64_t degrees = static_cast<int64_t>(p.dp) * p.tp * p.pp;
  const int64_t dies = static_cast<int64_t>(l.packages) * system.chip.dies;
  if (degrees != dies) {
    return fmt::format("dp*tp*pp = {}, but {} device{} of {} die{} are {}", degrees, l.packages,
                       l.packages == 1 ? "" : "s", system.chip.dies,
                       system.chip.dies == 1 ? "" : "s", dies);
  }
  if (l.packages > system.packages) {
    return fmt::format("{} devices, but {} has {}", l.packages, system.name, system.packages);
  }
  return {};
}

Problem check_figures(const InstanceLayout& l, const System& system) {
  const Chip& chip = system.chip;
  if (chip.memory_bandwidth <= 0 || chip.memory_bytes <= 0) {
    return fmt::format("nobody has published the memory of {}", chip.title);
  }
  const int group = std::max({l.parallel.tp, l.parallel.ep, l.parallel.pp > 1 ? 2 : 1});
  if (group == 1) return {};
  const int domain = std::max(1, system.scale_up_packages * chip.dies);
  if (domain > 1 && system.scale_up.bandwidth <= 0) {
    return fmt::format("nobody has published the scale-up link of {}", system.title);
  }
  const int64_t dies = static_cast<int64_t>(l.packages) * chip.dies;
  if (dies > domain && system.scale_out.bandwidth <= 0) {
    return fmt::format(
        "{} dies leave the domain of {}, and nobody has published its scale-out link", dies,
        domain);
  }
  return {};
}

Problem check_attention(const InstanceLayout& l, const ModelShape& m) {
  const Parallel& p = l.parallel;
  if (m.heads % p.tp != 0) {
    return fmt::format("tp = {} does not divide the {} attention heads of {}", p.tp, m.heads,
                       m.name);
  }
  const bool gqa = m.attention == AttentionKind::kGqa;
  if (gqa && m.kv_heads % p.tp != 0 && p.tp % m.kv_heads != 0) {
    return fmt::format("tp = {} neither divides the {} KV heads of {} nor is a multiple of them",
                       p.tp, m.kv_heads, m.name);
  }
  if (p.tp % p.sp != 0) {
    return fmt::format("sp = {} shares the tp group, and does not divide tp = {}", p.sp, p.tp);
  }
  if (p.pp > m.layers) {
    return fmt::format("pp = {}, but {} has {} layers", p.pp, m.name, m.layers);
  }
  const bool dense = !m.is_moe() || m.dense_layers > 0;
  if (dense && m.dense_ffn % p.tp != 0) {
    return fmt::format("tp = {} does not divide the FFN width {} of {}", p.tp, m.dense_ffn, m.name);
  }
  if (l.draft_tokens > 0 && m.mtp_layers == 0) {
    return fmt::format("draft_tokens = {}, but {} has no MTP module", l.draft_tokens, m.name);
  }
  return {};
}

Problem check_experts(const InstanceLayout& l, const ModelShape& m) {
  const Parallel& p = l.parallel;
  if (!m.is_moe()) {
    if (p.ep > 1) return fmt::format("ep = {}, but {} has no experts", p.ep, m.name);
    if (l.redundant_experts == 0) return {};
    return fmt::format("redundant_experts = {}, but {} has no experts", l.redundant_experts,
                       m.name);
  }
  const int stage = p.dp * p.tp;
  if (stage % p.ep != 0) return fmt::format("ep = {} does not divide dp*tp = {}", p.ep, stage);
  if (p.ep % p.tp != 0 && p.tp % p.ep != 0) {
    return fmt::format("ep = {} and tp = {}: one must divide the other", p.ep, p.tp);
  }
  const int split = std::max(1, p.tp / p.ep);
  if (m.expert_ffn % split != 0) {
    return fmt::format("tp/ep = {} does not divide the expert FFN width {} of {}", split,
                       m.expert_ffn, m.name);
  }
  const int copies = m.experts + l.redundant_experts;
  // More dies than copies: the rest hold shared experts alone (CM: 320 = 256 + 32 + 32 shared).
  if (copies < p.ep && m.shared_experts > 0) return {};
  if (copies % p.ep != 0) {
    const int64_t even = ceil_div(copies, p.ep) * p.ep - m.experts;
    return fmt::format(
        "ep = {} does not divide {} experts and {} redundant copies; {} copies would fit", p.ep,
        m.experts, l.redundant_experts, even);
  }
  return {};
}

Problem check_formats(const InstanceLayout& l, const Chip& chip) {
  const Precision& p = l.precision;
  if (chip.ops(p.activations) <= 0) {
    return fmt::format("precision: {} does not compute in {}: it has {}", chip.title,
                       format_name(p.activations), chip.formats_text());
  }
  if (chip.ops(Format::kBf16) <= 0) {
    return fmt::format("precision: attention computes in bf16, which {} lacks", chip.title);
  }
  const double weights = bytes_per_value(p.weights);
  const double activations = bytes_per_value(p.activations);
  if (weights > activations || (weights == activations && p.weights != p.activations)) {
    return fmt::format(
        "precision: {} activations cannot meet {} weights: weights have the same format or a "
        "narrower one",
        format_name(p.activations), format_name(p.weights));
  }
  return {};
}

}  // namespace

Status check_layout(const InstanceLayout& layout, const ModelShape& model, const System& system) {
  Problem problem = check_ranges(layout);
  if (!problem) problem = check_devices(layout, system);
  if (!problem) problem = check_attention(layout, model);
  if (!problem) problem = check_experts(layout, model);
  if (!problem) problem = check_formats(layout, system.chip);
  if (!problem) problem = check_figures(layout, system);
  if (problem) return bad_input(*problem);
  return {};
}

}  // namespace weft
