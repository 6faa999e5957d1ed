// Parsers by hand, so that instants are exact to the nanosecond and nothing depends on a locale.
#include "sim/trace_text.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace weft {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// value * 10 + digit, or false past 64 bits.
bool append_digit(int64_t& value, int digit) {
  return !__builtin_mul_overflow(value, int64_t{10}, &value) &&
         !__builtin_add_overflow(value, int64_t{digit}, &value);
}

// The rare form with an exponent, by way of a double.
std::optional<int64_t> parse_exponent(std::string_view text, int digits) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  if (code != std::errc{} || stop != end) return std::nullopt;
  value *= std::pow(10.0, digits);
  if (!(std::abs(value) < 9.2e18)) return std::nullopt;  // not a number included
  return std::llround(value);
}

// Exactly `count` digits at the front of `text`, taken off it; -1 if they are not there.
int take_digits(std::string_view& text, size_t count) {
  if (text.size() < count) return -1;
  int value = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!is_digit(text[i])) return -1;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

// Days from 1970-01-01 in the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date
// algorithms").
int64_t days_from_civil(int year, int month, int day) {
  const int y = month <= 2 ? year - 1 : year;
  const int era = y / 400;
  const int year_of_era = y - era * 400;
  const int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return int64_t{era} * 146097 + day_of_era - 719468;
}

int days_in_month(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

// Seconds east of UTC: nothing, "Z", "+08:00", "-05", "+0000".
std::optional<int64_t> parse_zone(std::string_view text) {
  if (text.empty() || text == "Z" || text == "UTC") return 0;
  const int64_t sign = text[0] == '-' ? -1 : 1;
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  const int hours = take_digits(text, 2);
  take(text, ':');
  const int minutes = text.empty() ? 0 : take_digits(text, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || !text.empty()) return std::nullopt;
  return sign * (hours * 3600 + minutes * 60);
}

}  // namespace

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::optional<int64_t> parse_scaled(std::string_view text, int digits) {
  CHECK(digits >= 0 && digits <= 18);
  text = trim(text);
  std::string_view rest = text;
  const bool negative = take(rest, '-');
  int64_t value = 0;
  size_t i = 0;
  for (; i < rest.size() && is_digit(rest[i]); ++i) {
    if (!append_digit(value, rest[i] - '0')) return std::nullopt;
  }
  bool any = i > 0;
  int scale = 0;
  bool round_up = false;
  if (i < rest.size() && rest[i] == '.') {
    for (++i; i < rest.size() && is_digit(rest[i]); ++i, any = true) {
      if (scale < digits && !append_digit(value, rest[i] - '0')) return std::nullopt;
      if (scale == digits) round_up = rest[i] >= '5';
      ++scale;
    }
  }
  if (!any) return std::nullopt;
  if (i < rest.size()) {
    return rest[i] == 'e' || rest[i] == 'E' ? parse_exponent(text, digits) : std::nullopt;
  }
  for (; scale < digits; ++scale) {
    if (!append_digit(value, 0)) return std::nullopt;
  }
  if (round_up && __builtin_add_overflow(value, int64_t{1}, &value)) return std::nullopt;
  return negative ? -value : value;
}

std::optional<int64_t> parse_tokens(std::string_view text) {
  text = trim(text);
  const size_t dot = text.find('.');
  if (dot != std::string_view::npos) {
    if (dot == 0 || text.find_first_not_of('0', dot + 1) != std::string_view::npos) {
      return std::nullopt;
    }
    text = text.substr(0, dot);
  }
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  if (code != std::errc{} || stop != end || value < 0 || value > kMostTokens) return std::nullopt;
  return value;
}

std::optional<int64_t> parse_date(std::string_view text) {
  text = trim(text);
  const int year = take_digits(text, 4);
  if (year < 1970 || !take(text, '-')) return std::nullopt;
  const int month = take_digits(text, 2);
  if (month < 1 || month > 12 || !take(text, '-')) return std::nullopt;
  const int day = take_digits(text, 2);
  if (day < 1 || day > days_in_month(year, month)) return std::nullopt;
  if (!take(text, ' ') && !take(text, 'T')) return std::nullopt;
  const int hour = take_digits(text, 2);
  if (hour < 0 || hour > 23 || !take(text, ':')) return std::nullopt;
  const int minute = take_digits(text, 2);
  if (minute < 0 || minute > 59 || !take(text, ':')) return std::nullopt;
  const size_t zone_at = text.find_first_not_of("0123456789.");
  const auto second = parse_scaled(text.substr(0, zone_at), 9);
  if (!second || *second > 60'999'999'999) return std::nullopt;  // leap seconds exist
  const auto zone = parse_zone(zone_at == std::string_view::npos ? "" : trim(text.substr(zone_at)));
  if (!zone || year > 2200) return std::nullopt;
  const int64_t minutes = (days_from_civil(year, month, day) * 24 + hour) * 60 + minute;
  return (minutes * 60 - *zone) * 1'000'000'000 + *second;
}

void split_csv(std::string_view line, std::vector<std::string_view>& fields) {
  fields.clear();
  for (;;) {
    line = line.substr(std::min(line.find_first_not_of(" \t"), line.size()));
    if (line.starts_with('"')) {
      const size_t close = std::min(line.find('"', 1), line.size());
      fields.push_back(line.substr(1, close - 1));
      line = line.substr(std::min(line.find(',', close), line.size()));
    } else {
      const size_t comma = std::min(line.find(','), line.size());
      fields.push_back(trim(line.substr(0, comma)));
      line = line.substr(comma);
    }
    if (line.empty()) return;
    line.remove_prefix(1);
  }
}

}  // namespace weft
