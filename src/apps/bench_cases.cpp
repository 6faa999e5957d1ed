// Texts of the benchmark's scenarios, as a user could write them.
#include "apps/bench_cases.h"

#include <fmt/format.h>

namespace weft {

namespace {

constexpr const char* kSupernode = R"(
model    = "deepseek-r1"
hardware = "cloudmatrix384"
[precision]
weights = "int8"
activations = "int8"
kv = "bf16"
[[prefill]]
instances = {}
devices = 16
parallel = {{ dp = 1, tp = 32, sp = 32, ep = 32 }}
max_tokens_per_step = 262144
redundant_experts = 32
microbatches = 2
[[decode]]
instances = 1
devices = 160
parallel = {{ dp = 320, tp = 1, ep = 320 }}
max_batch_per_device = 96
draft_tokens = 1
acceptance = 0.7
redundant_experts = 32
microbatches = 2
)";

constexpr const char* kUnified = R"(
model    = "llama-3.1-8b"
hardware = "{}xa100-8"
[[unified]]
instances = {}
devices = 1
max_tokens_per_step = 2048
max_batch_per_device = 256
)";

std::string supernode(int prefill_instances) {
  return fmt::format(fmt::runtime(kSupernode), prefill_instances);
}

std::string unified(int instances) {
  return fmt::format(fmt::runtime(kUnified), (instances + 7) / 8, instances);
}

std::string day(int64_t requests, double seconds) {
  return supernode(14) +
         fmt::format(
             "[workload]\nrequests = {}\n"
             "arrivals = {{ process = \"poisson\", rate = {} }}\n"
             "input_tokens = {{ dist = \"lognormal\", mean = 2000, sigma = 0.7 }}\n"
             "output_tokens = {{ dist = \"lognormal\", mean = 300, sigma = 0.6 }}\n",
             requests, static_cast<double>(requests) / seconds);
}

std::string chat(int instances, int64_t requests, double rate) {
  return unified(instances) +
         fmt::format(
             "[workload]\ntrace = \"AzureLLMInferenceTrace_conv.csv\"\nrepeat = true\n"
             "requests = {}\narrivals = {{ process = \"poisson\", rate = {} }}\n",
             requests, rate);
}

}  // namespace

std::vector<BenchCase> bench_cases(bool quick) {
  const int64_t part = quick ? 10 : 1;
  std::vector<BenchCase> cases;
  cases.push_back({"conversation hour, CM384",
                   supernode(6) + "[cache]\ntiers = [ { kind = \"dram\", gib_per_node = 1024 } ]\n"
                                  "[workload]\ntrace = \"conversation_trace.jsonl\"\n"});
  for (const int64_t requests : {10'000, 100'000, 1'000'000}) {
    const double span = 86400.0 * static_cast<double>(requests) / 1e6;
    cases.push_back({fmt::format("day of 384 NPUs, {} requests", requests / part),
                     day(requests / part, span / static_cast<double>(part))});
  }
  cases.push_back({"azure chat, 64 x 8B, 160/s", chat(64, 20'000 / part, 160)});
  for (const int instances : {1, 8, 64, 384}) {
    cases.push_back({fmt::format("chat, {} x 8B", instances),
                     chat(instances, 400 * instances / part, 2.5 * instances)});
  }
  return cases;
}

}  // namespace weft
