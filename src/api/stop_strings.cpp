// Searching only what is new, and the longest suffix that begins a string.
#include "api/stop_strings.h"

#include <algorithm>

namespace weft {

StopStrings::StopStrings(std::vector<std::string> strings, bool keeps_stop)
    : strings_(std::move(strings)), keeps_stop_(keeps_stop) {
  for (const std::string& text : strings_) longest_ = std::max(longest_, text.size());
}

void StopStrings::restart() {
  held_.clear();
  rest_.clear();
  found_.reset();
}

std::string StopStrings::add(std::string_view piece) {
  if (strings_.empty()) return std::string(piece);
  if (found_) {
    rest_ += piece;
    return {};
  }
  held_ += piece;
  size_t begin = 0;
  size_t end = std::string::npos;
  for (size_t i = 0; i < strings_.size(); ++i) {
    const size_t at = held_.find(strings_[i]);
    if (at == std::string::npos) continue;
    const size_t here = at + strings_[i].size();
    if (here > end || (here == end && at >= begin)) continue;
    begin = at;
    end = here;
    found_ = i;
  }
  if (found_) {
    rest_ = held_.substr(end);
    std::string out = held_.substr(0, keeps_stop_ ? end : begin);
    held_.clear();
    return out;
  }
  const size_t out_bytes = held_.size() - held_back();
  std::string out = held_.substr(0, out_bytes);
  held_.erase(0, out_bytes);
  return out;
}

std::string StopStrings::finish() { return std::move(held_); }

size_t StopStrings::held_back() const {
  for (size_t bytes = std::min(longest_ - 1, held_.size()); bytes > 0; --bytes) {
    const std::string_view suffix = std::string_view(held_).substr(held_.size() - bytes);
    for (const std::string& text : strings_) {
      if (text.size() > bytes && text.starts_with(suffix)) return bytes;
    }
  }
  return 0;
}

}  // namespace weft
