// Tells the format by the first line, decodes rows, and puts neighbours in order of time.
#include "sim/trace.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/trace_text.h"

namespace weft {
namespace {

constexpr size_t kWindowRows = 1024;
constexpr size_t kWindowSegments = 1 << 20;

constexpr std::string_view kKnownTraces =
    "a trace: JSON lines of Mooncake, Bailian or an engine log, or CSV with the columns of Azure "
    "(TIMESTAMP,ContextTokens,GeneratedTokens), BurstGPT (Timestamp,Request tokens,Response "
    "tokens), "
    "APEX (StartTimeOffset_ns,…), arrival_s,input_tokens,output_tokens, or lengths alone";

bool is_binary(std::string_view line) {
  return std::any_of(line.begin(), line.end(), [](char c) {
    return static_cast<unsigned char>(c) < ' ' && c != '\t' && c != '\r';
  });
}

}  // namespace

std::string_view trace_format_name(TraceFormat format) {
  switch (format) {
    case TraceFormat::kMooncake:
      return "Mooncake";
    case TraceFormat::kBailian:
      return "Bailian";
    case TraceFormat::kEngineLog:
      return "engine log";
    case TraceFormat::kAzure:
      return "Azure";
    case TraceFormat::kBurstGpt:
      return "BurstGPT";
    case TraceFormat::kApex:
      return "APEX";
    case TraceFormat::kCsv:
      return "CSV";
    case TraceFormat::kLengths:
      return "lengths";
  }
  return "unknown";
}

Result<TraceReader> TraceReader::open(const std::string& path, const TraceOptions& options) {
  return start(TraceLines::open(path), options);
}

Result<TraceReader> TraceReader::from_memory(std::string_view bytes, std::string name,
                                             const TraceOptions& options) {
  return start(TraceLines::from_memory(bytes, std::move(name)), options);
}

Result<TraceReader> TraceReader::start(Result<TraceLines> lines, const TraceOptions& options) {
  if (!lines) return lines.error();
  std::string_view line;
  auto more = lines->next(line);
  if (!more) return more.error();
  if (!*more)
    return bad_input(
        fmt::format("{}: found an empty file, expected {}", lines->name(), kKnownTraces));
  const std::string where = lines->where();
  if (is_binary(line)) {
    return bad_input(fmt::format("{}: found binary data, expected {}", where, kKnownTraces));
  }
  const bool json = trim(line).starts_with('{');
  std::string first(line);
  const auto finish = [&](auto rows) -> Result<TraceReader> {
    if (!rows) {
      return bad_input(
          fmt::format("{}: found {}, expected {}", where, excerpt(line), kKnownTraces));
    }
    if (Status status = rows->apply(options); !status) {
      return bad_input(fmt::format("{}: {}", where, status.error().message));
    }
    return TraceReader(std::move(*lines), Rows(std::move(*rows)));
  };
  if (!json) return finish(CsvRows::from_first_line(line));
  auto reader = finish(JsonRows::from_first_line(line));
  if (!reader) return reader;
  reader->first_line_is_row_ = true;
  reader->first_line_ = std::move(first);
  return reader;
}

TraceFormat TraceReader::format() const {
  return std::visit([](const auto& rows) { return rows.format(); }, rows_);
}

bool TraceReader::has_contents() const {
  return format() == TraceFormat::kMooncake || format() == TraceFormat::kBailian;
}

Error TraceReader::at_line(uint64_t line, const std::string& message) const {
  return bad_input(fmt::format("{}:{}: {}", name(), line, message));
}

bool TraceReader::later(const Held& a, const Held& b) {
  return a.at_ns != b.at_ns ? a.at_ns > b.at_ns : a.line > b.line;
}

bool TraceReader::accept(TraceRow& row) {
  if (format() == TraceFormat::kBurstGpt && row.output == 0) {
    ++notes_.failed;
    return false;
  }
  notes_.raised += row.prompt == 0 || row.output == 0 ? 1 : 0;
  row.prompt = std::max<int64_t>(row.prompt, 1);
  row.output = std::max<int64_t>(row.output, 1);
  return true;
}

Status TraceReader::read_line(std::string_view line) {
  if (free_.empty()) {
    free_.push_back(slots_.size());
    slots_.emplace_back();
  }
  TraceRow& row = slots_[free_.back()];
  row.line = lines_.number();
  const Status status = std::visit([&](auto& rows) { return rows.decode(line, row); }, rows_);
  if (!status) return at_line(row.line, status.error().message);
  if (!accept(row)) return {};
  waiting_.push_back({row.at_ns, row.line, free_.back()});
  std::push_heap(waiting_.begin(), waiting_.end(), later);
  waiting_segments_ += row.segments.size();
  free_.pop_back();
  return {};
}

Status TraceReader::fill() {
  if (first_line_is_row_) {
    first_line_is_row_ = false;
    const size_t size = first_line_.size();
    first_line_.append(kLinePadding, ' ');
    if (Status status = read_line(std::string_view(first_line_).substr(0, size)); !status) {
      return status;
    }
    first_line_ = {};
  }
  std::string_view line;
  while (!ended_ && waiting_.size() < kWindowRows && waiting_segments_ < kWindowSegments) {
    auto more = lines_.next(line);
    if (!more) return more.error();
    ended_ = !*more;
    if (ended_) break;
    if (Status status = read_line(line); !status) return status;
  }
  return {};
}

Result<bool> TraceReader::next(TraceRow& row) {
  if (Status status = fill(); !status) return status.error();
  if (waiting_.empty()) {
    if (zero_ns_ >= 0) return false;
    return bad_input(fmt::format("{}: found no request in {} lines, expected at least one", name(),
                                 lines_.number()));
  }
  std::pop_heap(waiting_.begin(), waiting_.end(), later);
  const Held held = waiting_.back();
  waiting_.pop_back();
  std::swap(row, slots_[held.slot]);
  free_.push_back(held.slot);
  waiting_segments_ -= row.segments.size();
  if (zero_ns_ < 0) {
    const TraceFormat kind = format();
    const bool own_zero = kind != TraceFormat::kAzure && kind != TraceFormat::kBurstGpt &&
                          kind != TraceFormat::kEngineLog;
    zero_ns_ = own_zero ? 0 : held.at_ns;
    last_ns_ = held.at_ns;
  }
  if (held.at_ns < last_ns_) {
    return at_line(held.line,
                   fmt::format("found a time {:.3f} s before a request {} rows up, "
                               "expected rows in order of time (sort the file)",
                               static_cast<double>(last_ns_ - held.at_ns) * 1e-9, kWindowRows));
  }
  if (held.at_ns - zero_ns_ > kLatestTime) {
    return at_line(held.line, "found a time over 100 years from the start, expected less");
  }
  last_ns_ = held.at_ns;
  row.at_ns = held.at_ns - zero_ns_;
  return true;
}

}  // namespace weft
