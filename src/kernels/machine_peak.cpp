// Streaming reads, and the loops of peak_*.cpp, timed over all threads.
#include "kernels/machine_peak.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "kernels/aligned_bytes.h"
#include "kernels/peak_loops.h"

namespace weft {
namespace {

template <class Work>
double seconds_of(Work work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double peak(double (*loop)(int64_t), Workers& workers) {
  constexpr int64_t kRounds = 20'000;
  constexpr int kRuns = 8;
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    double operations = 0;
    const double seconds = seconds_of([&] {
      workers.run([&](int thread) {
        const double done = loop(kRounds);
        if (thread == 0) operations = done * workers.threads();
      });
    });
    best = std::max(best, operations / seconds);
  }
  return best;
}

}  // namespace

// In pieces that one interruption does not spoil, yet larger than what caches keep between rounds.
double memory_read_bandwidth(Workers& workers) {
  constexpr int64_t kBytes = int64_t{1} << 30;
  constexpr int64_t kPieces = 8;
  constexpr int64_t kPieceBytes = kBytes / kPieces;
  constexpr int kRounds = 4;
  AlignedBytes memory(static_cast<size_t>(kBytes));
  const PeakLoops& loops = peak_loops(best_isa());
  double best = 0;
  for (int64_t run = 0; run < kPieces * (kRounds + 1); ++run) {
    const double seconds = seconds_of([&] {
      workers.run([&](int thread) {
        const Range range = split(kPieceBytes, 4096, thread, workers.threads());
        std::byte* from = memory.data() + run % kPieces * kPieceBytes + range.begin;
        if (run < kPieces) {
          std::memset(from, thread + 1, static_cast<size_t>(range.size()));
        } else {
          loops.read(from, range.size());
        }
      });
    });
    if (run >= kPieces) best = std::max(best, static_cast<double>(kPieceBytes) / seconds);
  }
  return best;
}

double int8_peak(Isa isa, Workers& workers) { return peak(peak_loops(isa).int8, workers); }
double bf16_peak(Isa isa, Workers& workers) { return peak(peak_loops(isa).bf16, workers); }

}  // namespace weft
