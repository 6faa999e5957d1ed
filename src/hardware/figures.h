// FigureReader: a table of a catalog file whose values are figures, each with grade and source:
//   int8_tops = { value = 1504, grade = "D", source = "arXiv 2506.12708v2, Tables 3 and 10" }
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/config.h"
#include "hardware/catalog.h"

namespace weft {

// The unit that the end of a key says: "memory_gb" is in GB; empty when there is none.
std::string unit_of_key(std::string_view key);

class FigureReader {
 public:
  // Appends what it reads to `figures`, which outlives it; keys get `prefix` there.
  FigureReader(ConfigTable table, std::vector<Figure>* figures, std::string prefix = "")
      : table_(std::move(table)), figures_(figures), prefix_(std::move(prefix)) {}

  // Required figures. Errors stay in the ConfigFile.
  double number(std::string_view key, NumberRange range = {.min = 0});
  int integer(std::string_view key, IntegerRange range = {.min = 1, .max = 1 << 24});
  // Figures with a default, which is not recorded.
  double number(std::string_view key, double fallback, NumberRange range = {.min = 0});
  int integer(std::string_view key, int fallback, IntegerRange range = {.min = 1, .max = 1 << 24});
  bool boolean(std::string_view key, bool fallback);
  std::string word(std::string_view key, const std::vector<std::string>& allowed,
                   std::string_view fallback);

  [[nodiscard]] bool has(std::string_view key) const { return table_.has(key); }
  // For what is no figure: names and titles.
  ConfigTable& table() { return table_; }
  std::vector<Figure>* figures() { return figures_; }

 private:
  // Reads grade and source beside the value and records the figure.
  void record(std::string_view key, ConfigTable& figure, std::string value);

  ConfigTable table_;
  std::vector<Figure>* figures_;
  std::string prefix_;
};

// Puts `figure` in the place of the one with its key, or at the end.
void put_figure(std::vector<Figure>& figures, Figure figure);
// Drops the figures whose keys begin so.
void drop_figures(std::vector<Figure>& figures, std::string_view prefix);

// "C", "C*", ... as figures may be graded.
const std::vector<std::string>& figure_grades();

}  // namespace weft
