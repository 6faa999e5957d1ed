// What one call of the cost model takes: a step's time over 1, 8 and 320 data-parallel ranks, the
// terms of an estimate, and building a model for a new layout. Bound: reading the loads once.
#include <benchmark/benchmark.h>

#include <vector>

#include "base/random.h"
#include "cost/fixtures.h"
#include "cost/memory.h"
#include "cost/step_model.h"

namespace weft {
namespace {

// DeepSeek-R1 with one NPU die per data-parallel rank.
InstanceLayout decode_over(int dies) {
  InstanceLayout layout = fixtures::cloudmatrix_decode();
  layout.packages = dies / 2;
  layout.parallel.dp = layout.parallel.ep = dies;
  if (dies < 320) layout.redundant_experts = 0;
  return layout;
}

std::vector<RankLoad> decode_loads(int ranks) {
  Random random(7);
  std::vector<RankLoad> loads(static_cast<size_t>(ranks));
  for (RankLoad& load : loads) {
    load.decode_sequences = static_cast<int32_t>(40 + random.below(9));
    load.decode_tokens = 2 * load.decode_sequences;
    load.sampled = load.decode_sequences;
    load.decode_context = load.decode_sequences * static_cast<int64_t>(3000 + random.below(3000));
  }
  return loads;
}

RankLoad chunked_load() {
  RankLoad load;
  load.prefill_tokens = 1984;
  load.prefill_sequences = 2;
  load.prefill_products = 1984.0 * 2000;
  load.prefill_context = 3000;
  load.decode_sequences = load.sampled = 64;
  load.decode_tokens = 64;
  load.decode_context = 64 * 1500;
  return load;
}

void step_of_dense_model(benchmark::State& state) {
  const StepModel model(fixtures::llama_8b(), fixtures::h100(8),
                        fixtures::layout(Role::kUnified, 1, {}, Format::kBf16));
  std::vector<RankLoad> loads = {chunked_load()};
  for (auto _ : state) {
    benchmark::DoNotOptimize(loads.data());
    benchmark::DoNotOptimize(model.time(loads));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(step_of_dense_model);

void step_of_ranks(benchmark::State& state) {
  const int ranks = static_cast<int>(state.range(0));
  const InstanceLayout layout = ranks == 1 ? fixtures::cloudmatrix_prefill() : decode_over(ranks);
  const StepModel model(fixtures::deepseek_r1(), fixtures::cloudmatrix384(), layout);
  std::vector<RankLoad> loads = ranks == 1 ? std::vector{chunked_load()} : decode_loads(ranks);
  for (auto _ : state) {
    benchmark::DoNotOptimize(loads.data());
    benchmark::DoNotOptimize(model.time(loads));
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * ranks);
}
BENCHMARK(step_of_ranks)->Arg(1)->Arg(8)->Arg(320);

// The bound: every byte of the loads read once, and nothing done with it.
void loads_read_once(benchmark::State& state) {
  const auto loads = decode_loads(320);
  for (auto _ : state) {
    int64_t sum = 0;
    for (const RankLoad& load : loads) {
      sum += load.prefill_tokens + load.decode_tokens + load.decode_context + load.sampled +
             load.decode_sequences;
    }
    benchmark::DoNotOptimize(sum);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * 320);
}
BENCHMARK(loads_read_once);

void terms_of_an_estimate(benchmark::State& state) {
  const StepModel model(fixtures::deepseek_r1(), fixtures::cloudmatrix384(),
                        fixtures::cloudmatrix_decode());
  const std::vector<RankLoad> loads = decode_loads(320);
  for (auto _ : state) benchmark::DoNotOptimize(model.terms(loads));
}
BENCHMARK(terms_of_an_estimate);

void model_of_a_layout(benchmark::State& state) {
  const ModelShape shape = fixtures::deepseek_r1();
  const System system = fixtures::cloudmatrix384();
  const InstanceLayout layout = fixtures::cloudmatrix_decode();
  for (auto _ : state) benchmark::DoNotOptimize(StepModel(shape, system, layout));
}
BENCHMARK(model_of_a_layout);

void memory_of_a_layout(benchmark::State& state) {
  const ModelShape shape = fixtures::deepseek_r1();
  const System system = fixtures::cloudmatrix384();
  const InstanceLayout layout = fixtures::cloudmatrix_decode();
  const MemoryLimits limits{Tokens(128), 0, 160 * 96};
  for (auto _ : state) benchmark::DoNotOptimize(plan_memory(shape, system, layout, limits));
}
BENCHMARK(memory_of_a_layout);

}  // namespace
}  // namespace weft
