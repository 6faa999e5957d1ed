// One table of layouts says what each published CSV calls its columns.
#include "sim/trace_csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/random.h"
#include "sim/trace_lines.h"
#include "sim/trace_text.h"

namespace weft {
namespace {

constexpr size_t kMostColumnRows = 16 * 1024 * 1024;
constexpr int kMostPriority = 1'000'000;

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

int find_column(const std::vector<std::string_view>& names, std::string_view name) {
  if (name.empty()) return -1;
  const auto at = std::find_if(names.begin(), names.end(),
                               [&](std::string_view other) { return same_name(other, name); });
  return at == names.end() ? -1 : static_cast<int>(at - names.begin());
}

Error wrong(std::string_view text, std::string_view column, std::string_view expected) {
  return bad_input(
      fmt::format("found {} in column {}, expected {}", excerpt(text), column, expected));
}

std::string expected_tokens() { return fmt::format("a token count from 0 to {}", kMostTokens); }

// A number stands for itself, any other word for its hash; 0 and nothing are no conversation.
uint64_t conversation_id(std::string_view text) {
  uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, number);
  if (code == std::errc{} && stop == end) return number;
  if (text.empty()) return 0;
  uint64_t hash = text.size();
  for (const char c : text) hash = mix64(hash ^ static_cast<unsigned char>(c));
  return hash | 1;
}

}  // namespace

struct CsvRows::Layout {
  TraceFormat format;
  Time time_kind;
  const char* time;
  const char* prompt;
  const char* output;
  const char* conversation;  // optional column
};

const std::vector<CsvRows::Layout>& CsvRows::layouts() {
  using F = TraceFormat;
  static const std::vector<Layout> kLayouts = {
      {F::kApex, Time::kNanoseconds, "StartTimeOffset_ns", "ContextTokens", "GeneratedTokens", ""},
      {F::kAzure, Time::kDate, "TIMESTAMP", "ContextTokens", "GeneratedTokens", ""},
      {F::kBurstGpt, Time::kSeconds, "Timestamp", "Request tokens", "Response tokens",
       "Session ID"},
      {F::kCsv, Time::kSeconds, "arrival_s", "input_tokens", "output_tokens", "conversation"},
      {F::kLengths, Time::kNone, "", "num_prefill_tokens", "num_decode_tokens", ""},
      {F::kLengths, Time::kNone, "", "input_tokens", "output_tokens", "conversation"},
  };
  return kLayouts;
}

CsvRows::Column CsvRows::take_column(const std::vector<std::string_view>& names,
                                     std::string_view name) {
  const int index = find_column(names, name);
  needed_ = std::max(needed_, index + 1);
  return {index, std::string(index < 0 ? name : names[static_cast<size_t>(index)])};
}

std::optional<CsvRows> CsvRows::from_first_line(std::string_view header) {
  std::vector<std::string_view> names;
  split_csv(header, names);
  for (const Layout& layout : layouts()) {
    if ((layout.time_kind != Time::kNone && find_column(names, layout.time) < 0) ||
        find_column(names, layout.prompt) < 0 || find_column(names, layout.output) < 0) {
      continue;
    }
    CsvRows rows;
    rows.format_ = layout.format;
    rows.time_kind_ = layout.time_kind;
    rows.time_ = rows.take_column(names, layout.time);
    rows.prompt_ = rows.take_column(names, layout.prompt);
    rows.output_ = rows.take_column(names, layout.output);
    rows.conversation_ = rows.take_column(names, layout.conversation);
    if (layout.format == TraceFormat::kCsv || layout.format == TraceFormat::kLengths) {
      rows.priority_ = rows.take_column(names, "priority");
      rows.deadline_ = rows.take_column(names, "deadline_s");
    }
    if (layout.format == TraceFormat::kApex) {
      rows.served_prompt_ = rows.take_column(names, "Measured8TP_PromptTokens");
      rows.served_output_ = rows.take_column(names, "Measured8TP_GeneratedTokens");
    }
    return rows;
  }
  return std::nullopt;
}

Status CsvRows::apply(const TraceOptions& options) {
  served_ = options.served_lengths;
  if (!served_ || (served_prompt_.index >= 0 && served_output_.index >= 0)) return {};
  return bad_input(
      "found no columns of served tokens, expected an APEX trace with Measured8TP_PromptTokens and "
      "Measured8TP_GeneratedTokens (lengths = \"served\")");
}

std::string_view CsvRows::field(const Column& column) const {
  return column.index < 0 ? std::string_view{} : fields_[static_cast<size_t>(column.index)];
}

Status CsvRows::decode_time(TraceRow& row) const {
  std::optional<int64_t> at = 0;
  std::string_view expected;
  const std::string_view text = field(time_);
  switch (time_kind_) {
    case Time::kNone:
      break;
    case Time::kSeconds:
      at = parse_scaled(text, 9);
      expected = "seconds, 0 or more";
      break;
    case Time::kNanoseconds:
      at = parse_scaled(text, 0);
      expected = "nanoseconds, 0 or more";
      break;
    case Time::kDate:
      at = parse_date(text);
      expected = "a time like 2023-11-16 18:17:03.9799600";
      break;
  }
  if (!at || *at < 0) return wrong(text, time_.name, expected);
  row.at_ns = *at;
  return {};
}

Status CsvRows::decode_extras(TraceRow& row) const {
  row.priority = 0;
  row.deadline = Duration();
  row.conversation = conversation_id(field(conversation_));
  if (const auto text = field(priority_); !text.empty()) {
    const auto priority = parse_scaled(text, 0);
    if (!priority || *priority < -kMostPriority || *priority > kMostPriority) {
      return wrong(text, priority_.name, fmt::format("a whole number up to {}", kMostPriority));
    }
    row.priority = static_cast<int>(*priority);
  }
  if (const auto text = field(deadline_); !text.empty()) {
    const auto deadline = parse_scaled(text, 9);
    if (!deadline || *deadline < 0) return wrong(text, deadline_.name, "seconds, 0 or more");
    row.deadline = Duration(*deadline);
  }
  return {};
}

Status CsvRows::decode(std::string_view line, TraceRow& row) {
  split_csv(line, fields_);
  if (static_cast<int>(fields_.size()) < needed_) {
    return bad_input(fmt::format("found {} columns in {}, expected at least {}", fields_.size(),
                                 excerpt(line), needed_));
  }
  if (Status status = decode_time(row); !status) return status;
  if (Status status = decode_extras(row); !status) return status;
  const bool served = served_ && !field(served_prompt_).empty() && !field(served_output_).empty();
  const Column& prompt_column = served ? served_prompt_ : prompt_;
  const Column& output_column = served ? served_output_ : output_;
  const auto prompt = parse_tokens(field(prompt_column));
  if (!prompt) return wrong(field(prompt_column), prompt_column.name, expected_tokens());
  const auto output = parse_tokens(field(output_column));
  if (!output) return wrong(field(output_column), output_column.name, expected_tokens());
  row.prompt = *prompt;
  row.output = *output;
  row.segments.clear();
  return {};
}

Result<std::vector<double>> read_token_column(const std::string& path, const std::string& column) {
  auto lines = TraceLines::open(path);
  if (!lines) return lines.error();
  std::string_view line;
  std::vector<std::string_view> fields;
  std::vector<double> values;
  int index = -1;
  for (;;) {
    auto more = lines->next(line);
    if (!more) return more.error();
    if (!*more) break;
    split_csv(line, fields);
    if (index < 0) {
      index = find_column(fields, column);
      if (index >= 0) continue;
      return bad_input(fmt::format("{}: found the columns {}, expected one named {}",
                                   lines->where(), excerpt(line), column));
    }
    const auto text = fields.size() > static_cast<size_t>(index)
                          ? fields[static_cast<size_t>(index)]
                          : std::string_view{};
    const auto tokens = parse_tokens(text);
    if (!tokens) {
      return bad_input(
          fmt::format("{}: {}", lines->where(), wrong(text, column, expected_tokens()).message));
    }
    if (values.size() == kMostColumnRows) {
      return bad_input(fmt::format("{}: found more than {} rows, expected fewer", lines->where(),
                                   kMostColumnRows));
    }
    values.push_back(static_cast<double>(std::max<int64_t>(*tokens, 1)));
  }
  if (values.empty()) {
    return bad_input(
        fmt::format("{}: found no rows, expected a header and at least one line", path));
  }
  return values;
}

}  // namespace weft
