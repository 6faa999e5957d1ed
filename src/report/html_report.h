// The HTML page of a run: one file, no network, for people who decide.
#pragma once

#include <string>

#include "report/run_metrics.h"
#include "report/run_series.h"

namespace weft {

struct HtmlInput {
  const Deployment& deployment;
  const RunSeries& series;
  const RunSummary& summary;
  SloBounds slo;
  std::string title;
};

std::string html_report(const HtmlInput& input);

}  // namespace weft
