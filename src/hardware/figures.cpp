// Values with their grade and source, read from TOML.
#include "hardware/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace weft {
namespace {

struct UnitSuffix {
  std::string_view suffix;
  std::string_view unit;
};

// Longest first among those that end alike.
constexpr std::array<UnitSuffix, 14> kUnits = {{
    {"_usd_per_hour", "USD/h"},
    {"gb_per_s", "GB/s"},
    {"_tb_per_s", "TB/s"},
    {"_tflops", "TFLOPS"},
    {"_tops", "TOPS"},
    {"_bytes", "bytes"},
    {"_gib", "GiB"},
    {"_usd", "USD"},
    {"_gb", "GB"},
    {"_tb", "TB"},
    {"_us", "us"},
    {"_w", "W"},
    {"_b", "billion"},
    {"_bytes_per_token", "bytes"},
}};

}  // namespace

std::string unit_of_key(std::string_view key) {
  for (const UnitSuffix& entry : kUnits) {
    if (key.ends_with(entry.suffix)) return std::string(entry.unit);
  }
  return "";
}

const std::vector<std::string>& figure_grades() {
  static const std::vector<std::string> kGrades = {"C", "C*", "P", "T", "S", "D", "U", "fitted"};
  return kGrades;
}

double FigureReader::number(std::string_view key, NumberRange range) {
  ConfigTable figure = table_.table(key);
  const double value = figure.number("value", range);
  record(key, figure, fmt::format("{}", value));
  return value;
}

double FigureReader::number(std::string_view key, double fallback, NumberRange range) {
  return has(key) ? number(key, range) : fallback;
}

int FigureReader::integer(std::string_view key, IntegerRange range) {
  ConfigTable figure = table_.table(key);
  const auto value = static_cast<int>(figure.integer("value", range));
  record(key, figure, fmt::format("{}", value));
  return value;
}

int FigureReader::integer(std::string_view key, int fallback, IntegerRange range) {
  return has(key) ? integer(key, range) : fallback;
}

bool FigureReader::boolean(std::string_view key, bool fallback) {
  if (!has(key)) return fallback;
  ConfigTable figure = table_.table(key);
  const bool value = figure.boolean("value");
  record(key, figure, value ? "true" : "false");
  return value;
}

std::string FigureReader::word(std::string_view key, const std::vector<std::string>& allowed,
                               std::string_view fallback) {
  if (!has(key)) return std::string(fallback);
  ConfigTable figure = table_.table(key);
  std::string value = figure.choice("value", allowed, fallback);
  record(key, figure, value);
  return value;
}

void FigureReader::record(std::string_view key, ConfigTable& figure, std::string value) {
  Figure out;
  out.key = prefix_ + std::string(key);
  out.value = std::move(value);
  out.unit = unit_of_key(key);
  if (!figure.has("grade")) {
    figure.fail("grade", fmt::format("missing; expected {}", join_alternatives(figure_grades())));
  }
  out.grade = figure.choice("grade", figure_grades(), figure_grades().back());
  out.source = figure.text("source");
  if (out.source.empty()) figure.fail("source", "found nothing, expected where the figure is from");
  put_figure(*figures_, std::move(out));
}

void put_figure(std::vector<Figure>& figures, Figure figure) {
  const auto same = std::ranges::find(figures, figure.key, &Figure::key);
  if (same == figures.end()) {
    figures.push_back(std::move(figure));
  } else {
    *same = std::move(figure);
  }
}

void drop_figures(std::vector<Figure>& figures, std::string_view prefix) {
  std::erase_if(figures, [&](const Figure& figure) { return figure.key.starts_with(prefix); });
}

}  // namespace weft
