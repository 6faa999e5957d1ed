// For the tests of reports: a small deployment, and steps and records made by hand. Included by
// tests only.
#pragma once

#include <string>
#include <vector>

#include "node/deployment.h"
#include "node/instance_node.h"
#include "node/router.h"

namespace weft {

// Instances of two packages each, in the order of TestCluster: unified, prefill, decode.
inline Deployment test_deployment(int unified, int prefill, int decode) {
  Deployment out;
  out.model.name = "test-model";
  System system;
  system.name = "test-box";
  system.chip.power_w = 100;
  system.chip.idle_power_w = 20;
  system.chip.price_per_hour = 3.6;
  out.systems.push_back(system);
  const auto add = [&out](Role role, int instances) {
    if (instances == 0) return;
    DeployedGroup group;
    group.config.role = role;
    group.config.instances = instances;
    group.config.layout.packages = 2;
    group.memory.capacity = 64e9;
    group.memory.weights = 30e9;
    group.memory.kv = 30e9;
    group.memory.blocks_per_rank = group.scheduler.blocks_per_rank = 64;
    group.scheduler.ranks = 1;
    group.scheduler.block = Tokens(16);
    for (int i = 0; i < instances; ++i) out.instances.push_back({out.groups.size(), 0, 2});
    out.groups.push_back(group);
  };
  add(Role::kUnified, unified);
  add(Role::kPrefill, prefill);
  add(Role::kDecode, decode);
  return out;
}

// A step of one rank: `prefill` prompt tokens of one sequence that samples nothing yet, and
// `decode` sequences with a new token each. The report is valid as long as this object.
class TestStep {
 public:
  TestStep(size_t instance, Instant start, Duration took, int64_t prefill, int32_t decode)
      : node_(static_cast<uint32_t>(instance) + 1), start_(start), took_(took) {
    for (int32_t i = 0; i < decode; ++i) add(1, true, {1, false});
    if (prefill > 0) add(static_cast<int32_t>(prefill), false, {0, false});
    loads_[0].prefill_tokens = prefill;
    loads_[0].prefill_sequences = prefill > 0 ? 1 : 0;
    loads_[0].decode_sequences = decode;
    loads_[0].decode_tokens = decode;
    loads_[0].decode_context = 100 * decode;
    batch_.work = work_;
    batch_.loads = loads_;
    batch_.tokens = prefill + decode;
  }
  TestStep(const TestStep&) = delete;
  TestStep& operator=(const TestStep&) = delete;

  [[nodiscard]] StepReport report() const { return {node_, start_, took_, batch_, outputs_}; }

 private:
  void add(int32_t tokens, bool decode, SequenceOutput output) {
    SequenceWork work;
    work.tokens = tokens;
    work.decode = work.samples = decode;
    work_.push_back(work);
    outputs_.push_back(output);
  }

  NodeId node_;
  Instant start_;
  Duration took_;
  std::vector<SequenceWork> work_;
  std::vector<RankLoad> loads_{1};
  std::vector<SequenceOutput> outputs_;
  Batch batch_;
};

inline RequestRecord completed(Instant arrival, Duration ttft, Duration per_token, int64_t output,
                               int64_t prompt = 100, int64_t cached = 0) {
  RequestRecord out;
  out.arrival = arrival;
  out.first_token = arrival + ttft;
  out.last_token = out.first_token + (output - 1) * per_token;
  out.prompt = prompt;
  out.output = output;
  out.cached = cached;
  return out;
}

inline RequestRecord unserved(Instant arrival, RequestEnd end) {
  RequestRecord out;
  out.arrival = arrival;
  out.end = end;
  return out;
}

inline size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace weft
