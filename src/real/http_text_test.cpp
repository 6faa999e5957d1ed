// Escapes in paths.
#include "real/http_text.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(PercentDecoded, TurnsEscapesIntoBytesAndLeavesTheRest) {
  EXPECT_EQ(percent_decoded("org%2Fname%20v1"), "org/name v1");
  EXPECT_EQ(percent_decoded("%e6%9D%b1"), "東");
  EXPECT_EQ(percent_decoded("%41"), "A");
  EXPECT_EQ(percent_decoded(""), "");
  for (const char* plain : {"a+b", "%", "%4", "100%", "%zz", "%4g", "a%-1b"}) {
    EXPECT_EQ(percent_decoded(plain), plain);
  }
  EXPECT_EQ(percent_decoded("%%41"), "%A");
  EXPECT_EQ(percent_decoded("%2541"), "%41") << "once, not twice";
}

}  // namespace
}  // namespace weft
