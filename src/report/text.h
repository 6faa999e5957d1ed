// Text of reports: numbers as people read them, and text made safe inside HTML and JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weft {

// For element text and for attribute values in double quotes.
std::string html_escape(std::string_view text);
// Quoted. Broken UTF-8 becomes U+FFFD; "<" is escaped, so that it may stand inside a script
// element.
std::string json_string(std::string_view text);

// 1234567 as "1,234,567".
std::string grouped(int64_t value);
// Three or more significant digits, thousands grouped: "0.00123", "1.23", "12.3", "123", "12,345".
std::string number_text(double value);
// A share as "97.3 %". Less than all is never "100 %".
std::string percent_text(double share);
// "0.850 ms", "12.3 ms", "9,500 ms"; from ten seconds on "12.3 s".
std::string latency_text(double ms);
// What was given, as it was given: "50", "2,000", "12.5".
std::string exact_text(double value);
// "12.3 s", "4 s", "4 min 10 s", "3 min", "2 h 05 min".
std::string time_text(double seconds);
// "$1,234", "$12.34", "under $0.01".
std::string money_text(double usd);
// "2.67 Wh", "21.2 kWh".
std::string energy_text(double joules);
// "640 MiB", "12.5 GiB", "1.50 TiB".
std::string bytes_text(double bytes);

}  // namespace weft
