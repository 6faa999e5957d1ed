// Numbers as people read them, and text that cannot leave its place.
#include "report/text.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

namespace weft {
namespace {

TEST(Text, HtmlEscapesEveryCharacterThatCouldEndAPlace) {
  EXPECT_EQ(html_escape("a<b> & \"c\" 'd'"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  EXPECT_EQ(html_escape("tokens/s – ü"), "tokens/s – ü");
}

RC_GTEST_PROP(Text, JsonStringsReadBackAndHoldNoTag, (const std::vector<char>& bytes)) {
  const std::string text(bytes.begin(), bytes.end());
  const std::string quoted = json_string(text);
  RC_ASSERT(quoted.find('<') == std::string::npos);
  const auto read = nlohmann::json::parse(quoted);
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return c >= 0; });
  if (ascii) RC_ASSERT(read.get<std::string>() == text);
}

TEST(Text, JsonStringsKeepTextAndReplaceBrokenUtf8) {
  EXPECT_EQ(nlohmann::json::parse(json_string("</script> \"ü\"\n")), "</script> \"ü\"\n");
  EXPECT_EQ(nlohmann::json::parse(json_string("\xff")), "\xEF\xBF\xBD");
}

TEST(Text, ThousandsAreGrouped) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(-1234567), "-1,234,567");
  EXPECT_EQ(grouped(std::numeric_limits<int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(Text, NumbersHaveThreeDigitsOrMore) {
  EXPECT_EQ(number_text(0), "0");
  EXPECT_EQ(number_text(0.00123), "1.23e-03");
  EXPECT_EQ(number_text(0.5), "0.500");
  EXPECT_EQ(number_text(0.9996), "1.00");
  EXPECT_EQ(number_text(9.996), "10.0");
  EXPECT_EQ(number_text(12.34), "12.3");
  EXPECT_EQ(number_text(99.96), "100");
  EXPECT_EQ(number_text(12345.6), "12,346");
  EXPECT_EQ(number_text(1e18), "1e+18");
  EXPECT_EQ(number_text(std::numeric_limits<double>::quiet_NaN()), "–");
}

TEST(Text, LessThanAllIsNeverAHundredPercent) {
  EXPECT_EQ(percent_text(1), "100 %");
  EXPECT_EQ(percent_text(0.9999999), "99.99 %");
  EXPECT_EQ(percent_text(0.973), "97.3 %");
  EXPECT_EQ(percent_text(0), "0 %");
}

TEST(Text, UnitsFollowTheSize) {
  EXPECT_EQ(latency_text(0.85), "0.850 ms");
  EXPECT_EQ(latency_text(9500), "9,500 ms");
  EXPECT_EQ(latency_text(12300), "12.3 s");
  EXPECT_EQ(time_text(4), "4 s");
  EXPECT_EQ(time_text(60'000'000'000 * 1e-9), "60 s");
  EXPECT_EQ(time_text(12.34), "12.3 s");
  EXPECT_EQ(time_text(180), "3 min");
  EXPECT_EQ(time_text(250.4), "4 min 10 s");
  EXPECT_EQ(time_text(7500), "2 h 05 min");
  EXPECT_EQ(bytes_text(0), "0 MiB");
  EXPECT_EQ(bytes_text(1.5 * 1024 * 1024 * 1024), "1.50 GiB");
  EXPECT_EQ(bytes_text(1024.0 * 1024 * 1024 * 1024 * 32), "32.0 TiB");
  EXPECT_EQ(energy_text(3600), "1.00 Wh");
  EXPECT_EQ(energy_text(3.6e6), "1.00 kWh");
  EXPECT_EQ(money_text(0), "$0.00");
  EXPECT_EQ(money_text(0.001), "under $0.01");
  EXPECT_EQ(money_text(12.345), "$12.35");
  EXPECT_EQ(money_text(1234.5), "$1,235");
  EXPECT_EQ(exact_text(2000), "2,000");
  EXPECT_EQ(exact_text(12.5), "12.5");
}

}  // namespace
}  // namespace weft
