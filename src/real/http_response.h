// The bytes of an HTTP answer's head and of the chunks of a stream.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "real/http_exchange.h"

namespace weft {

struct HttpResponseHead {
  int status = 200;
  std::string_view content_type = "";           // empty: no such header
  std::optional<uint64_t> content_length = {};  // none: a stream
  bool chunked = false;
  std::string_view connection = "";  // "close", "keep-alive", or empty: no such header
  std::string_view request_id = "";  // empty: no such header
  std::string_view server = "";      // empty: no such header
  std::string_view date = "";        // empty: no such header
};

// Appends the status line and all headers with the empty line after them. Control characters in
// values and what is no token in names become spaces and hyphens: nobody adds lines of his own.
void append_head(std::string& out, const HttpResponseHead& head, const HttpHeaders& extra);

// Appends `part` as one chunk; requires a part that is not empty.
void append_chunk(std::string& out, std::string_view part);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// "OK" for 200 and so on; "Status" for those that nobody has named.
std::string_view reason_phrase(int status);

// 204, 304 and the informational ones have none.
bool status_has_body(int status);

// "Sun, 06 Nov 1994 08:49:37 GMT"; `unix_seconds` from 1970 on.
std::string http_date(int64_t unix_seconds);

}  // namespace weft
