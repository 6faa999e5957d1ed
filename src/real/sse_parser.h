// SseParser: server-sent events out of bytes that come in pieces of any size, cut anywhere.
// Source: WHATWG HTML, section 9.2.6, as far as a client of one reply needs it: `data` fields of an
// event are joined by newlines; comments and the fields event, id and retry are passed over.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weft {

class SseParser {
 public:
  // An event of more than `most_bytes`, or a line of that length, overflows.
  explicit SseParser(size_t most_bytes = 1 << 20) : most_bytes_(most_bytes) {}

  void feed(std::string_view bytes);
  // The data of the next event that is complete; false when there is none yet, or after an
  // overflow. `data` stands until the next call of anything here.
  bool next(std::string_view& data);

  [[nodiscard]] bool overflowed() const { return overflowed_; }
  // Bytes were fed that belong to no complete event: the stream ended in the middle of one.
  [[nodiscard]] bool in_event() const { return has_data_ || cursor_ < buffer_.size(); }
  // Ready for another stream.
  void reset();

 private:
  bool next_line(std::string_view& line);
  void take(std::string_view line);

  size_t most_bytes_;
  std::string buffer_;  // what was fed and not read: from cursor_ on
  size_t cursor_ = 0;
  size_t scanned_ = 0;     // no end of a line before this
  bool skip_lf_ = false;   // the last line ended in \r: a \n now belongs to it
  bool at_start_ = true;   // a byte order mark may come
  std::string data_;       // of the event under way, or of the one handed out
  bool has_data_ = false;  // the event under way has a data field
  bool overflowed_ = false;
};

}  // namespace weft
