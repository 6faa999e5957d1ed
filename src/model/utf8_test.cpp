// UTF-8: what is malformed, what replaces it, and what NFC leaves alone.
#include "model/utf8.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Utf8, EachMaximalSubpartIsOneReplacement) {
  EXPECT_EQ(replace_invalid_utf8("a\xC0\x80z"), "a\uFFFD\uFFFDz");
  EXPECT_EQ(replace_invalid_utf8("\xE1\x80z"), "\uFFFDz");
  EXPECT_EQ(replace_invalid_utf8("\xF0\x9F\x98"), "\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD") << "a surrogate";
  EXPECT_EQ(replace_invalid_utf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xF5"), "\uFFFD");
}

TEST(Utf8, EveryCodePointGoesThereAndBack) {
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (code == 0xD800) code = 0xE000;
    std::string text;
    append_utf8(text, code);
    const Utf8Step step = utf8_step(text);
    ASSERT_TRUE(step.valid);
    ASSERT_EQ(step.code, code);
    ASSERT_EQ(step.bytes, text.size());
    const Utf8Step part = utf8_step(text.substr(0, text.size() - 1) + (code < 0x80 ? "a" : ""));
    ASSERT_EQ(part.cut, code >= 0x80);
  }
}

TEST(Utf8, NormalForms) {
  EXPECT_EQ(normalize_utf8("e\u0301", NormalForm::kNfc), "\u00e9");
  EXPECT_EQ(normalize_utf8("\u00e9", NormalForm::kNfd), "e\u0301");
  EXPECT_EQ(normalize_utf8("\ufb01", NormalForm::kNfkc), "fi");
  EXPECT_EQ(normalize_utf8("\u1100\u1161\u11a8", NormalForm::kNfc), "\uac01");
  EXPECT_EQ(normalize_utf8(std::string_view("a\0b", 3), NormalForm::kNfd),
            std::string_view("a\0b", 3));
}

TEST(Utf8, WhatIsSurelyNfcComposesWithNothing) {
  std::string stable;
  for (char32_t code = 1; code < 0x20000; ++code) {
    if (code == 0xD800) code = 0xE000;
    std::string text;
    append_utf8(text, code);
    if (!is_surely_nfc(text)) continue;
    stable += text;
  }
  // Behind a character outside the quick ranges the library itself looks at all of them.
  EXPECT_EQ(normalize_utf8(stable + "\u2000", NormalForm::kNfc), stable + "\u2002");
  EXPECT_FALSE(is_surely_nfc("e\u0301"));
  EXPECT_FALSE(is_surely_nfc("\u1100\u1161"));
}

}  // namespace
}  // namespace weft
