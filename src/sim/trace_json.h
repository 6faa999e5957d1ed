// The JSON-lines traces: Mooncake, Bailian and engine logs. The only part of the simulator that
// knows simdjson, with servegen_clients.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "sim/trace_row.h"

namespace weft {

class JsonRows {
 public:
  // Nothing when the first line is not an object with the keys of a known trace. The line must be
  // followed by kLinePadding readable bytes, here and in decode().
  static std::optional<JsonRows> from_first_line(std::string_view line);
  JsonRows(JsonRows&&) noexcept;
  JsonRows& operator=(JsonRows&&) noexcept;
  ~JsonRows();

  // An option that the file cannot follow is an error.
  Status apply(const TraceOptions& options);

  // Errors say "found …, expected …"; the caller adds file and line.
  Status decode(std::string_view line, TraceRow& row);

  [[nodiscard]] TraceFormat format() const { return format_; }

 private:
  struct State;
  JsonRows();

  TraceFormat format_ = TraceFormat::kMooncake;
  std::unique_ptr<State> state_;
};

}  // namespace weft
