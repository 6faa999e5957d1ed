// UTF-8 as the tokenizer needs it: one sequence at a time, what is malformed replaced by U+FFFD
// (one for each maximal subpart, Unicode 3.9, as Python and Rust do), and normal forms.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weft {

inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// The sequence at the start of a text.
struct Utf8Step {
  char32_t code = 0xFFFD;  // U+FFFD unless valid
  uint32_t bytes = 0;      // its length; of a malformed one: what one U+FFFD stands for
  bool valid = false;
  bool cut = false;  // the text ends inside a sequence that was well-formed so far
};
// Requires a text that is not empty.
Utf8Step utf8_step(std::string_view text);

// How many bytes from the start are well-formed.
size_t valid_utf8_bytes(std::string_view text);
std::string replace_invalid_utf8(std::string_view text);
void append_utf8(std::string& text, char32_t code);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
// Requires well-formed UTF-8.
std::string normalize_utf8(std::string_view text, NormalForm form);
// Quick and cautious: true only for texts that NFC leaves as they are.
bool is_surely_nfc(std::string_view text);

}  // namespace weft
