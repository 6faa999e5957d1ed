// Runs of plain bytes are copied as they are; a table tells where one ends.
#include "api/json_text.h"

#include <array>
#include <charconv>
#include <cmath>

#include "model/utf8.h"

namespace weft {
namespace {

enum class ByteKind : uint8_t { kPlain, kEscaped, kLead };

constexpr std::array<ByteKind, 256> kKinds = [] {
  std::array<ByteKind, 256> kinds{};
  for (int byte = 0; byte < 0x20; ++byte) kinds[byte] = ByteKind::kEscaped;
  kinds['"'] = ByteKind::kEscaped;
  kinds['\\'] = ByteKind::kEscaped;
  for (int byte = 0x80; byte < 0x100; ++byte) kinds[byte] = ByteKind::kLead;
  return kinds;
}();

void append_escape(std::string& out, uint8_t byte) {
  constexpr std::string_view kShort = "\"\\\n\r\t\b\f";
  constexpr std::string_view kLetters = "\"\\nrtbf";
  constexpr std::string_view kHex = "0123456789abcdef";
  const size_t at = kShort.find(static_cast<char>(byte));
  out += '\\';
  if (at != std::string_view::npos) {
    out += kLetters[at];
  } else {
    out += "u00";
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
}

template <class Value>
void append_number(std::string& out, Value value) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

}  // namespace

void append_json(std::string& out, std::string_view text) {
  out += '"';
  size_t begin = 0;
  size_t at = 0;
  while (at < text.size()) {
    const auto byte = static_cast<uint8_t>(text[at]);
    if (kKinds[byte] == ByteKind::kPlain) {
      ++at;
      continue;
    }
    if (kKinds[byte] == ByteKind::kLead) {
      const Utf8Step step = utf8_step(text.substr(at));
      if (!step.valid) {
        out.append(text, begin, at - begin);
        out += kReplacement;
        begin = at + step.bytes;
      }
      at += step.bytes;
      continue;
    }
    out.append(text, begin, at - begin);
    append_escape(out, byte);
    begin = ++at;
  }
  out.append(text, begin, at - begin);
  out += '"';
}

void append_json(std::string& out, int64_t value) { append_number(out, value); }

void append_json(std::string& out, float value) {
  if (std::isfinite(value)) {
    append_number(out, value);
  } else {
    out += "null";
  }
}

void append_json_or_null(std::string& out, std::string_view text) {
  if (text.empty()) {
    out += "null";
  } else {
    append_json(out, text);
  }
}

void append_json_bytes(std::string& out, std::string_view bytes) {
  char before = '[';
  for (const char byte : bytes) {
    out += before;
    append_json(out, int64_t{static_cast<uint8_t>(byte)});
    before = ',';
  }
  if (bytes.empty()) out += '[';
  out += ']';
}

}  // namespace weft
