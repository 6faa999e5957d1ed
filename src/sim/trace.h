// TraceReader: the requests of a recorded trace, in the order of their times, in constant memory.
// The format is told by content; see TraceFormat. Plain, gzip and zstd files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "sim/trace_csv.h"
#include "sim/trace_json.h"
#include "sim/trace_lines.h"
#include "sim/trace_row.h"

namespace weft {

// What was done to rows so that every request is one that can be served.
struct TraceNotes {
  uint64_t failed = 0;  // BurstGPT: rows without an answer were failures and are left out
  uint64_t raised = 0;  // lengths of 0 that count as 1: a step computes, and yields, at least one
};

class TraceReader {
 public:
  static Result<TraceReader> open(const std::string& path, const TraceOptions& options = {});
  // Borrows `bytes`; `name` stands for the file in messages.
  static Result<TraceReader> from_memory(std::string_view bytes, std::string name,
                                         const TraceOptions& options = {});

  // The next request; false at the end. Prompt and output are at least 1, and `at_ns` counts from
  // the trace's start: the file's own zero, or the first request where the file has dates or a
  // running clock (Azure, BurstGPT, engine logs). A file without a single request is an error.
  //
  // Rows may be out of order by up to 1,024 rows (or 1 Mi segments, whichever is less): they are
  // sorted by time, equal times by line. A row that comes later than that is an error.
  Result<bool> next(TraceRow& row);

  [[nodiscard]] TraceFormat format() const;
  [[nodiscard]] bool has_times() const { return format() != TraceFormat::kLengths; }
  [[nodiscard]] bool has_contents() const;  // its rows carry segments
  [[nodiscard]] const TraceNotes& notes() const { return notes_; }
  [[nodiscard]] const std::string& name() const { return lines_.name(); }
  [[nodiscard]] double progress() const { return lines_.progress(); }  // share of the file read

 private:
  using Rows = std::variant<CsvRows, JsonRows>;
  struct Held {  // a row that waits for its turn
    int64_t at_ns;
    uint64_t line;
    size_t slot;
  };

  TraceReader(TraceLines lines, Rows rows) : lines_(std::move(lines)), rows_(std::move(rows)) {}
  static Result<TraceReader> start(Result<TraceLines> lines, const TraceOptions& options);
  Error at_line(uint64_t line, const std::string& message) const;
  Status fill();
  Status read_line(std::string_view line);
  bool accept(TraceRow& row);  // false: the row is left out
  static bool later(const Held& a, const Held& b);

  TraceLines lines_;
  Rows rows_;
  TraceNotes notes_;
  std::vector<TraceRow> slots_;
  std::vector<size_t> free_;
  std::vector<Held> waiting_;  // a heap, earliest on top
  size_t waiting_segments_ = 0;
  int64_t zero_ns_ = -1;  // the trace's start on the file's clock, once known
  int64_t last_ns_ = 0;   // of the last row handed out, on the file's clock
  bool ended_ = false;
  bool first_line_is_row_ = false;
  std::string first_line_;  // padded; JSON only, read again as a row
};

}  // namespace weft
