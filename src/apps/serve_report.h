// What a load on a server came to, as a table for people, as JSON for programs, and as the
// warnings that a reader of either should know.
#pragma once

#include <string>
#include <vector>

#include "apps/serve_metrics.h"
#include "real/load_client.h"

namespace weft {

// Beside the summary: what was measured, and what this process had to do for it.
struct ServeContext {
  std::string url, model, path;
  std::string load;  // "8 requests/s (poisson)", "64 at a time"
  uint64_t seed = 0;
  SloBounds slo;
  bool token_ids = false;
  bool interrupted = false;
  double cpu_s = 0;  // of this thread, during the run
  int64_t most_in_flight = 0;
  LoadClientCounters client;  // during the run
};

std::string serve_table(const ServeSummary& summary, const ServeContext& context);
// The keys of the command line's contract, and what is special here; with a final newline.
std::string serve_json(const ServeSummary& summary, const ServeContext& context);
// One line each.
std::vector<std::string> serve_warnings(const ServeSummary& summary, const ServeContext& context);

}  // namespace weft
