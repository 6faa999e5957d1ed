// The byte alphabet and its inverse, which is a table over the 324 characters in use.
#include "model/byte_alphabet.h"

#include "model/utf8.h"

namespace weft {
namespace {

constexpr bool is_printable(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr int kCharacters = 0x144;

constexpr std::array<char32_t, 256> make_alphabet() {
  std::array<char32_t, 256> alphabet{};
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    alphabet[byte] = is_printable(byte) ? static_cast<char32_t>(byte) : next++;
  }
  return alphabet;
}

constexpr std::array<int16_t, kCharacters> make_inverse() {
  std::array<int16_t, kCharacters> inverse{};
  inverse.fill(-1);
  const auto alphabet = make_alphabet();
  for (int byte = 0; byte < 256; ++byte) inverse[alphabet[byte]] = static_cast<int16_t>(byte);
  return inverse;
}

constexpr auto kAlphabet = make_alphabet();
constexpr auto kInverse = make_inverse();

}  // namespace

std::array<char32_t, 256> byte_alphabet() { return kAlphabet; }

std::string to_alphabet(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) append_utf8(text, kAlphabet[static_cast<uint8_t>(byte)]);
  return text;
}

std::optional<std::string> from_alphabet(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    if (!step.valid || step.code >= kCharacters || kInverse[step.code] < 0) return std::nullopt;
    bytes += static_cast<char>(kInverse[step.code]);
    text.remove_prefix(step.bytes);
  }
  return bytes;
}

}  // namespace weft
