// Floats to the formats that weights are stored in, to the nearest value, ties to even.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace weft {

// Finite values that do not overflow.
inline uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// Finite values below 65520 in magnitude. Below the smallest normal value the addition of 0.5,
// whose last place is F16's smallest step, does the rounding.
inline uint16_t to_f16(float value) {
  constexpr uint32_t kRebias = (127 - 15) << 23;
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  const float tiny = std::bit_cast<float>(magnitude) + 0.5F;
  const uint32_t normal = (magnitude - kRebias + 0xfff + (magnitude >> 13 & 1)) >> 13;
  const bool is_tiny = magnitude < 113U << 23;
  const uint32_t code =
      is_tiny ? std::bit_cast<uint32_t>(tiny) - std::bit_cast<uint32_t>(0.5F) : normal;
  return static_cast<uint16_t>(sign | code);
}

// Finite values; beyond 448 in magnitude they become 448. 2^14 has the last place 2^-9, which is
// E4M3's smallest step.
inline uint8_t to_e4m3(float value) {
  constexpr uint32_t kRebias = (127 - 7) << 23;
  const uint32_t sign = std::bit_cast<uint32_t>(value) >> 24 & 0x80;
  const float size = std::min(std::abs(value), 448.0F);
  const auto bits = std::bit_cast<uint32_t>(size);
  const uint32_t normal = (bits - kRebias + 0x7ffff + (bits >> 20 & 1)) >> 20;
  const uint32_t tiny = std::bit_cast<uint32_t>(size + 0x1p14F) - std::bit_cast<uint32_t>(0x1p14F);
  return static_cast<uint8_t>(sign | (size < 0x1p-6F ? tiny : normal));
}

}  // namespace weft
