// JSON written straight into a string: what a chunk of a stream costs is one pass over its text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weft {

// Appends `text` between quotes, escaped. Malformed UTF-8 becomes U+FFFD, so that what comes out is
// always JSON.
void append_json(std::string& out, std::string_view text);
void append_json(std::string& out, int64_t value);
// The shortest that reads back the same; null for what JSON has no number for.
void append_json(std::string& out, float value);
// A string, or null when empty.
void append_json_or_null(std::string& out, std::string_view text);
// The numbers of a text's bytes: [104,105].
void append_json_bytes(std::string& out, std::string_view bytes);

}  // namespace weft
