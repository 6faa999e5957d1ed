// Runs under load: a case's deployment and workload as a scenario, played on the virtual clock.
#include <fmt/format.h>

#include "node/deployment.h"
#include "plan/prediction.h"
#include "report/run_metrics.h"
#include "sim/virtual_clock.h"
#include "sim/world.h"

namespace weft {
namespace {

DeploymentConfig deployment_of(const Case& one, const Engine& engine) {
  const EngineScheduling& scheduling = engine.scheduling;
  DeploymentConfig config;
  config.where = one.where;
  config.model = one.model;
  config.hardware = one.hardware;
  config.engine = engine.name;
  config.prefix_caching = one.prefix_caching.value_or(scheduling.prefix_caching);
  GroupConfig group;
  group.role = Role::kUnified;
  group.where = one.where;
  group.instances = one.instances;
  group.layout = one.layout;
  if (one.expert_balance) group.layout.expert_imbalance = *one.expert_balance;
  if (one.max_batch > 0) group.max_batch_per_device = ceil_div(one.max_batch, one.layout.packages);
  group.max_tokens_per_step = one.max_tokens_per_step;
  group.max_waiting = 1 << 20;
  group.memory_share = one.memory_share;
  group.kv_tokens = one.kv_tokens;
  group.acceptance = one.acceptance;
  config.groups.push_back(group);
  config.max_pending = 1 << 22;
  return config;
}

void add(const char* prefix, const Spread& spread, double front, Prediction& out) {
  out.metrics.push_back({fmt::format("{}_ms", prefix), spread.mean + front});
  out.metrics.push_back({fmt::format("{}_p50_ms", prefix), spread.p50 + front});
  out.metrics.push_back({fmt::format("{}_p99_ms", prefix), spread.p99 + front});
}

void add_metrics(const Case& one, const Engine& engine, const RunSummary& run, Prediction& out) {
  const double span = run.simulated_s;
  const double output = static_cast<double>(run.output_tokens);
  const double prompts = static_cast<double>(run.prompt_tokens);
  const double mean_prompt = run.completed > 0 ? prompts / static_cast<double>(run.completed) : 0;
  const double front =
      1e3 * (engine.spec.costs.request + engine.spec.costs.request_token * mean_prompt);
  add("ttft", run.ttft_ms, front, out);
  add("tpot", run.tpot_ms, 0, out);
  out.metrics.push_back({"itl_ms", run.itl_ms.mean});
  out.metrics.push_back({"e2e_ms", run.e2e_ms.mean + front});
  const double devices = static_cast<double>(one.layout.packages) * one.instances;
  out.metrics.push_back({"tokens_per_s_per_device", output / span / devices});
  out.metrics.push_back({"output_tokens_per_s", output / span});
  out.metrics.push_back({"input_tokens_per_s", prompts / span});
  out.metrics.push_back({"total_tokens_per_s", (prompts + output) / span});
  out.metrics.push_back({"requests_per_s", static_cast<double>(run.completed) / span});
  out.metrics.push_back({"makespan_s", span});
}

}  // namespace

Result<Prediction> predict_run(const Case& one, const Catalog& catalog, const Engine& engine) {
  if (!one.missing_trace.empty()) return not_found(one.missing_trace);
  const DeploymentConfig config = deployment_of(one, engine);
  auto deployment = deploy(config, catalog, engine);
  if (!deployment) return at_case(one, deployment.error());
  Scenario scenario;
  scenario.path = one.where;
  scenario.deployment = config;
  auto workload = Workload::from_spec(*one.load, scenario.seed);
  if (!workload) return at_case(one, workload.error());
  scenario.workload = std::move(*workload);
  RunMetrics metrics(*deployment, {});
  VirtualClock clock;
  auto world =
      World::make(clock, *deployment, scenario,
                  {Callback<const RequestRecord&>::to<&RunMetrics::request_ended>(&metrics),
                   Callback<const StepReport&>::to<&RunMetrics::step_done>(&metrics)});
  if (!world) return at_case(one, world.error());
  if (auto ran = (*world)->run(); !ran) return at_case(one, ran.error());
  const RunSummary run = metrics.summarize((*world)->cluster(), (*world)->last_end(), 0);
  if (run.completed == 0) {
    return at_case(one,
                   bad_input(fmt::format("none of its {} requests fits in memory", run.arrived)));
  }
  Prediction out;
  out.memory = deployment->groups.front().memory;
  out.outside = borrowed_kernels(deployment->systems.front().chip, one.layout.precision,
                                 deployment->model.attention);
  add_metrics(one, engine, run, out);
  return out;
}

}  // namespace weft
