// Attention of one layer: decode over contexts of 512 to 32768 tokens, one and 16 sequences, and
// prefill of 512 and 4096 tokens, for grouped heads (16 over 8, 128 dimensions) and MLA (16 heads,
// 512 + 64). Bounds: decode reads every byte of KV once, at the speed at which this machine reads
// memory; prefill has two operations per query, head, key that it sees and dimension of the key and
// value, at the peak of BF16 products. Both limits are measured in the same run.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "kernels/attention_testing.h"
#include "kernels/machine_peak.h"

namespace weft {
namespace {

// WEFT_BENCH_THREADS, or 2.
int threads() {
  const char* count = std::getenv("WEFT_BENCH_THREADS");
  return count != nullptr ? std::max(1, std::atoi(count)) : 2;
}

double read_bandwidth(Workers& workers) {
  static const double kMeasured = memory_read_bandwidth(workers);
  return kMeasured;
}

double peak_of(Isa isa, Workers& workers) {
  static std::map<Isa, double> measured;
  const auto [entry, is_new] = measured.try_emplace(isa, 0.0);
  if (is_new) entry->second = bf16_peak(isa, workers);
  return entry->second;
}

KvLayout layout_of(bool latent, KvFormat format) {
  return latent ? KvLayout::make_latent(512, 64, 128, format).value()
                : KvLayout::make_grouped(8, 128, 128, format).value();
}

void decode(benchmark::State& state, Isa isa, bool latent, KvFormat format) {
  const int64_t context = state.range(0);
  const int64_t batch = state.range(1);
  Random random(1);
  const KvLayout layout = layout_of(latent, format);
  // All sequences share the queries; each has blocks of its own.
  testing::AttentionCase c(layout, 16, std::vector<int64_t>(static_cast<size_t>(batch), context),
                           random);
  Workers workers(threads(), false);
  std::vector<AttentionSequence> whole, last;
  for (size_t s = 0; s < static_cast<size_t>(batch); ++s) {
    whole.push_back(c.part(s, 0, context));
    last.push_back(c.part(s, context - 1, 1));
  }
  write_kv(layout, c.blocks(), whole, c.kv_rows(), elementwise(isa), workers);
  std::vector<float> out = c.empty_output();
  PagedAttention attention(layout, 16, c.scale(), isa, workers);
  for (auto _ : state) attention.run(c.blocks(), last, c.attention_rows(out), workers);
  const double bytes = layout.bytes_per_token() * static_cast<double>(context * batch);
  state.counters["GB/s"] =
      benchmark::Counter(bytes * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["of_reads"] = benchmark::Counter(bytes / read_bandwidth(workers),
                                                  benchmark::Counter::kIsIterationInvariantRate);
}

void prefill(benchmark::State& state, Isa isa, bool latent, KvFormat format) {
  const int64_t tokens = state.range(0);
  Random random(1);
  const KvLayout layout = layout_of(latent, format);
  testing::AttentionCase c(layout, 16, {tokens}, random);
  Workers workers(threads(), false);
  const AttentionSequence whole = c.part(0, 0, tokens);
  std::vector<float> out = c.empty_output();
  PagedAttention attention(layout, 16, c.scale(), isa, workers);
  write_kv(layout, c.blocks(), {&whole, 1}, c.kv_rows(), elementwise(isa), workers);
  for (auto _ : state) attention.run(c.blocks(), {&whole, 1}, c.attention_rows(out), workers);
  const double keys = 0.5 * static_cast<double>(tokens * (tokens + 1));
  const auto dims = static_cast<double>(layout.key_dims + layout.rope_dims + layout.value_dims);
  const double operations = 2.0 * 16 * keys * dims;
  state.counters["GFLOP/s"] =
      benchmark::Counter(operations * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["of_peak"] = benchmark::Counter(operations / peak_of(isa, workers),
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

void write(benchmark::State& state, Isa isa, bool latent, KvFormat format) {
  const int64_t tokens = state.range(0);
  Random random(1);
  const KvLayout layout = layout_of(latent, format);
  testing::AttentionCase c(layout, 16, {tokens}, random);
  Workers workers(threads(), false);
  const AttentionSequence whole = c.part(0, 0, tokens);
  for (auto _ : state) {
    write_kv(layout, c.blocks(), {&whole, 1}, c.kv_rows(), elementwise(isa), workers);
  }
  state.SetItemsProcessed(state.iterations() * tokens);
}

const bool kRegistered = [] {
  for (const Isa isa : available_isas()) {
    for (const bool latent : {false, true}) {
      for (const KvFormat format : {KvFormat::kBf16, KvFormat::kInt8}) {
        const std::string name = std::string(isa_name(isa)) + (latent ? "/latent/" : "/grouped/") +
                                 std::string(kv_format_name(format));
        benchmark::RegisterBenchmark(("decode/" + name).c_str(), decode, isa, latent, format)
            ->ArgsProduct({{512, 4096, 32768}, {1}})
            ->Args({512, 16})
            ->Args({4096, 16})
            ->MeasureProcessCPUTime()
            ->UseRealTime();
        benchmark::RegisterBenchmark(("prefill/" + name).c_str(), prefill, isa, latent, format)
            ->Arg(512)
            ->Arg(4096)
            ->MeasureProcessCPUTime()
            ->UseRealTime();
        benchmark::RegisterBenchmark(("write/" + name).c_str(), write, isa, latent, format)
            ->Arg(512)
            ->MeasureProcessCPUTime()
            ->UseRealTime();
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace weft
