// The small parsers that traces need: exact decimals, token counts, dates, fields of a CSV line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft {

inline constexpr int64_t kMostTokens = 2'147'483'647;  // of a prompt or an answer
// The latest time of a row: a hundred years of nanoseconds.
inline constexpr int64_t kLatestTime = 3'155'760'000'000'000'000;

std::string_view trim(std::string_view text);

// A decimal number as a count of 10^-digits, exact for plain decimals ("61.114" with 3 digits is
// 61114), digits beyond rounded to nearest; 0 <= digits <= 18. Nothing for what is not a number, is
// not finite or passes 64 bits.
std::optional<int64_t> parse_scaled(std::string_view text, int digits);

// A whole number of tokens from 0 to kMostTokens; "374.0" counts as one.
std::optional<int64_t> parse_tokens(std::string_view text);

// "2023-11-16 18:17:03.9799600", also with 'T', 'Z' or "+08:00": nanoseconds since 1970 in UTC.
std::optional<int64_t> parse_date(std::string_view text);

// The fields of a CSV line, trimmed; a field in double quotes may hold commas. Views into `line`.
void split_csv(std::string_view line, std::vector<std::string_view>& fields);

}  // namespace weft
