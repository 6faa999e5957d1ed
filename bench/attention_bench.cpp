// Attention of one layer: decode over contexts of 512 to 32768 tokens, one and 16 sequences, and
// prefill of 512 and 4096 tokens, for grouped heads (16 over 8, 128 dimensions) and MLA (16 heads,
// 512 + 64). Bounds: decode reads every byte of KV once, at the speed at which this machine reads
// memory (measured here); prefill has four operations per query, key seen, dimension and head, at
// the BF16 peak of the cores (AMX 2048, AVX-512 64 operations per cycle, at an assumed clock).
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/attention_testing.h"

namespace weft {
namespace {

constexpr int kThreads = 2;

// Bytes per second of reading 256 MiB on all threads, the best of five.
double read_bandwidth() {
  static const double kMeasured = [] {
    constexpr int64_t kWords = 32 << 20;
    std::vector<uint64_t> memory(static_cast<size_t>(kWords), 1);
    Workers workers(kThreads, false);
    double best = 0;
    for (int round = 0; round < 5; ++round) {
      const auto start = std::chrono::steady_clock::now();
      workers.run([&](int thread) {
        const Range range = split(kWords, 8, thread, kThreads);
        uint64_t sums[8] = {};
        for (int64_t i = range.begin; i + 8 <= range.end; i += 8) {
          for (int64_t j = 0; j < 8; ++j) sums[j] += memory[static_cast<size_t>(i + j)];
        }
        benchmark::DoNotOptimize(sums);
      });
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      best = std::max(best, kWords * 8.0 / took.count());
    }
    return best;
  }();
  return kMeasured;
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
  Workers workers(kThreads, false);
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
  state.counters["of_reads"] =
      benchmark::Counter(bytes / read_bandwidth(), benchmark::Counter::kIsIterationInvariantRate);
}

void prefill(benchmark::State& state, Isa isa, bool latent, KvFormat format) {
  const int64_t tokens = state.range(0);
  Random random(1);
  const KvLayout layout = layout_of(latent, format);
  testing::AttentionCase c(layout, 16, {tokens}, random);
  Workers workers(kThreads, false);
  const AttentionSequence whole = c.part(0, 0, tokens);
  std::vector<float> out = c.empty_output();
  PagedAttention attention(layout, 16, c.scale(), isa, workers);
  write_kv(layout, c.blocks(), {&whole, 1}, c.kv_rows(), elementwise(isa), workers);
  for (auto _ : state) attention.run(c.blocks(), {&whole, 1}, c.attention_rows(out), workers);
  const double keys = 0.5 * static_cast<double>(tokens * (tokens + 1));
  const auto dims = static_cast<double>(layout.key_dims + layout.rope_dims + layout.value_dims);
  const double operations = 2.0 * 16 * keys * dims;
  const char* clock = std::getenv("WEFT_BENCH_GHZ");
  const double hertz = 1e9 * (clock != nullptr ? std::strtod(clock, nullptr) : 2.6);
  const double peak = kThreads * hertz * (isa == Isa::kAmx ? 1024 * 2 : 128);
  state.counters["GFLOP/s"] =
      benchmark::Counter(operations * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["of_peak"] =
      benchmark::Counter(operations / peak, benchmark::Counter::kIsIterationInvariantRate);
}

void write(benchmark::State& state, Isa isa, bool latent, KvFormat format) {
  const int64_t tokens = state.range(0);
  Random random(1);
  const KvLayout layout = layout_of(latent, format);
  testing::AttentionCase c(layout, 16, {tokens}, random);
  Workers workers(kThreads, false);
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
            ->UseRealTime();
        benchmark::RegisterBenchmark(("prefill/" + name).c_str(), prefill, isa, latent, format)
            ->Arg(512)
            ->Arg(4096)
            ->UseRealTime();
        benchmark::RegisterBenchmark(("write/" + name).c_str(), write, isa, latent, format)
            ->Arg(512)
            ->UseRealTime();
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace weft
