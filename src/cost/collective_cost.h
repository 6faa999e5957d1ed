// Time of collective operations by kind of software. Alpha-beta with the algorithms that libraries
// choose from (Thakur, Rabenseifner and Gropp, 2005; NCCL's protocols: arXiv 2507.04786):
// seconds = the least of a few lines, each start + hops x step + bytes x passes / (wire x share).
#pragma once

#include <algorithm>
#include <array>

#include "hardware/hardware.h"
#include "hardware/link_constants.h"

namespace weft {

// Bytes are those of the tensor that every die ends up with (all-reduce, all-gather), begins with
// (reduce-scatter, all-to-all) or sends. Shares are at most 1, so no line is faster than the wire.
// A plan is built once; a look-up takes a few nanoseconds and never falls with the bytes.

// Which all-reduce an engine calls below its limit; other collectives always are the library's.
enum class CollectiveSoftware { kLibrary, kCustom, kTrtllm };

struct CollectiveLine {
  double fixed = 0;     // seconds
  double per_byte = 0;  // seconds
};

class CollectivePlan {
 public:
  // The library's algorithms: two protocols, and the switch where it has one.
  void add_library(CollectiveLine line) { library_[library_count_++] = line; }
  void add_peer(CollectiveLine line) { peer_[peer_count_++] = line; }
  // Call last: peer kernels take tensors of up to `limit` bytes.
  void set_limit(double limit) {
    limit_ = limit;
    at_limit_ = seconds(limit);
  }

  [[nodiscard]] double seconds(double bytes) const {
    double best = library_count_ > 0 ? 1e30 : 0;
    for (int i = 0; i < library_count_; ++i) best = std::min(best, value(library_[i], bytes));
    if (bytes > limit_) return std::max(best, at_limit_);
    for (int i = 0; i < peer_count_; ++i) best = std::min(best, value(peer_[i], bytes));
    return best;
  }
  // The line that governs large tensors, for users that need one.
  [[nodiscard]] CollectiveLine bulk() const;

 private:
  static double value(const CollectiveLine& line, double bytes) {
    return line.fixed + line.per_byte * bytes;
  }

  std::array<CollectiveLine, 3> library_{};
  std::array<CollectiveLine, 2> peer_{};
  int library_count_ = 0;
  int peer_count_ = 0;
  double limit_ = 0;
  double at_limit_ = 0;
};

// Groups of `dies` consecutive dies. Those that reach over a scale-up domain work in levels: inside
// the domains, then between them with each die's own part (reduce-scatter, all-reduce, all-gather).
CollectivePlan plan_all_reduce(const System& system, const CollectiveConstants& constants,
                               CollectiveSoftware software, int dies);
CollectivePlan plan_all_gather(const System& system, const CollectiveConstants& constants,
                               int dies);
CollectivePlan plan_reduce_scatter(const System& system, const CollectiveConstants& constants,
                                   int dies);
CollectivePlan plan_all_to_all(const System& system, const CollectiveConstants& constants,
                               int dies);
// Point to point, to the die `distance` further on.
CollectivePlan plan_send(const System& system, const CollectiveConstants& constants, int distance);

}  // namespace weft
