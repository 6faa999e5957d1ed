// The small parsers: exact where doubles are not, and strict about what they do not know.
#include "sim/trace_text.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(ParseScaled, IsExact) {
  EXPECT_EQ(parse_scaled("61.114", 9), 61'114'000'000);
  EXPECT_EQ(parse_scaled("1777142838.338653", 9), 1'777'142'838'338'653'000);
  EXPECT_EQ(parse_scaled("-1", 0), -1);
  EXPECT_EQ(parse_scaled(" 5 ", 3), 5000);
  EXPECT_EQ(parse_scaled("0.00000000049", 9), 0);
  EXPECT_EQ(parse_scaled("0.0000000005", 9), 1);
  EXPECT_EQ(parse_scaled(".5", 1), 5);
  EXPECT_EQ(parse_scaled("1.5e3", 0), 1500);
  EXPECT_EQ(parse_scaled("2E-3", 6), 2000);
}

TEST(ParseScaled, RefusesWhatIsNoNumberOrDoesNotFit) {
  for (const char* text : {"", "-", ".", "abc", "1x", "1.2.3", "nan", "inf", "1e400", "1e", "+5",
                           "0x10", "99999999999999999999", "9300000000000000000e1"}) {
    EXPECT_FALSE(parse_scaled(text, 0)) << text;
  }
  EXPECT_FALSE(parse_scaled("9300000000", 9));
}

TEST(ParseTokens, TakesWholeCountsAlone) {
  EXPECT_EQ(parse_tokens("0"), 0);
  EXPECT_EQ(parse_tokens(" 374.0 "), 374);
  EXPECT_EQ(parse_tokens("2147483647"), 2'147'483'647);
  for (const char* text : {"", "-1", "2147483648", "1.5", "1e3", "x", ".0", "4 5"}) {
    EXPECT_FALSE(parse_tokens(text)) << text;
  }
}

TEST(ParseDate, CrossesMidnightMonthAndLeapYear) {
  const auto ns = [](const char* text) { return parse_date(text).value_or(-1); };
  EXPECT_EQ(ns("1970-01-01 00:00:00"), 0);
  EXPECT_EQ(ns("2023-11-16 18:17:03.9799600"), 1'700'158'623'979'960'000);
  EXPECT_EQ(ns("2023-11-17 00:00:00.5") - ns("2023-11-16 23:59:59.5"), 1'000'000'000);
  EXPECT_EQ(ns("2024-03-01T00:00:00Z") - ns("2024-02-28T00:00:00Z"), 2 * 86'400'000'000'000);
  EXPECT_EQ(ns("2100-03-01 00:00:00") - ns("2100-02-28 00:00:00"), 86'400'000'000'000);
  EXPECT_EQ(ns("2024-05-10 08:00:00.000001+08:00"), ns("2024-05-10 00:00:00.000001+00:00"));
}

TEST(ParseDate, RefusesWhatTheCalendarLacks) {
  for (const char* text : {"", "2023-11-16", "2023-13-01 00:00:00", "2023-02-29 00:00:00",
                           "2023-11-16 24:00:00", "2023-11-16 18:60:00", "2023-11-16 18:17:61.5",
                           "2023-11-16 18:17:", "2023-11-16 18:17:03 noon", "1969-12-31 23:59:59",
                           "9999-01-01 00:00:00", "2023-11-16 18:17:03+1"}) {
    EXPECT_FALSE(parse_date(text)) << text;
  }
}

TEST(SplitCsv, TrimsAndKeepsQuotedCommas) {
  std::vector<std::string_view> fields;
  split_csv(" a, \"b, c\" ,,d ", fields);
  EXPECT_EQ(fields, (std::vector<std::string_view>{"a", "b, c", "", "d"}));
  split_csv("a,", fields);
  EXPECT_EQ(fields, (std::vector<std::string_view>{"a", ""}));
  split_csv("\"open", fields);
  EXPECT_EQ(fields, (std::vector<std::string_view>{"open"}));
}

}  // namespace
}  // namespace weft
