// ServeGen's published clients (Xiang et al., "ServeGen: Workload Characterization and Generation
// of Large Language Model Serving in Production", NSDI 2026; github.com/alibaba/ServeGen, data/):
// for every client its request rate and burstiness by window and its token lengths by part of the
// day.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "sim/workload_lengths.h"

namespace weft {

struct ServegenWindow {
  double rate = 0;       // requests per second
  bool weibull = false;  // else gamma
  double shape = 1;      // of the gaps; their scale follows from the rate
};

struct ServegenLengths {
  double start_s = 0;  // valid from here to the next one's start
  LengthDistribution input, output;
};

struct ServegenClient {
  int64_t number = 0;  // as in the file names
  std::vector<ServegenWindow> windows;
  std::vector<ServegenLengths> lengths;  // by ascending start; windows with a rate have theirs
};

struct ServegenData {
  double window_s = 0;                  // length of every window
  size_t windows = 0;                   // per client
  std::vector<ServegenClient> clients;  // by ascending number

  [[nodiscard]] double day_s() const { return window_s * static_cast<double>(windows); }
};

// Reads a tar archive (plain, .gz, .zst) or a folder that holds chunk-N-trace.csv and
// chunk-N-dataset.json for every client N, at any depth. trace.csv has no header: window start (s),
// rate, CV, "Gamma" or "Weibull" or nothing, shape, scale. dataset.json: start (s) of a part of the
// day -> {"input_tokens", "output_tokens"}: text of a dictionary from token count to probability.
Result<ServegenData> read_servegen(const std::string& path);

// The parsers alone, for tests and fuzzers. Errors begin with `name`.
Status parse_servegen_windows(const std::string& name, const std::string& bytes,
                              ServegenClient& client, double& window_s);
Status parse_servegen_lengths(const std::string& name, const std::string& bytes,
                              ServegenClient& client);

}  // namespace weft
