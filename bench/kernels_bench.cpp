// Products of packed matrices by instruction set, format, shape and number of rows, with the share
// of the bound: memory read bandwidth for few rows, the instruction set's peak for many. Two
// threads. Few rows take matrices in turn until they exceed the last cache, as a model's layers do.
#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/machine_peak.h"
#include "kernels/multiply.h"

namespace weft {
namespace {

Workers& two_threads() {
  static Workers workers(2, true);
  return workers;
}

struct Limits {
  double bytes_per_s = memory_read_bandwidth(two_threads());
  std::map<Isa, double> int8, bf16;

  Limits() {
    for (Isa isa : available_isas()) {
      int8[isa] = int8_peak(isa, two_threads());
      bf16[isa] = bf16_peak(isa, two_threads());
    }
  }
};

const Limits& limits() {
  static const Limits kLimits;
  return kLimits;
}

void read_memory(benchmark::State& state) {
  double best = 0;
  for (auto _ : state) best = std::max(best, memory_read_bandwidth(two_threads()));
  state.counters["GB/s"] = best / 1e9;
}

void peak_of(benchmark::State& state, Isa isa, double (*measure)(Isa, Workers&)) {
  double best = 0;
  for (auto _ : state) best = std::max(best, measure(isa, two_threads()));
  state.counters["GOP/s"] = best / 1e9;
}

void fork_and_join(benchmark::State& state) {
  for (auto _ : state) two_threads().run([](int) {});
}

struct Shape {
  int64_t k, n;
};

// Enough copies that none is in a cache when its turn comes again: 1 GiB, or 64 MiB for many rows.
std::vector<PackedMatrix> matrices_of(WeightFormat format, Isa isa, Shape shape, int64_t rows) {
  const RowReader read = [&](int64_t first, int64_t count, float* out) {
    Random random(static_cast<uint64_t>(first + 1));
    for (int64_t i = 0; i < count * shape.k; ++i)
      out[i] = static_cast<float>(random.uniform() - 0.5);
  };
  std::vector<PackedMatrix> matrices;
  matrices.push_back(PackedMatrix::pack(format, isa, shape.n, shape.k, read, two_threads()));
  const size_t wanted = size_t{rows > 16 ? 64U : 1024U} << 20;
  while (matrices.size() * matrices[0].bytes() < wanted) {
    matrices.push_back(std::move(PackedMatrix::from_bytes(matrices[0].serialized()).value()));
  }
  return matrices;
}

void product(benchmark::State& state, WeightFormat format, Isa isa, Shape shape, int64_t rows) {
  const std::vector<PackedMatrix> matrices = matrices_of(format, isa, shape, rows);
  const std::vector<float> x(static_cast<size_t>(rows * shape.k), 0.5F);
  AlignedBytes y(static_cast<size_t>(rows * shape.n) * sizeof(float));
  Activations activations;
  activations.set(x.data(), rows, shape.k, shape.k, format, isa, two_threads());
  size_t next = 0;
  for (auto _ : state) {
    multiply(matrices[next], activations,
             {.y = reinterpret_cast<float*>(y.data()), .stride = shape.n}, two_threads());
    next = (next + 1) % matrices.size();
    benchmark::ClobberMemory();
  }
  const double bytes = static_cast<double>(matrices[0].bytes());
  const double operations = 2.0 * static_cast<double>(rows * shape.k * shape.n);
  const bool integer = format == WeightFormat::kInt8 || format == WeightFormat::kInt4;
  const double peak = integer ? limits().int8.at(isa) : limits().bf16.at(isa);
  const auto rate = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["GB/s"] = benchmark::Counter(bytes / 1e9, rate);
  state.counters["GOP/s"] = benchmark::Counter(operations / 1e9, rate);
  if (rows <= 16) {
    state.counters["of_memory"] = benchmark::Counter(bytes / limits().bytes_per_s, rate);
  }
  if (format != WeightFormat::kF32) {
    state.counters["of_peak"] = benchmark::Counter(operations / peak, rate);
  }
}

void quantise(benchmark::State& state, Isa isa, int64_t rows, int64_t k) {
  const std::vector<float> x(static_cast<size_t>(rows * k), 0.5F);
  Activations activations;
  for (auto _ : state) {
    activations.set(x.data(), rows, k, k, WeightFormat::kInt8, isa, two_threads());
  }
  state.SetBytesProcessed(state.iterations() * rows * k * 4);
}

void add_products(Isa isa) {
  for (WeightFormat format :
       {WeightFormat::kInt8, WeightFormat::kInt4, WeightFormat::kBf16, WeightFormat::kF32}) {
    for (const Shape shape : {Shape{1024, 6144}, Shape{3072, 1024}, Shape{4096, 8192}}) {
      for (int64_t rows : {1, 4, 16, 64, 512}) {
        const std::string name = "product/" + std::string(isa_name(isa)) + "/" +
                                 std::string(format_name(format)) + "/k" + std::to_string(shape.k) +
                                 "/n" + std::to_string(shape.n) + "/m" + std::to_string(rows);
        benchmark::RegisterBenchmark(name.c_str(), product, format, isa, shape, rows)
            ->UseRealTime();
      }
    }
  }
}

const bool kRegistered = [] {
  benchmark::RegisterBenchmark("memory_read", read_memory)->Iterations(1);
  benchmark::RegisterBenchmark("fork_and_join", fork_and_join)->UseRealTime();
  for (Isa isa : available_isas()) {
    const std::string name(isa_name(isa));
    benchmark::RegisterBenchmark(("peak/int8/" + name).c_str(), peak_of, isa, int8_peak)
        ->Iterations(1);
    benchmark::RegisterBenchmark(("peak/bf16/" + name).c_str(), peak_of, isa, bf16_peak)
        ->Iterations(1);
    for (int64_t rows : {1, 512}) {
      const std::string set = "quantise/" + name + "/m" + std::to_string(rows);
      benchmark::RegisterBenchmark(set.c_str(), quantise, isa, rows, 3072)->UseRealTime();
    }
    add_products(isa);
  }
  return true;
}();

}  // namespace
}  // namespace weft
