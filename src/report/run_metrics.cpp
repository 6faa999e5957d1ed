// Gathering and summing up.
#include "report/run_metrics.h"

#include <algorithm>

namespace weft {

namespace {

double per(double value, double by) { return by > 0 ? value / by : 0.0; }

}  // namespace

RunMetrics::RunMetrics(const Deployment& deployment, const SloBounds& slo)
    : deployment_(deployment), slo_(slo), instances_(deployment.instances.size()) {}

void RunMetrics::request_ended(const RequestRecord& record) {
  if (record.retries > 0) ++retried_;
  output_tokens_ += record.output;
  if (record.end != RequestEnd::kCompleted) {
    ++(record.end == RequestEnd::kRejected ? rejected_ : failed_);
    return;
  }
  ++completed_;
  prompt_tokens_ += record.prompt;
  cached_tokens_ += record.cached;
  const double ttft = to_milliseconds(record.first_token - record.arrival);
  const double e2e = to_milliseconds(record.last_token - record.arrival);
  ttft_ms_.push_back(static_cast<float>(ttft));
  e2e_ms_.push_back(static_cast<float>(e2e));
  double tpot = 0;
  if (record.output > 1) {
    tpot = to_milliseconds(record.last_token - record.first_token) /
           static_cast<double>(record.output - 1);
    tpot_ms_.push_back(static_cast<float>(tpot));
  }
  const bool met =
      (slo_.ttft_ms == 0 || ttft <= slo_.ttft_ms) && (slo_.tpot_ms == 0 || tpot <= slo_.tpot_ms);
  if (met) ++met_slo_;
}

void RunMetrics::step_done(const StepReport& report) {
  InstanceCounters& counters = instances_[report.node.value() - 1];  // the router is node 0
  counters.busy += report.took;
  ++counters.steps;
  counters.sequences += static_cast<int64_t>(report.batch.work.size());
  int64_t decoded = 0;
  for (const SequenceWork& work : report.batch.work) decoded += work.decode ? work.tokens : 0;
  counters.prefill_tokens += report.batch.tokens - decoded;
  for (const SequenceOutput& output : report.outputs) counters.output_tokens += output.tokens;
}

RunSummary RunMetrics::summarize(Cluster& cluster, Instant end, double wall_s) const {
  RunSummary out;
  const double length = end.seconds();
  out.completed = completed_;
  out.rejected = rejected_;
  out.failed = failed_;
  out.retried = retried_;
  out.arrived = ended();
  out.ttft_ms = spread_of(ttft_ms_);
  out.tpot_ms = spread_of(tpot_ms_);
  out.e2e_ms = spread_of(e2e_ms_);
  out.itl_ms = spread_of(cluster.router().token_gaps());
  out.simulated_s = length;
  out.wall_s = wall_s;
  out.prompt_tokens = prompt_tokens_;
  out.output_tokens = output_tokens_;
  out.output_tokens_per_s = per(static_cast<double>(output_tokens_), length);
  out.goodput_rps = per(static_cast<double>(met_slo_), length);
  out.slo_attainment = per(static_cast<double>(met_slo_), static_cast<double>(out.arrived));
  out.token_hit_rate =
      per(static_cast<double>(cached_tokens_), static_cast<double>(prompt_tokens_));
  out.digest = cluster.router().digest();
  add_pools(cluster, length, out);
  add_tiers(cluster, out);
  add_energy_and_cost(length, out);
  return out;
}

RunMetrics::PoolTotals& RunMetrics::PoolTotals::operator+=(const PoolTotals& other) {
  instances += other.instances;
  packages += other.packages;
  preemptions += other.preemptions;
  counters.busy += other.counters.busy;
  counters.steps += other.counters.steps;
  counters.sequences += other.counters.sequences;
  counters.prefill_tokens += other.counters.prefill_tokens;
  counters.output_tokens += other.counters.output_tokens;
  return *this;
}

RunMetrics::PoolTotals RunMetrics::total(Cluster& cluster, Role role) const {
  PoolTotals out;
  for (size_t i = 0; i < instances_.size(); ++i) {
    if (deployment_.groups[deployment_.instances[i].group].config.role != role) continue;
    const InstanceNode* node = cluster.instance(i);
    const int64_t preemptions = node == nullptr ? 0 : node->scheduler().preemptions();
    out += {1, deployment_.instances[i].packages, preemptions, instances_[i]};
  }
  return out;
}

// Unified instances count for both sides, whatever stands beside them.
void RunMetrics::add_pools(Cluster& cluster, double length, RunSummary& out) const {
  PoolTotals prefill;
  PoolTotals decode;
  const auto rate = [length](int64_t tokens, const PoolTotals& pool) {
    return per(static_cast<double>(tokens), length * pool.packages);
  };
  for (const Role role : {Role::kPrefill, Role::kDecode, Role::kUnified}) {
    const PoolTotals pool = total(cluster, role);
    if (pool.instances == 0) continue;
    if (role != Role::kDecode) prefill += pool;
    if (role != Role::kPrefill) decode += pool;
    const InstanceCounters& sums = pool.counters;
    const auto steps = static_cast<double>(sums.steps);
    PoolSummary summary;
    summary.role = role_name(role);
    summary.instances = pool.instances;
    summary.packages = pool.packages;
    summary.utilization = per(to_seconds(sums.busy), length * pool.instances);
    summary.steps = sums.steps;
    summary.mean_step_ms = per(to_milliseconds(sums.busy), steps);
    summary.mean_sequences = per(static_cast<double>(sums.sequences), steps);
    summary.preemptions = pool.preemptions;
    summary.tokens_per_s_per_device =
        rate(role == Role::kPrefill ? sums.prefill_tokens : sums.output_tokens, pool);
    out.pools.push_back(std::move(summary));
  }
  out.prefill_tokens_per_s_per_device = rate(prefill.counters.prefill_tokens, prefill);
  out.decode_tokens_per_s_per_device = rate(decode.counters.output_tokens, decode);
  out.utilization_prefill = per(to_seconds(prefill.counters.busy), length * prefill.instances);
  out.utilization_decode = per(to_seconds(decode.counters.busy), length * decode.instances);
}

void RunMetrics::add_tiers(Cluster& cluster, RunSummary& out) const {
  if (cluster.caches() == 0) return;
  const size_t tiers = cluster.config().caches.front().capacities.size();
  std::vector<int64_t> hits(tiers);
  std::vector<double> used(tiers);
  int64_t lookups = 0;
  for (size_t i = 0; i < cluster.caches(); ++i) {
    const CacheNode* cache = cluster.cache(i);
    if (cache == nullptr) continue;
    lookups += cache->counters().lookups;
    for (size_t t = 0; t < tiers; ++t) {
      hits[t] += cache->counters().hits[t];
      used[t] += static_cast<double>(cache->cache().held(static_cast<int>(t))) *
                 cache->block_bytes().as_double();
    }
  }
  for (size_t t = 0; t < tiers; ++t) {
    out.tiers.push_back({t == 0 ? "dram" : "ssd",
                         per(static_cast<double>(hits[t]), static_cast<double>(lookups)), used[t]});
  }
}

// A package draws its idle power always and the rest while its instance computes. Systems whose
// all-in power is known are charged with that at full load, and the chip's share of it when idle.
void RunMetrics::add_energy_and_cost(double length, RunSummary& out) const {
  for (size_t i = 0; i < instances_.size(); ++i) {
    const InstancePlace& place = deployment_.instances[i];
    const System& system = deployment_.systems[deployment_.groups[place.group].system];
    const double full = std::max(system.system_power_w, system.chip.power_w);
    const double idle = std::min(full, full - system.chip.power_w + system.chip.idle_power_w);
    const double busy = to_seconds(instances_[i].busy);
    out.energy_j += place.packages * (idle * length + (full - idle) * busy);
    const double price =
        system.price_per_hour > 0 ? system.price_per_hour : system.chip.price_per_hour;
    if (price <= 0 && out.unpriced.find(system.chip.title) == std::string::npos) {
      out.unpriced += (out.unpriced.empty() ? "" : ", ") + system.chip.title;
    }
    out.cost_usd += place.packages * price * length / 3600.0;
  }
}

}  // namespace weft
