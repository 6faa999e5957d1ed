// Result and CHECK: a value or an error, and an end with a sentence when our own code is wrong.
#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/check.h"

namespace weft {
namespace {

Result<std::string> named(bool good) {
  if (!good) return not_found("x.toml: cannot be opened");
  return std::string("name");
}

Status checked(bool good) {
  if (!good) return Error{ErrorCode::kExhausted, "full"};
  return {};
}

TEST(Result, HoldsAValueOrAnError) {
  const auto good = named(true);
  ASSERT_TRUE(good.ok());
  EXPECT_TRUE(static_cast<bool>(good));
  EXPECT_EQ(*good, "name");
  EXPECT_EQ(good->size(), 4u);
  const auto bad = named(false);
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(bad.error().message, "x.toml: cannot be opened");
}

TEST(Result, MovesWhatCannotBeCopied) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(3));
  const std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 3);
}

TEST(Result, StatusIsSuccessUnlessGivenAnError) {
  EXPECT_TRUE(checked(true).ok());
  EXPECT_EQ(checked(false).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(bad_input("b").code, ErrorCode::kBadInput);
}

TEST(ResultDeathTest, WrongSideEndsTheProcess) {
  EXPECT_DEATH((void)*named(false), "CHECK\\(ok\\(\\)\\) failed");
  EXPECT_DEATH((void)named(true).error(), "CHECK\\(!ok\\(\\)\\) failed");
  EXPECT_DEATH((void)checked(true).error(), "CHECK\\(!ok\\(\\)\\) failed");
}

TEST(CheckDeathTest, SaysWhereWhatAndWhy) {
  EXPECT_DEATH(CHECK(1 + 1 == 3, "sums are right"),
               "result_test.cpp:[0-9]+: CHECK\\(1 \\+ 1 == 3\\) failed: sums are right");
  EXPECT_DEATH(CHECK(false), "CHECK\\(false\\) failed: this must hold");
}

TEST(Check, EvaluatesItsConditionOnce) {
  int calls = 0;
  CHECK(++calls == 1);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace weft
