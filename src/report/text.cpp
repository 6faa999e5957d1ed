// Numbers and escapes.
#include "report/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace weft {

std::string html_escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string json_string(std::string_view text) {
  const std::string quoted =
      nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string out;
  out.reserve(quoted.size());
  for (const char c : quoted) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

std::string grouped(int64_t value) {
  const std::string digits = fmt::format("{}", value);
  const size_t first = value < 0 ? 1 : 0;
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > first && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string number_text(double value) {
  if (!std::isfinite(value)) return "–";
  const double size = std::fabs(value);
  if (size == 0) return "0";
  if (size < 0.01) return fmt::format("{:.2e}", value);
  if (size < 0.9995) return fmt::format("{:.3f}", value);
  if (size < 9.995) return fmt::format("{:.2f}", value);
  if (size < 99.95) return fmt::format("{:.1f}", value);
  if (size < 9e15) return grouped(static_cast<int64_t>(std::llround(value)));
  return fmt::format("{:.3g}", value);
}

std::string percent_text(double share) {
  const double value = 100 * share;
  if (value > 99.9 && value < 100) return fmt::format("{:.2f} %", std::min(value, 99.99));
  return number_text(value) + " %";
}

std::string latency_text(double ms) {
  return ms < 9999.5 ? number_text(ms) + " ms" : number_text(ms * 1e-3) + " s";
}

std::string exact_text(double value) {
  const bool whole = value == std::floor(value) && std::fabs(value) < 9e15;
  return whole ? grouped(static_cast<int64_t>(value)) : fmt::format("{:g}", value);
}

std::string time_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (seconds < 119.5) {
    const bool exact = std::fabs(seconds - static_cast<double>(whole)) < 1e-6;
    return (exact ? grouped(whole) : number_text(seconds)) + " s";
  }
  if (whole < 7200) {
    return fmt::format("{} min", whole / 60) +
           (whole % 60 == 0 ? "" : fmt::format(" {} s", whole % 60));
  }
  const int64_t minutes = (whole + 30) / 60;
  return fmt::format("{} h {:02} min", grouped(minutes / 60), minutes % 60);
}

std::string money_text(double usd) {
  if (usd >= 999.5) return "$" + grouped(static_cast<int64_t>(std::llround(usd)));
  return usd > 0 && usd < 0.01 ? "under $0.01" : fmt::format("${:.2f}", usd);
}

std::string energy_text(double joules) {
  const double kwh = joules / 3.6e6;
  return kwh < 0.1 ? number_text(1e3 * kwh) + " Wh" : number_text(kwh) + " kWh";
}

std::string bytes_text(double bytes) {
  constexpr double kMib = 1024.0 * 1024.0;
  if (bytes >= kMib * kMib) return number_text(bytes / kMib / kMib) + " TiB";
  if (bytes >= kMib * 1024) return number_text(bytes / kMib / 1024) + " GiB";
  return number_text(bytes / kMib) + " MiB";
}

}  // namespace weft
