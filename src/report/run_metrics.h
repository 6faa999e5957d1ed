// RunMetrics: what a run came to, gathered from the ends of requests and the ends of steps; and
// RunSummary, the numbers that tables, JSON and HTML show.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "node/deployment.h"
#include "node/router.h"
#include "report/spread.h"

namespace weft {

struct TierSummary {
  std::string kind;
  double hit_rate = 0;  // blocks sent from this tier over blocks looked up
  double used_bytes = 0;
};

struct PoolSummary {
  std::string role;
  int instances = 0;
  int packages = 0;
  double utilization = 0;  // share of the run in which an instance computed, mean
  int64_t steps = 0;
  double mean_step_ms = 0;
  double mean_sequences = 0;  // per step
  int64_t preemptions = 0;
  double tokens_per_s_per_device = 0;  // prefill: prompt tokens computed; decode: output tokens
};

struct RunSummary {
  int64_t arrived = 0;
  int64_t completed = 0;
  int64_t rejected = 0;  // a queue was full, or the request can never fit
  int64_t failed = 0;    // expired, or lost to faults
  int64_t retried = 0;   // requests that were moved by a fault
  Spread ttft_ms, tpot_ms, itl_ms, e2e_ms;
  double simulated_s = 0;
  double wall_s = 0;
  int64_t output_tokens = 0;
  int64_t prompt_tokens = 0;
  double output_tokens_per_s = 0;
  double prefill_tokens_per_s_per_device = 0;
  double decode_tokens_per_s_per_device = 0;
  double goodput_rps = 0;
  double slo_attainment = 0;  // share of the arrived requests that met every bound
  double utilization_prefill = 0;
  double utilization_decode = 0;
  double token_hit_rate = 0;
  std::vector<TierSummary> tiers;
  std::vector<PoolSummary> pools;
  double energy_j = 0;
  double cost_usd = 0;
  std::string unpriced;  // chips without a known price: the cost leaves them out
  uint64_t digest = 0;
};

struct SloBounds {
  double ttft_ms = 0;  // 0: none
  double tpot_ms = 0;
};

class RunMetrics {
 public:
  RunMetrics(const Deployment& deployment, const SloBounds& slo);

  void request_ended(const RequestRecord& record);
  void step_done(const StepReport& report);

  // After the run: `end` is when the last request ended.
  [[nodiscard]] RunSummary summarize(Cluster& cluster, Instant end, double wall_s) const;

  [[nodiscard]] int64_t ended() const { return completed_ + rejected_ + failed_; }

 private:
  struct InstanceCounters {
    Duration busy;
    int64_t steps = 0;
    int64_t sequences = 0;
    int64_t prefill_tokens = 0;
    int64_t output_tokens = 0;
  };
  struct PoolTotals {
    int instances = 0;
    int packages = 0;
    int64_t preemptions = 0;
    InstanceCounters counters;
    PoolTotals& operator+=(const PoolTotals& other);
  };
  [[nodiscard]] PoolTotals total(Cluster& cluster, Role role) const;
  void add_pools(Cluster& cluster, double seconds, RunSummary& out) const;
  void add_tiers(Cluster& cluster, RunSummary& out) const;
  void add_energy_and_cost(double seconds, RunSummary& out) const;

  const Deployment& deployment_;
  SloBounds slo_;
  std::vector<InstanceCounters> instances_;  // as Deployment::instances
  std::vector<float> ttft_ms_;
  std::vector<float> tpot_ms_;
  std::vector<float> e2e_ms_;
  int64_t completed_ = 0;
  int64_t rejected_ = 0;
  int64_t failed_ = 0;
  int64_t retried_ = 0;
  int64_t met_slo_ = 0;
  int64_t prompt_tokens_ = 0;
  int64_t cached_tokens_ = 0;
  int64_t output_tokens_ = 0;
};

}  // namespace weft
