// Strings as Python has them, over UTF-8.
#include "model/template_text.h"

#include <utf8proc.h>

#include <utility>

#include "model/utf8.h"

namespace weft {
namespace {

bool is_space(char32_t code) {
  if ((code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20)) return true;
  return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
         code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

bool contains(std::string_view characters, char32_t code) {
  for (size_t at = 0; at < characters.size();) {
    const Utf8Step step = utf8_step(characters.substr(at));
    if (step.code == code) return true;
    at += step.bytes;
  }
  return false;
}

bool is_cut(std::string_view characters, char32_t code) {
  return characters.empty() ? is_space(code) : contains(characters, code);
}

bool is_letter(char32_t code) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LT;
}

char32_t to_upper(char32_t code) {
  return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(code)));
}
char32_t to_lower(char32_t code) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code)));
}

// Calls `map(code)` for each character and collects what it gives.
template <class Map>
std::string map_text(std::string_view text, const Map& map) {
  std::string result;
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    append_utf8(result, map(step.code));
    text.remove_prefix(step.bytes);
  }
  return result;
}

}  // namespace

std::string_view strip_left(std::string_view text, std::string_view characters) {
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    if (!is_cut(characters, step.code)) break;
    text.remove_prefix(step.bytes);
  }
  return text;
}

std::string_view strip_right(std::string_view text, std::string_view characters) {
  while (!text.empty()) {
    size_t at = text.size() - 1;
    while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
    if (!is_cut(characters, utf8_step(text.substr(at)).code)) break;
    text = text.substr(0, at);
  }
  return text;
}

std::string upper_case(std::string_view text) { return map_text(text, to_upper); }
std::string lower_case(std::string_view text) { return map_text(text, to_lower); }

std::string capital_case(std::string_view text) {
  bool first = true;
  return map_text(text, [&](char32_t code) {
    return std::exchange(first, false) ? to_upper(code) : to_lower(code);
  });
}

std::string title_case(std::string_view text) {
  bool inside = false;
  return map_text(text, [&](char32_t code) {
    const bool was_inside = std::exchange(inside, is_letter(code));
    return was_inside ? to_lower(code) : to_upper(code);
  });
}

std::vector<std::string_view> split_text(std::string_view text, std::string_view separator,
                                         int64_t limit) {
  std::vector<std::string_view> parts;
  if (!separator.empty()) {
    for (; limit != 0; --limit) {
      const size_t at = text.find(separator);
      if (at == std::string_view::npos) break;
      parts.push_back(text.substr(0, at));
      text.remove_prefix(at + separator.size());
    }
    parts.push_back(text);
    return parts;
  }
  for (;; --limit) {
    text = strip_left(text);
    if (text.empty()) return parts;
    if (limit == 0) break;
    size_t at = 0;
    while (at < text.size()) {
      const Utf8Step step = utf8_step(text.substr(at));
      if (is_space(step.code)) break;
      at += step.bytes;
    }
    parts.push_back(text.substr(0, at));
    text.remove_prefix(at);
  }
  parts.push_back(strip_right(text));
  return parts;
}

std::string replace_text(std::string_view text, std::string_view from, std::string_view to,
                         int64_t limit) {
  std::string result;
  if (from.empty()) {  // between all characters, as Python does
    for (; limit != 0; --limit) {
      result += to;
      if (text.empty()) return result;
      const size_t bytes = utf8_step(text).bytes;
      result += text.substr(0, bytes);
      text.remove_prefix(bytes);
    }
    return result.append(text);
  }
  for (; limit != 0; --limit) {
    const size_t at = text.find(from);
    if (at == std::string_view::npos) break;
    result += text.substr(0, at);
    result += to;
    text.remove_prefix(at + from.size());
  }
  return result.append(text);
}

}  // namespace weft
