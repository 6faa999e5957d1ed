// One buffer that slides over the file; a line is a view into it.
#include "sim/trace_lines.h"

#include <fmt/format.h>

#include <cstring>

namespace weft {
namespace {

constexpr size_t kFirstBuffer = 256 * 1024;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

TraceLines::TraceLines(ByteSource source)
    : source_(std::move(source)), buffer_(kFirstBuffer + kLinePadding) {}

Result<TraceLines> TraceLines::open(const std::string& path) {
  auto source = ByteSource::open(path);
  if (!source) return source.error();
  return TraceLines(std::move(*source));
}

Result<TraceLines> TraceLines::from_memory(std::string_view bytes, std::string name) {
  auto source = ByteSource::from_memory(bytes, std::move(name));
  if (!source) return source.error();
  return TraceLines(std::move(*source));
}

std::string TraceLines::where() const { return fmt::format("{}:{}", name(), number_); }

double TraceLines::progress() const { return ended_ ? 1.0 : source_.progress(); }

// Moves what is left to the front and reads more behind it, in a larger buffer if it is full.
Status TraceLines::refill() {
  const size_t left = end_ - begin_;
  std::memmove(buffer_.data(), buffer_.data() + begin_, left);
  begin_ = 0;
  end_ = left;
  if (left + kLinePadding == buffer_.size()) {
    if (left >= kLongestLine) {
      return bad_input(
          fmt::format("{}:{}: found a line over {} bytes, expected a trace: JSON lines "
                      "or CSV",
                      name(), number_ + 1, kLongestLine));
    }
    buffer_.resize(2 * left + kLinePadding);
  }
  const size_t space = buffer_.size() - kLinePadding - end_;
  auto got = source_.read({buffer_.data() + end_, space});
  if (!got) {
    return Error{got.error().code, fmt::format("{} after line {}", got.error().message, number_)};
  }
  ended_ = *got == 0;
  end_ += *got;
  return {};
}

Result<bool> TraceLines::next(std::string_view& line) {
  size_t searched = 0;
  for (;;) {
    const char* start = buffer_.data() + begin_;
    const size_t left = end_ - begin_;
    const void* found =
        left == searched ? nullptr : std::memchr(start + searched, '\n', left - searched);
    if (found == nullptr && !ended_) {
      searched = left;
      if (Status status = refill(); !status) return status.error();
      continue;
    }
    if (found == nullptr && left == 0) return false;
    const size_t length = found == nullptr ? left : static_cast<const char*>(found) - start;
    begin_ += length + (found == nullptr ? 0 : 1);
    searched = 0;
    line = std::string_view(start, length);
    if (++number_ == 1 && line.starts_with(kByteOrderMark))
      line.remove_prefix(kByteOrderMark.size());
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!is_blank(line)) return true;
  }
}

std::string excerpt(std::string_view text) {
  constexpr size_t kMost = 40;
  std::string out = "\"";
  for (const char c : text.substr(0, kMost)) out += c >= ' ' && c <= '~' ? c : '?';
  out += text.size() > kMost ? "…\"" : "\"";
  return out;
}

}  // namespace weft
