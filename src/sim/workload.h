// Workload: the stream of requests that a scenario's [workload] table describes: a recorded trace,
// a made load, or ServeGen's mixture of clients.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/config.h"
#include "base/result.h"
#include "sim/segments.h"
#include "sim/servegen.h"
#include "sim/workload_made.h"
#include "sim/workload_prefixes.h"
#include "sim/workload_spec.h"
#include "sim/workload_trace.h"

namespace weft {

// Keys of a recorded load:
//   trace = "FILE"           any TraceFormat, told by content; plain, .gz or .zst
//   speedup = 1.0            2.0: arrivals twice as dense
//   start_s, end_s           the part of the recording that is played
//   arrivals = { … }         other arrival times than the recorded, or some where there are none
//   repeat = false           at its end the file begins again, with contents of its own; needs
//                            arrivals, and requests or duration_s
//   lengths = "requested"    or "served": APEX's counts of what was really served
//   hash_tokens = N          tokens of one hash id, if not the format's 512 or 16
// Keys of a made load:
//   arrivals = { process = "poisson", rate = R }
//                            R requests per second; "gamma" with cv, "weibull" with shape, "fixed";
//                            or { concurrency = N }: a closed loop
//   input_tokens, output_tokens = { dist = "fixed", value }
//                            "uniform" with min and max, "lognormal" with mean and sigma,
//                            "exponential" with mean, "empirical" with values and weights, "file"
//                            with file and column, a CSV's; min and max clamp them all
//   conversations = { turns = MEAN, think_s = MEAN, max_tokens = 131072 }
//                            The next turn's prompt is this turn's prompt, its answer and new
//                            input_tokens. turns is geometric; think_s, from arrival to arrival, is
//                            exponential. Conversations start at rate / turns, so `rate` is that of
//                            requests once the first conversations are through.
// Keys of a mixture of clients, see ServegenLoad:
//   servegen = "FILE"        a tar archive or a folder
//   rate = R                 scales the mean over the span to R requests per second
//   clients = N              the N busiest clients of the span
//   speedup, start_s, end_s  as above; past its end the recorded day comes again
// Keys of all:
//   requests = N             stop there; made loads need this or duration_s
//   duration_s = S           as played
//   prefix_reuse = 0.5       share of each prompt that it has in common with others, in one of
//                            `prefixes` = 16 ways, the k-th drawn with weight k^-prefix_skew (1.0).
//                            In conversations: of the first prompt. Not with hash_ids
//   priorities = [0.9, 0.1]  shares of the requests, or conversations, at priority 0, 1, …
//   deadline_s = S           from arrival to first token. What a trace says goes first
class Workload {
 public:
  // Reads the table and opens its files, which are found by find_trace_file().
  static Result<Workload> from_config(ConfigTable table, uint64_t seed,
                                      const std::string& base_folder);
  static Result<Workload> from_spec(const WorkloadSpec& spec, uint64_t seed);

  // The next request, all fields; `out`'s memory is used again. False at the end. An error names
  // file and line; a workload without a single request is an error. Equal specs and seeds give
  // equal streams.
  Result<bool> next(Arrival& out);

  // Above 0: a closed loop with so many requests in flight, and no meaning in Arrival::at. 0: open.
  [[nodiscard]] int concurrency() const { return concurrency_; }
  // For a progress bar: how many requests there will be, if that is known beforehand (ServeGen: on
  // average), and which share has been given out, 0 to 1.
  [[nodiscard]] std::optional<uint64_t> expected_requests() const;
  [[nodiscard]] double progress() const;
  // What a person should know of the trace: rows left out, lengths raised. Complete at the end.
  [[nodiscard]] std::vector<std::string> notes() const;

 private:
  using Source = std::variant<MadeLoad, TraceLoad, ServegenLoad>;
  Workload(const WorkloadSpec& spec, Source source, uint64_t seed);
  static Result<Source> open(const WorkloadSpec& spec, uint64_t seed);
  int draw_priority(const Arrival& arrival) const;

  Source source_;
  std::string name_;
  int concurrency_;
  std::optional<uint64_t> requests_;  // the limit
  SharedPrefixes prefixes_;           // for prompts whose contents nobody says
  std::vector<double> priorities_;    // cumulative
  Duration deadline_;
  uint64_t seed_;
  uint64_t given_ = 0;
};

}  // namespace weft
