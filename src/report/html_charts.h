// The charts of a run as data: what is drawn is decided here, how it is drawn in html_script.cpp.
#pragma once

#include <string>
#include <vector>

#include "report/html_report.h"

namespace weft {

enum class ChartColor { kFirst, kSecond, kThird, kBad };

struct ChartLine {
  std::string name;
  ChartColor color = ChartColor::kFirst;
  std::vector<double> values;  // NaN where there is none
};

enum class ChartKind { kLines, kStack, kDistribution };

struct Chart {
  std::string title;
  std::string unit;   // of the values; of a distribution's x, whose y is a percentage
  std::string note;   // one line under the title; may be empty
  std::string empty;  // what is said instead when nothing was measured
  ChartKind kind = ChartKind::kLines;
  std::vector<ChartLine> lines;
  std::vector<double> x;  // of a distribution; else the buckets of the view
  double limit = 0;       // the SLO's bound; 0: none
};

struct ChartSection {
  std::string title;  // empty: goes on under the heading before
  std::vector<Chart> charts;
};

// How many points the charts over time have: fewer where so many would be noise.
SeriesView chart_view(const HtmlInput& input);
std::vector<ChartSection> run_charts(const HtmlInput& input, const SeriesView& view);
// One JSON object with the time axis, the marks, and all charts in order.
std::string charts_json(const std::vector<ChartSection>& sections, const SeriesView& view,
                        const std::vector<Mark>& marks);

}  // namespace weft
