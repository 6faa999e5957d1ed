// For tests alone: worlds from a scenario's text, a log of what happened in them, and two tiny
// models whose worlds run in a millisecond.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hardware/catalog.h"
#include "sim/trace_testing.h"
#include "sim/virtual_clock.h"
#include "sim/world.h"

namespace weft {

// Everything a world reports.
struct RunLog {
  std::vector<RequestRecord> records;
  int64_t steps = 0;
  int64_t most_sequences = 0;  // in one step
  Duration busy;               // of all instances

  void request_ended(const RequestRecord& record) { records.push_back(record); }
  void step_done(const StepReport& report) {
    ++steps;
    busy += report.took;
    most_sequences = std::max(most_sequences, static_cast<int64_t>(report.batch.work.size()));
  }
  [[nodiscard]] int64_t count(RequestEnd end) const {
    return std::count_if(records.begin(), records.end(),
                         [end](const RequestRecord& r) { return r.end == end; });
  }
  [[nodiscard]] int64_t cached() const {
    int64_t sum = 0;
    for (const RequestRecord& record : records) sum += record.cached;
    return sum;
  }
};

// The folder of the two models' config.json, one per test program.
inline const TemporaryFolder& tiny_models() {
  static const TemporaryFolder kFolder;
  return kFolder;
}

// 4 layers, 8 heads over 4 KV heads, one MTP layer: 1 KiB of KV per token and layer.
inline std::string tiny_dense_model() {
  return tiny_models().write("tiny-dense/config.json", R"({
    "architectures": ["LlamaForCausalLM"], "hidden_size": 256, "num_hidden_layers": 4,
    "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 64, "intermediate_size": 512,
    "vocab_size": 1024, "max_position_embeddings": 8192, "num_nextn_predict_layers": 1,
    "torch_dtype": "bfloat16"})");
}

// The same with latent attention and 16 experts, 4 per token.
inline std::string tiny_moe_model() {
  return tiny_models().write("tiny-moe/config.json", R"({
    "architectures": ["DeepseekV3ForCausalLM"], "hidden_size": 256, "num_hidden_layers": 4,
    "num_attention_heads": 8, "q_lora_rank": 64, "kv_lora_rank": 64, "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 16, "v_head_dim": 32, "intermediate_size": 512,
    "first_k_dense_replace": 1, "n_routed_experts": 16, "num_experts_per_tok": 4,
    "moe_intermediate_size": 128, "n_shared_experts": 1, "n_group": 1, "topk_group": 1,
    "num_nextn_predict_layers": 1, "vocab_size": 1024, "max_position_embeddings": 8192,
    "torch_dtype": "bfloat16"})");
}

inline Result<Deployment> deploy_text(const std::string& toml) {
  auto scenario = parse_scenario(toml, "s.toml", {});
  if (!scenario) return scenario.error();
  auto catalog = Catalog::open_default();
  if (!catalog) return catalog.error();
  return deploy(scenario->deployment, *catalog);
}

// Gives every rank so many KV blocks, in place of what its memory holds.
inline void set_blocks(Deployment& deployment, int64_t blocks) {
  for (InstanceConfig& instance : deployment.cluster.instances) {
    instance.scheduler.blocks_per_rank = blocks;
  }
  deployment.cluster.router.prefix_view_blocks = 1 << 12;
}

// The message of the error in which reading and deploying a scenario ends; empty when both work.
inline std::string scenario_error(const std::string& toml) {
  auto deployment = deploy_text(toml);
  return deployment ? "" : deployment.error().message;
}

// Every request that the scenario's workload holds, in order.
inline std::vector<Arrival> workload_of(const std::string& toml) {
  std::vector<Arrival> out;
  auto scenario = parse_scenario(toml, "s.toml", {});
  if (!scenario) return out;
  Arrival arrival;
  for (;;) {
    auto more = scenario->workload->next(arrival);
    if (!more || !*more) return out;
    out.push_back(arrival);
  }
}

// A world of its own clock. `deployment` outlives it.
class TestWorld {
 public:
  TestWorld(const Deployment& deployment, const std::string& toml) {
    auto scenario = parse_scenario(toml, "s.toml", {});
    CHECK(scenario.ok(), "the test's scenario is right");
    scenario_ = std::make_unique<Scenario>(std::move(*scenario));
    auto world = World::make(clock_, deployment, *scenario_,
                             {Callback<const RequestRecord&>::to<&RunLog::request_ended>(&log_),
                              Callback<const StepReport&>::to<&RunLog::step_done>(&log_)});
    CHECK(world.ok(), "the test's faults have targets");
    world_ = std::move(*world);
  }

  Status run(int64_t check_every = 16) {
    world_->set_integrity_checks(check_every);
    return world_->run();
  }
  [[nodiscard]] World& world() { return *world_; }
  [[nodiscard]] const RunLog& log() const { return log_; }
  [[nodiscard]] uint64_t digest() { return world_->cluster().router().digest(); }
  [[nodiscard]] int64_t preemptions() {
    int64_t sum = 0;
    for (size_t i = 0; i < world_->cluster().instances(); ++i) {
      const InstanceNode* node = world_->cluster().instance(i);
      if (node != nullptr) sum += node->scheduler().preemptions();
    }
    return sum;
  }

 private:
  VirtualClock clock_;
  RunLog log_;
  std::unique_ptr<Scenario> scenario_;
  std::unique_ptr<World> world_;
};

// Empty when the run kept every request: each ended once, what completed has all its tokens, and
// the router gave out as many as the records hold. Else what is wrong.
inline std::string lost_requests(TestWorld& played, const std::vector<Arrival>& asked) {
  const RunLog& log = played.log();
  Router& router = played.world().cluster().router();
  if (log.records.size() != asked.size()) {
    return "of " + std::to_string(asked.size()) + " requests " +
           std::to_string(log.records.size()) + " ended";
  }
  if (router.in_flight() != 0 || router.pending() != 0) return "the router still holds requests";
  std::vector<std::pair<int64_t, int64_t>> wanted, completed;
  std::vector<int64_t> prompts, ended;
  int64_t tokens = 0;
  for (const Arrival& a : asked) {
    wanted.emplace_back(a.prompt.count(), a.output.count());
    prompts.push_back(a.prompt.count());
  }
  for (const RequestRecord& r : log.records) {
    tokens += r.output;
    ended.push_back(r.prompt);
    if (r.end == RequestEnd::kCompleted) completed.emplace_back(r.prompt, r.output);
    if (r.cached > r.prompt) return "more of a prompt came from the cache than it has";
  }
  for (auto* list : {&wanted, &completed}) std::sort(list->begin(), list->end());
  for (auto* list : {&prompts, &ended}) std::sort(list->begin(), list->end());
  if (prompts != ended) return "other prompts ended than were asked";
  if (!std::includes(wanted.begin(), wanted.end(), completed.begin(), completed.end())) {
    return "a completed request has other tokens than it asked for";
  }
  return tokens == router.output_tokens() ? ""
                                          : "tokens were lost between the router and its records";
}

}  // namespace weft
