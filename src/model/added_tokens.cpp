// A trie over bytes, walked from every place where a token may start.
#include "model/added_tokens.h"

#include <utf8proc.h>

#include <algorithm>

namespace weft {
namespace {

// Letters, marks, decimal digits, connectors and joiners: what \w means to the published files.
bool is_word(char32_t code) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      break;
  }
  const bool is_circled = 0x24B6 <= code && code <= 0x24E9;  // Other_Alphabetic symbols
  const bool is_squared = (0x1F130 <= code && code <= 0x1F149) ||
                          (0x1F150 <= code && code <= 0x1F169) ||
                          (0x1F170 <= code && code <= 0x1F189);
  return is_circled || is_squared || code == 0x200C || code == 0x200D;
}

bool is_space(char32_t code) {
  return (code >= 0x09 && code <= 0x0D) || code == 0x20 || code == 0x85 || code == 0xA0 ||
         code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 ||
         code == 0x202F || code == 0x205F || code == 0x3000;
}

// The last character of well-formed UTF-8 that is not empty.
Utf8Step last_step(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
  return utf8_step(text.substr(at));
}

size_t trailing_space(std::string_view text) {
  const size_t all = text.size();
  while (!text.empty()) {
    const Utf8Step step = last_step(text);
    if (!is_space(step.code)) break;
    text.remove_suffix(step.bytes);
  }
  return all - text.size();
}

size_t leading_space(std::string_view text) {
  const size_t all = text.size();
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    if (!is_space(step.code)) break;
    text.remove_prefix(step.bytes);
  }
  return all - text.size();
}

}  // namespace

Result<AddedTokens> AddedTokens::build(const std::vector<AddedToken>& tokens,
                                       const std::vector<std::string>& patterns, bool normalized) {
  AddedTokens result;
  result.nodes_.emplace_back();
  result.tokens_ = tokens;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].normalized == normalized) result.add(patterns[i], static_cast<int32_t>(i));
    if (result.nodes_.size() > (1U << 24)) {
      return bad_input("added_tokens: more text than 16 MiB; expected less");
    }
  }
  return result;
}

void AddedTokens::add(std::string_view pattern, int32_t token) {
  if (pattern.empty()) return;
  starts_[static_cast<uint8_t>(pattern[0])] = true;
  uint32_t node = 0;
  for (const char byte : pattern) {
    const uint64_t edge = uint64_t{node} * 256 + static_cast<uint8_t>(byte);
    const auto [next, is_new] = edges_.insert(edge, static_cast<uint32_t>(nodes_.size()));
    node = *next;
    if (is_new) nodes_.emplace_back();
  }
  if (nodes_[node].token < 0) nodes_[node].token = token;  // of two alike the first counts
}

bool AddedTokens::find(std::string_view text, size_t from, Found& found) const {
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (!starts_[static_cast<uint8_t>(text[begin])]) continue;
    found.token = -1;
    uint32_t node = 0;
    for (size_t at = begin; at < text.size(); ++at) {
      const uint32_t* next = edges_.find(uint64_t{node} * 256 + static_cast<uint8_t>(text[at]));
      if (next == nullptr) break;
      node = *next;
      if (nodes_[node].token >= 0) found = {begin, at + 1, nodes_[node].token};
    }
    if (found.token >= 0) return true;
  }
  return false;
}

bool AddedTokens::touches_word(std::string_view text, const Found& found) const {
  const std::string_view before = text.substr(0, found.begin);
  const std::string_view after = text.substr(found.end);
  return (!before.empty() && is_word(last_step(before).code)) ||
         (!after.empty() && is_word(utf8_step(after).code));
}

void AddedTokens::split(std::string_view text, std::vector<TextPiece>& pieces) const {
  size_t done = 0;
  size_t from = 0;
  Found found{};
  while (find(text, from, found)) {
    from = found.end;
    const AddedToken& token = tokens_[found.token];
    if (token.single_word && touches_word(text, found)) continue;
    size_t begin = found.begin;
    size_t end = found.end;
    if (token.lstrip) begin = std::max(begin - trailing_space(text.substr(0, begin)), done);
    if (token.rstrip) end += leading_space(text.substr(end));
    if (done < begin) pieces.push_back({text.substr(done, begin - done), -1});
    pieces.push_back({text.substr(begin, end - begin), token.id});
    done = end;
  }
  if (done < text.size()) pieces.push_back({text.substr(done), -1});
}

}  // namespace weft
