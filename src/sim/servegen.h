// ServegenLoad: a workload from ServeGen's clients, each with its own rhythm, merged into one
// stream.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "sim/segments.h"
#include "sim/servegen_clients.h"
#include "sim/workload_spec.h"

namespace weft {

// Within a window of rate r, a client sends r x window requests (rounded at random so that the mean
// is right). Their gaps are drawn from the window's gamma or Weibull distribution and scaled so
// that one gap more than there are requests fills the window; with gamma of shape 1 that is a
// Poisson process given its count. Input and output lengths are drawn independently. Past the
// recorded day the same day begins again. Every client has streams of its own, so `clients` and
// `rate` do not change what another client draws.
class ServegenLoad {
 public:
  static Result<ServegenLoad> open(const WorkloadSpec& spec, uint64_t seed);
  // Requires at least one client; `spec` gives rate, clients, speedup and span.
  static Result<ServegenLoad> make(ServegenData data, const WorkloadSpec& spec, uint64_t seed);

  // Fills all of `out` but id, priority and deadline. False at the end of the span.
  Result<bool> next(Arrival& out);

  [[nodiscard]] double progress() const;
  // Expected number of requests of the whole span.
  [[nodiscard]] double expected_requests() const { return expected_; }

 private:
  struct Source {  // one client's state
    Random gaps, lengths;
    int64_t window = -1;  // counted from the recording's start, over all days
    int64_t left = 0;     // requests still to come in the window
    double at_s = 0;      // from the window's start, of the next request
    double scale = 1;     // from drawn gaps to seconds
  };
  struct Due {
    Instant at;  // on the recording's clock
    size_t client;
  };

  ServegenLoad(ServegenData data, const WorkloadSpec& spec, uint64_t seed);
  [[nodiscard]] double mean_rate(const ServegenClient& client) const;
  void keep_busiest(int64_t count);
  [[nodiscard]] const ServegenWindow& window_of(size_t client) const;  // the one it is in
  void schedule(size_t client);      // puts the client's next request in line
  void enter_window(size_t client);  // the next one
  static double draw_gap(const ServegenWindow& window, Random& random);
  static bool later(const Due& a, const Due& b);

  ServegenData data_;
  double start_s_, end_s_;  // on the recording's clock
  double speedup_;
  double factor_ = 1;  // of all rates
  double expected_ = 0;
  Instant last_;  // on the recording's clock
  std::vector<Source> sources_;
  std::vector<Due> due_;  // a heap, earliest on top
};

}  // namespace weft
