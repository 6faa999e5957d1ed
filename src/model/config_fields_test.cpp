// The readers of config.json's fields: values pass, everything else is one line that says what was
// found and what was expected.
#include "model/config_fields.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace weft {
namespace {

TEST(ConfigFields, ReadsValuesOfTheRightKind) {
  ConfigFields fields("config.json");
  fields.set("hidden_size", int64_t{4096});
  fields.set("tie_word_embeddings", true);
  fields.set("dtype", std::string("bfloat16"));
  fields.set("compress_ratios", std::vector<int64_t>{4, 128});
  EXPECT_EQ(fields.integer("hidden_size", 1, 10000), 4096);
  EXPECT_EQ(fields.integer("head_dim", 64, 1, 10000), 64);
  EXPECT_TRUE(fields.boolean("tie_word_embeddings", false));
  EXPECT_EQ(fields.text("dtype", ""), "bfloat16");
  EXPECT_EQ(fields.integers("compress_ratios"), (std::vector<int64_t>{4, 128}));
  EXPECT_TRUE(fields.texts("layer_types").empty());
  EXPECT_FALSE(fields.error().has_value());
}

TEST(ConfigFields, KeepsTheFirstError) {
  ConfigFields fields("config.json");
  fields.set("hidden_size", ForeignValue{"1.5"});
  fields.set("vocab_size", int64_t{-3});
  EXPECT_EQ(fields.integer("hidden_size", 1, 10000), 1);
  EXPECT_EQ(fields.integer("vocab_size", 1, 10000), 1);
  ASSERT_TRUE(fields.error().has_value());
  EXPECT_EQ(fields.error()->message,
            "config.json: hidden_size: found 1.5, expected a whole number from 1 to 10000");
}

TEST(ConfigFields, LongAndOddValuesStayOneShortLine) {
  EXPECT_EQ(describe(std::string("a\nb")), "\"a?b\"");
  EXPECT_LT(describe(std::string(10000, 'x')).size(), 80u);
  EXPECT_EQ(describe(std::vector<int64_t>(61, 4)), "[4, 4, 4, 4, 4, 4, ... 61 in all]");
}

}  // namespace
}  // namespace weft
