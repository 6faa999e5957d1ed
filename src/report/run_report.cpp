// Tables and JSON of a run.
#include "report/run_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "report/text.h"

namespace weft {

namespace {

constexpr double kGib = 1024.0 * 1024.0 * 1024.0;

nlohmann::ordered_json spread_json(const Spread& s) {
  return {{"mean", s.mean}, {"p50", s.p50}, {"p90", s.p90}, {"p99", s.p99}};
}

std::string spread_row(const char* name, const Spread& s) {
  return fmt::format("  {:<12} {:>12.2f} {:>12.2f} {:>12.2f} {:>12.2f}\n", name, s.mean, s.p50,
                     s.p90, s.p99);
}

}  // namespace

std::string deployment_table(const Deployment& deployment) {
  std::string out = fmt::format("{} on", deployment.model.name);
  for (size_t i = 0; i < deployment.systems.size(); ++i) {
    out += fmt::format("{} {}", i == 0 ? "" : " and", deployment.systems[i].name);
  }
  out += fmt::format(", {} packages in use\n\n", deployment.packages());
  out += fmt::format("  {:<9} {:>9} {:>8} {:<26} {:>9} {:>9} {:>9} {:>14}\n", "pool", "instances",
                     "packages", "parallel (dies)", "weights", "buffers", "KV", "KV tokens/rank");
  for (const DeployedGroup& group : deployment.groups) {
    const Parallel& p = group.config.layout.parallel;
    out += fmt::format(
        "  {:<9} {:>9} {:>8} {:<26} {:>7.1f}G {:>8.1f}G {:>8.1f}G {:>14}\n",
        role_name(group.config.role), group.config.instances, group.config.layout.packages,
        fmt::format("dp{} tp{} sp{} ep{} pp{}", p.dp, p.tp, p.sp, p.ep, p.pp),
        group.memory.weights / kGib, group.memory.buffers / kGib, group.memory.kv / kGib,
        group.memory.blocks_per_rank * group.scheduler.block.count());
  }
  if (!deployment.caches.empty()) {
    out += fmt::format("  cache     {:>9}          ", deployment.caches.size());
    const CacheConfig& cache = deployment.cluster.caches.front();
    for (size_t i = 0; i < cache.capacities.size(); ++i) {
      const double bytes = static_cast<double>(cache.capacities[i]) * cache.block.as_double() *
                           static_cast<double>(deployment.caches.size());
      out += fmt::format("{}{} {}", i == 0 ? "" : ", ", i == 0 ? "dram" : "ssd", bytes_text(bytes));
    }
    out += "\n";
  }
  return out + "  (weights, buffers and KV in GiB per die)\n";
}

std::string run_table(const RunSummary& s, const SloBounds& slo) {
  std::string out = fmt::format("requests    {} arrived, {} completed, {} rejected, {} failed",
                                s.arrived, s.completed, s.rejected, s.failed);
  if (s.retried > 0) out += fmt::format(", {} moved by faults", s.retried);
  out +=
      fmt::format("\n\n  {:<12} {:>12} {:>12} {:>12} {:>12}\n", "ms", "mean", "p50", "p90", "p99");
  out += spread_row("TTFT", s.ttft_ms);
  out += spread_row("TPOT", s.tpot_ms);
  out += spread_row("ITL", s.itl_ms);
  out += spread_row("end to end", s.e2e_ms);
  out += fmt::format("\n  {:<9} {:>9} {:>8} {:>6} {:>10} {:>11} {:>10} {:>12} {:>11}\n", "pool",
                     "instances", "packages", "busy", "steps", "ms a step", "sequences",
                     "tok/s/device", "preemptions");
  for (const PoolSummary& pool : s.pools) {
    out += fmt::format(
        "  {:<9} {:>9} {:>8} {:>5.1f}% {:>10} {:>11.2f} {:>10.1f} {:>12.1f} {:>11}\n", pool.role,
        pool.instances, pool.packages, 100 * pool.utilization, pool.steps, pool.mean_step_ms,
        pool.mean_sequences, pool.tokens_per_s_per_device, pool.preemptions);
  }
  out += fmt::format("\noutput      {:.1f} tokens/s ({} tokens in {:.1f} s)\n",
                     s.output_tokens_per_s, s.output_tokens, s.simulated_s);
  out += fmt::format("cached      {:.1f}% of the prompt tokens", 100 * s.token_hit_rate);
  for (const TierSummary& tier : s.tiers) {
    out += fmt::format("; {}: {:.1f}% of its lookups, {} in use", tier.kind, 100 * tier.hit_rate,
                       bytes_text(tier.used_bytes));
  }
  out += "\n";
  if (slo.ttft_ms > 0 || slo.tpot_ms > 0) {
    out += fmt::format("SLO         {:.1f}% met", 100 * s.slo_attainment);
    if (slo.ttft_ms > 0) out += fmt::format(" TTFT <= {:g} ms", slo.ttft_ms);
    if (slo.tpot_ms > 0) out += fmt::format(" TPOT <= {:g} ms", slo.tpot_ms);
    out += fmt::format(": goodput {:.2f} requests/s\n", s.goodput_rps);
  }
  out += fmt::format("energy      {:.2f} kWh; cost ", s.energy_j / 3.6e6);
  out += s.unpriced.empty() ? fmt::format("{:.2f} USD\n", s.cost_usd)
                            : fmt::format("unknown: no price for {}\n", s.unpriced);
  out +=
      fmt::format("simulated   {:.1f} s in {:.2f} s ({:.0f} times real time); digest {:016x}\n",
                  s.simulated_s, s.wall_s, s.wall_s > 0 ? s.simulated_s / s.wall_s : 0.0, s.digest);
  return out;
}

std::string run_json(const RunSummary& s) {
  nlohmann::ordered_json tiers = nlohmann::ordered_json::array();
  for (const TierSummary& tier : s.tiers) {
    tiers.push_back(
        {{"kind", tier.kind}, {"hit_rate", tier.hit_rate}, {"used_bytes", tier.used_bytes}});
  }
  nlohmann::ordered_json pools = nlohmann::ordered_json::array();
  for (const PoolSummary& pool : s.pools) {
    pools.push_back({{"role", pool.role},
                     {"instances", pool.instances},
                     {"packages", pool.packages},
                     {"utilization", pool.utilization},
                     {"steps", pool.steps},
                     {"mean_step_ms", pool.mean_step_ms},
                     {"mean_sequences", pool.mean_sequences},
                     {"tokens_per_s_per_device", pool.tokens_per_s_per_device},
                     {"preemptions", pool.preemptions}});
  }
  const nlohmann::ordered_json out{
      {"requests",
       {{"arrived", s.arrived},
        {"completed", s.completed},
        {"rejected", s.rejected},
        {"failed", s.failed},
        {"retried", s.retried}}},
      {"ttft_ms", spread_json(s.ttft_ms)},
      {"tpot_ms", spread_json(s.tpot_ms)},
      {"itl_ms", spread_json(s.itl_ms)},
      {"e2e_ms", spread_json(s.e2e_ms)},
      {"simulated_s", s.simulated_s},
      {"wall_s", s.wall_s},
      {"prompt_tokens", s.prompt_tokens},
      {"output_tokens", s.output_tokens},
      {"output_tokens_per_s", s.output_tokens_per_s},
      {"prefill_tokens_per_s_per_device", s.prefill_tokens_per_s_per_device},
      {"decode_tokens_per_s_per_device", s.decode_tokens_per_s_per_device},
      {"goodput_rps", s.goodput_rps},
      {"slo_attainment", s.slo_attainment},
      {"utilization", {{"prefill", s.utilization_prefill}, {"decode", s.utilization_decode}}},
      {"cache", {{"token_hit_rate", s.token_hit_rate}, {"tiers", tiers}}},
      {"pools", pools},
      {"energy_j", s.energy_j},
      {"cost_usd", s.unpriced.empty() ? nlohmann::ordered_json(s.cost_usd) : nullptr},
      {"digest", fmt::format("{:016x}", s.digest)}};
  return out.dump(2) + "\n";
}

}  // namespace weft
