// Decoding by the table of well-formed sequences (Unicode, table 3-7); normal forms by utf8proc.
#include "model/utf8.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/check.h"

namespace weft {
namespace {

struct Lead {
  uint32_t bytes;     // 0: no sequence starts so
  uint8_t low, high;  // bounds of the second byte
};

Lead lead_of(uint8_t byte) {
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// Ranges without combining marks and without characters that compose or decompose in NFC.
struct Range {
  char32_t first, last;
};
constexpr std::array kStable = {
    Range{0x0000, 0x02FF}, Range{0x0400, 0x0482}, Range{0x2010, 0x2027}, Range{0x2030, 0x205E},
    Range{0x3001, 0x3029}, Range{0x3041, 0x3096}, Range{0x309B, 0x30FF}, Range{0x3400, 0x4DBF},
    Range{0x4E00, 0x9FFF}, Range{0xAC00, 0xD7A3}, Range{0xFF01, 0xFFEE}, Range{0x1F300, 0x1F64F},
};

bool is_ascii(const char* from, size_t bytes) {
  uint64_t word = 0;
  std::memcpy(&word, from, bytes);
  return (word & 0x8080808080808080ULL) == 0;
}

}  // namespace

Utf8Step utf8_step(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1, true, false};
  const Lead lead = lead_of(first);
  if (lead.bytes == 0) return {0xFFFD, 1, false, false};
  char32_t code = first & (0x7FU >> lead.bytes);
  uint32_t got = 1;
  for (; got < lead.bytes; ++got) {
    if (got == text.size()) return {0xFFFD, got, false, true};
    const uint8_t next = byte(got);
    const bool fits = got == 1 ? lead.low <= next && next <= lead.high : (next & 0xC0) == 0x80;
    if (!fits) return {0xFFFD, got, false, false};
    code = code << 6 | (next & 0x3F);
  }
  return {code, got, true, false};
}

size_t valid_utf8_bytes(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (at + 8 <= text.size() && is_ascii(text.data() + at, 8)) {
      at += 8;
      continue;
    }
    const Utf8Step step = utf8_step(text.substr(at));
    if (!step.valid) break;
    at += step.bytes;
  }
  return at;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const size_t valid = valid_utf8_bytes(text);
    result += text.substr(0, valid);
    text.remove_prefix(valid);
    if (text.empty()) break;
    result += kReplacement;
    text.remove_prefix(utf8_step(text).bytes);
  }
  return result;
}

void append_utf8(std::string& text, char32_t code) {
  const auto put = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

bool is_surely_nfc(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (at + 8 <= text.size() && is_ascii(text.data() + at, 8)) {
      at += 8;
      continue;
    }
    const Utf8Step step = utf8_step(text.substr(at));
    const bool stable = std::any_of(kStable.begin(), kStable.end(), [&](const Range& range) {
      return range.first <= step.code && step.code <= range.last;
    });
    if (!stable) return false;
    at += step.bytes;
  }
  return true;
}

std::string normalize_utf8(std::string_view text, NormalForm form) {
  if (form == NormalForm::kNfc && is_surely_nfc(text)) return std::string(text);
  const bool compose = form == NormalForm::kNfc || form == NormalForm::kNfkc;
  const bool compatible = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  const int options = UTF8PROC_STABLE | (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                      (compatible ? UTF8PROC_COMPAT : 0);
  utf8proc_uint8_t* raw = nullptr;
  const auto bytes = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                  static_cast<utf8proc_ssize_t>(text.size()), &raw,
                                  static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owned(raw, &std::free);
  CHECK(bytes >= 0, "normalising needs well-formed UTF-8");
  return {reinterpret_cast<const char*>(raw), static_cast<size_t>(bytes)};
}

}  // namespace weft
