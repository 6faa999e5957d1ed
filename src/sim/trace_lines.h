// TraceLines: the lines of a trace, one at a time, in constant memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sim/trace_bytes.h"

namespace weft {

// Bytes that may be read (not used) behind every line, as simdjson wants them.
inline constexpr size_t kLinePadding = 64;
// A longer line is an error: it is not a trace, or it would not fit the memory set aside.
inline constexpr size_t kLongestLine = 16 * 1024 * 1024;

class TraceLines {
 public:
  static Result<TraceLines> open(const std::string& path);
  static Result<TraceLines> from_memory(std::string_view bytes, std::string name);  // borrows

  // The next line that is not blank, without its end and without the file's byte-order mark; valid
  // until the next call. False at the end of the file.
  Result<bool> next(std::string_view& line);

  [[nodiscard]] uint64_t number() const { return number_; }  // of the last line, from 1
  [[nodiscard]] std::string where() const;                   // "file:line"
  [[nodiscard]] const std::string& name() const { return source_.name(); }
  [[nodiscard]] double progress() const;

 private:
  explicit TraceLines(ByteSource source);
  Status refill();

  ByteSource source_;
  std::vector<char> buffer_;  // capacity and kLinePadding more
  size_t begin_ = 0;          // of what is not handed out yet
  size_t end_ = 0;
  uint64_t number_ = 0;
  bool ended_ = false;  // the source has no more
};

// The front of a line for a message: at most 40 characters, what cannot be printed as '?', quoted.
std::string excerpt(std::string_view text);

}  // namespace weft
