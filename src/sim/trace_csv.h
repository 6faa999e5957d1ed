// The CSV traces: columns are found by the names in the header, in any order, among others.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sim/trace_row.h"

namespace weft {

class CsvRows {
 public:
  // Nothing when the header is not one of a known trace.
  static std::optional<CsvRows> from_first_line(std::string_view header);

  // An option that the file cannot follow is an error.
  Status apply(const TraceOptions& options);

  // Errors say "found …, expected …"; the caller adds file and line.
  Status decode(std::string_view line, TraceRow& row);

  [[nodiscard]] TraceFormat format() const { return format_; }

 private:
  enum class Time { kNone, kSeconds, kNanoseconds, kDate };
  struct Column {
    int index = -1;    // -1: not there
    std::string name;  // as the header writes it
  };
  struct Layout;
  static const std::vector<Layout>& layouts();

  [[nodiscard]] std::string_view field(const Column& column) const;
  Column take_column(const std::vector<std::string_view>& names, std::string_view name);
  Status decode_time(TraceRow& row) const;
  Status decode_extras(TraceRow& row) const;

  TraceFormat format_ = TraceFormat::kCsv;
  Time time_kind_ = Time::kNone;
  Column time_, prompt_, output_;
  Column served_prompt_, served_output_;       // APEX
  Column priority_, deadline_, conversation_;  // optional
  int needed_ = 0;                             // fields that a line must have
  bool served_ = false;                        // take the served counts where they are known
  std::vector<std::string_view> fields_;
};

// One column of a CSV file (plain, gzip or zstd) as token counts of at least 1, in the file's
// order. For distributions measured elsewhere. At most 16 Mi rows.
Result<std::vector<double>> read_token_column(const std::string& path, const std::string& column);

}  // namespace weft
