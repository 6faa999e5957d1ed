// Steady steps: the loads that a case describes, and what the step model says of them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "plan/prediction.h"

namespace weft {
namespace {

double per_rank(const Case& one, double per_device) {
  return per_device * one.layout.packages / one.layout.parallel.dp;
}

// Prompt tokens of a rank, of which `reuse` are found: whole prompts, or a chunk of one. A chunk
// sees on average the keys that the whole prompt sees.
RankLoad prefill_load(const Case& one) {
  const double tokens = per_rank(one, one.tokens_per_device);
  const double computed = std::max(1.0, std::round(tokens * (1 - one.reuse)));
  const double prompts = std::max(1.0, std::round(tokens / one.input_tokens));
  const double found = one.reuse * one.input_tokens;
  const double fresh = one.input_tokens - found;
  const double chunk = std::min(fresh, computed / prompts);
  RankLoad load;
  load.prefill_tokens = static_cast<int64_t>(computed);
  load.prefill_sequences = static_cast<int32_t>(prompts);
  load.prefill_products = computed * (found + (fresh + 1) / 2);
  load.prefill_context = std::llround(prompts * (found + (fresh - chunk) / 2));
  load.prefill_longest = std::llround(found + fresh);
  load.sampled = load.prefill_sequences;
  return load;
}

RankLoad decode_load(const Case& one) {
  const double sequences = std::max(1.0, std::ceil(per_rank(one, one.batch_per_device) - 1e-9));
  RankLoad load;
  load.decode_sequences = static_cast<int32_t>(sequences);
  load.decode_tokens = static_cast<int64_t>(sequences) * (1 + one.layout.draft_tokens);
  load.decode_context = std::llround(sequences * one.context_tokens);
  load.sampled = load.decode_sequences;
  return load;
}

// The KV of everything in flight must fit beside weights and buffers.
Result<MemoryPlan> check_memory(const Case& one, const ModelShape& model, const System& system,
                                const Engine& engine, const RankLoad& load) {
  const int64_t dp = one.layout.parallel.dp;
  MemoryLimits limits;
  const int64_t block = engine.scheduling.block_tokens;
  limits.block = Tokens(block > 0 ? block : 16);
  limits.max_tokens_per_step = (load.prefill_tokens + load.decode_tokens) * dp;
  limits.max_sequences = (load.prefill_sequences + load.decode_sequences) * dp;
  set_memory_share(limits, engine.scheduling, one.memory_share, one.layout.parallel.dp,
                   system.chip);
  auto plan = plan_memory(model, system, one.layout, limits);
  if (!plan) return plan.error();
  const double tokens =
      static_cast<double>(load.prefill_tokens + load.prefill_context + load.decode_context);
  const double held =
      static_cast<double>(plan->blocks_per_rank) * static_cast<double>(limits.block.count());
  if (tokens <= held) return plan;
  return bad_input(fmt::format(
      "{}: found {:.0f} tokens of KV in flight on a rank, expected at most the {:.0f} that memory "
      "holds ({:.1f} GiB per die are missing)",
      one.phase == Phase::kPrefill ? "tokens_per_device" : "batch_per_device", tokens, held,
      (tokens - held) * plan->kv_bytes_per_token / (1024.0 * 1024.0 * 1024.0)));
}

// `tokens_per_device` counts the prompt tokens that are found, too: they are served, not computed.
void add_metrics(const Case& one, const Engine& engine, Prediction& out) {
  if (one.phase == Phase::kPrefill) {
    const double tokens = per_rank(one, one.tokens_per_device);
    const double steps = std::max(1.0, one.input_tokens / tokens);
    const double front =
        1e3 * (engine.spec.costs.request + engine.spec.costs.request_token * one.input_tokens);
    out.metrics.push_back({"ttft_ms", out.step_ms * steps + front});
    out.metrics.push_back({"tokens_per_s_per_device", one.tokens_per_device / out.step_ms * 1e3});
    out.metrics.push_back(
        {"input_tokens_per_s", one.tokens_per_device * one.layout.packages / out.step_ms * 1e3});
    return;
  }
  const double tpot = out.step_ms / tokens_per_step(one.layout.draft_tokens, one.acceptance);
  const double rate = one.batch_per_device / tpot * 1e3;
  out.metrics.push_back({"tpot_ms", tpot});
  out.metrics.push_back({"itl_ms", out.step_ms});
  out.metrics.push_back({"tokens_per_s_per_device", rate});
  out.metrics.push_back({"output_tokens_per_s", rate * one.layout.packages});
}

}  // namespace

double tokens_per_step(int draft_tokens, double acceptance) {
  double sum = 1;
  double chance = 1;
  for (int i = 0; i < draft_tokens; ++i) sum += chance *= acceptance;
  return sum;
}

std::vector<RankLoad> steady_loads(const Case& one) {
  const RankLoad load = one.phase == Phase::kPrefill ? prefill_load(one) : decode_load(one);
  return std::vector<RankLoad>(static_cast<size_t>(one.layout.parallel.dp), load);
}

Result<Prediction> predict_step(const Case& one, const Catalog& catalog, const Engine& engine) {
  auto model = catalog.model(one.model);
  if (!model) return at_case(one, model.error());
  auto system = catalog.system(one.hardware);
  if (!system) return at_case(one, system.error());
  InstanceLayout layout = one.layout;
  if (one.expert_balance) layout.expert_imbalance = *one.expert_balance;
  if (auto fits = check_layout(layout, *model, *system); !fits) return at_case(one, fits.error());
  const std::vector<RankLoad> loads = steady_loads(one);
  auto memory = check_memory(one, *model, *system, engine, loads.front());
  if (!memory) return at_case(one, memory.error());
  const StepModel step(*model, *system, layout, engine.spec);
  Prediction out;
  out.memory = *memory;
  out.step_ms = to_seconds(step.time(loads)) * 1e3;
  out.bound_ms = to_seconds(step.speed_of_light(loads)) * 1e3;
  out.terms = step.terms(loads);
  out.outside = borrowed_kernels(system->chip, layout.precision, model->attention);
  if (!step.covers(loads)) {
    out.outside.emplace_back(
        "a kernel of this step has a shape outside the range that its constants were fitted on");
  }
  add_metrics(one, engine, out);
  return out;
}

}  // namespace weft
