// Stop strings, however the text is cut into pieces.
#include "api/stop_strings.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace weft {
namespace {

TEST(StopStrings, HoldsBackWhatMayBecomeOne) {
  StopStrings stops({"END", "\n\n"});
  EXPECT_EQ(stops.add("text E"), "text ");
  EXPECT_EQ(stops.add("N"), "");
  EXPECT_EQ(stops.add("X\n"), "ENX");
  EXPECT_EQ(stops.add("a\n"), "\na");
  EXPECT_EQ(stops.add("\nrest"), "");
  EXPECT_EQ(stops.found(), 1u);
  EXPECT_EQ(stops.rest(), "rest");
  EXPECT_EQ(stops.add("more"), "");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, GivesBackWhatWasHeldAtTheEnd) {
  StopStrings stops({"</s>"});
  EXPECT_EQ(stops.add("a</s"), "a");
  EXPECT_EQ(stops.finish(), "</s");
  EXPECT_FALSE(stops.found().has_value());
}

TEST(StopStrings, CutsAcrossPiecesAndCharacters) {
  StopStrings stops({"é😀"});
  EXPECT_EQ(stops.add("xé"), "x");
  EXPECT_EQ(stops.add("é"), "é");
  EXPECT_EQ(stops.add("😀y"), "");
  EXPECT_EQ(stops.found(), 0u);
  StopStrings keeps({"b"}, true);
  EXPECT_EQ(keeps.add("abc"), "ab");
}

TEST(StopStrings, WithoutAnyTextGoesThrough) {
  StopStrings none({});
  EXPECT_EQ(none.add("abc"), "abc");
  EXPECT_EQ(none.finish(), "");
}

// The definition: the string that ends first, of those the longest.
std::string cut(const std::string& text, const std::vector<std::string>& strings) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& one : strings) {
      if (std::string_view(text).substr(0, end).ends_with(one))
        longest = std::max(longest, one.size());
    }
    if (longest > 0) return text.substr(0, end - longest);
  }
  return text;
}

RC_GTEST_PROP(StopStrings, AreCutAlikeHoweverTextComes, ()) {
  const auto letters = rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c'));
  const auto strings = *rc::gen::container<std::vector<std::string>>(rc::gen::nonEmpty(letters));
  const auto pieces = *rc::gen::container<std::vector<std::string>>(letters);
  StopStrings stops(strings);
  std::string whole;
  std::string out;
  for (const std::string& piece : pieces) {
    whole += piece;
    out += stops.add(piece);
    RC_ASSERT(cut(whole, strings).starts_with(out));
  }
  out += stops.finish();
  RC_ASSERT(out == cut(whole, strings));
}

}  // namespace
}  // namespace weft
