// A RunSummary as a table for people and as JSON for programs.
#pragma once

#include <string>

#include "report/run_metrics.h"

namespace weft {

// What is deployed and how its memory is used, before a run starts.
std::string deployment_table(const Deployment& deployment);
std::string run_table(const RunSummary& summary, const SloBounds& slo);
// The JSON object of the command line's contract, with a final newline.
std::string run_json(const RunSummary& summary);

}  // namespace weft
