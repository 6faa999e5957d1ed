// The alphabet of byte-level BPE (GPT-2): a printable character for each of the 256 bytes, so that
// vocabularies can be written as text. Space is U+0120, newline U+010A.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

// The character of each byte: itself where it is printable in Latin-1, else from U+0100 on.
std::array<char32_t, 256> byte_alphabet();

// As a vocabulary writes these bytes.
std::string to_alphabet(std::string_view bytes);
// The bytes that a vocabulary's entry stands for; nothing when it holds other characters.
std::optional<std::string> from_alphabet(std::string_view text);

}  // namespace weft
