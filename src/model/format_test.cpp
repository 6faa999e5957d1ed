// Names of formats are read back, and a value's bytes include its share of scales.
#include "model/format.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Format, EveryNameIsReadBack) {
  for (int i = 0; i < kFormats; ++i) {
    const auto format = static_cast<Format>(i);
    EXPECT_EQ(format_from_name(format_name(format)), format);
  }
  EXPECT_EQ(format_names().size(), static_cast<size_t>(kFormats));
  EXPECT_EQ(format_from_name("fp16"), std::nullopt);
  EXPECT_EQ(format_from_name(""), std::nullopt);
}

TEST(Format, BytesIncludeScales) {
  EXPECT_EQ(bytes_per_value(Format::kBf16), 2);
  EXPECT_EQ(bytes_per_value(Format::kFp8), 1);
  EXPECT_EQ(bytes_per_value(Format::kInt8), 1);
  EXPECT_EQ(bytes_per_value(Format::kInt4), 0.5625);
  EXPECT_EQ(bytes_per_value(Format::kFp4), 0.53125);
  EXPECT_EQ(bytes_per_value(Format::kFp32), 4);
}

}  // namespace
}  // namespace weft
