// Lines out of bytes, events out of lines.
#include "real/sse_parser.h"

#include <algorithm>

namespace weft {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Where the first line ends of which nothing before `scanned` is the end; npos when it goes on.
// Newlines are common and carriage returns rare: one search for each is quicker than one for both.
size_t end_of_line(std::string_view buffer, size_t scanned) {
  const size_t feed = buffer.find('\n', scanned);
  const size_t carriage = buffer.substr(0, feed).find('\r', scanned);
  return carriage == std::string_view::npos ? feed : carriage;
}

}  // namespace

void SseParser::feed(std::string_view bytes) {
  if (overflowed_) return;
  if (cursor_ > 0) {
    buffer_.erase(0, cursor_);
    scanned_ -= cursor_;
    cursor_ = 0;
  }
  buffer_.append(bytes);
}

bool SseParser::next_line(std::string_view& line) {
  if (skip_lf_ && cursor_ < buffer_.size()) {
    if (buffer_[cursor_] == '\n') ++cursor_;
    skip_lf_ = false;
  }
  scanned_ = std::max(scanned_, cursor_);
  const size_t end = end_of_line(buffer_, scanned_);
  if (end == std::string_view::npos) {
    scanned_ = buffer_.size();
    return false;
  }
  line = std::string_view(buffer_).substr(cursor_, end - cursor_);
  skip_lf_ = buffer_[end] == '\r';
  cursor_ = scanned_ = end + 1;
  if (at_start_ && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  at_start_ = false;
  return true;
}

void SseParser::take(std::string_view line) {
  if (!line.starts_with("data")) return;
  line.remove_prefix(4);
  if (!line.empty()) {
    if (line[0] != ':') return;
    line.remove_prefix(line.starts_with(": ") ? 2 : 1);
  }
  if (has_data_) data_ += '\n';
  data_.append(line);
  has_data_ = true;
}

bool SseParser::next(std::string_view& data) {
  if (overflowed_) return false;
  if (!has_data_) data_.clear();
  std::string_view line;
  while (next_line(line)) {
    if (!line.empty()) {
      take(line);
      if (data_.size() > most_bytes_) break;
    } else if (has_data_) {
      has_data_ = false;
      data = data_;
      return true;
    }
  }
  overflowed_ = std::max(data_.size(), buffer_.size() - cursor_) > most_bytes_;
  return false;
}

void SseParser::reset() {
  const size_t most = most_bytes_;
  *this = SseParser(most);
}

}  // namespace weft
