// Rows as floats: every code of every stored format, block scales, and weights that are not finite.
#include "model/weight_rows.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "model/float_formats.h"

namespace weft {
namespace {

template <class T>
TensorView view_of(TensorType type, std::vector<int64_t> shape, const std::vector<T>& values) {
  return {type, std::move(shape), std::as_bytes(std::span(values))};
}

WeightRows rows_of(const TensorView& values) {
  auto rows = WeightRows::make("w", values, std::nullopt, {});
  CHECK(rows.ok());
  return *std::move(rows);
}

// A float with `exponent_bits` and `mantissa_bits`, by the definition.
double decode(uint32_t code, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const auto exponent = static_cast<int>(code >> mantissa_bits & ((1U << exponent_bits) - 1));
  const double mantissa = (code & ((1U << mantissa_bits) - 1)) * std::ldexp(1.0, -mantissa_bits);
  const double value =
      exponent == 0 ? std::ldexp(mantissa, 1 - bias) : std::ldexp(1 + mantissa, exponent - bias);
  return (code >> (exponent_bits + mantissa_bits) & 1) != 0 ? -value : value;
}

std::vector<uint16_t> all_halves() {
  std::vector<uint16_t> codes(65536);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint16_t>(i);
  return codes;
}

TEST(WeightRows, ReadsEveryF16) {
  const auto codes = all_halves();
  std::vector<float> out(codes.size());
  rows_of(view_of(TensorType::kF16, {65536}, codes)).read(0, 1, out.data());
  for (uint32_t code = 0; code < 65536; ++code) {
    if ((code & 0x7c00) == 0x7c00) {
      EXPECT_EQ(std::isnan(out[code]), (code & 0x3ff) != 0) << code;
      EXPECT_EQ(std::isinf(out[code]), (code & 0x3ff) == 0) << code;
    } else {
      ASSERT_EQ(out[code], decode(code, 5, 10)) << code;
      ASSERT_EQ(to_f16(out[code]), code);
    }
  }
}

TEST(WeightRows, ReadsEveryBf16) {
  const auto codes = all_halves();
  std::vector<float> out(codes.size());
  rows_of(view_of(TensorType::kBf16, {65536}, codes)).read(0, 1, out.data());
  for (uint32_t code = 0; code < 65536; ++code) {
    ASSERT_EQ(std::bit_cast<uint32_t>(out[code]), code << 16);
    if (!std::isfinite(out[code])) continue;
    ASSERT_EQ(to_bf16(out[code]), code);
  }
}

TEST(WeightRows, ReadsEveryE4m3) {
  std::vector<uint8_t> codes(256);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i);
  const std::vector<float> scales = {1, 2};
  const auto rows = WeightRows::make("w", view_of(TensorType::kF8E4m3, {256}, codes),
                                     view_of(TensorType::kF32, {1, 2}, scales), {128, 128});
  ASSERT_TRUE(rows.ok()) << rows.error().message;
  std::vector<float> out(256);
  rows->read(0, 1, out.data());
  for (uint32_t code = 0; code < 256; ++code) {
    const float scale = code < 128 ? 1 : 2;
    if ((code & 0x7f) == 0x7f) {
      EXPECT_TRUE(std::isnan(out[code]));
    } else {
      ASSERT_EQ(out[code], scale * decode(code, 4, 3)) << code;
      ASSERT_EQ(to_e4m3(out[code] / scale), code);
    }
  }
}

// Between two neighbours the nearer one is taken, of two as near the even one.
TEST(FloatFormats, RoundToNearestEven) {
  for (uint32_t code = 0; code < 0x7bff; ++code) {
    const double middle = (decode(code, 5, 10) + decode(code + 1, 5, 10)) / 2;
    ASSERT_EQ(to_f16(static_cast<float>(middle)), code + (code & 1)) << code;
  }
  for (uint32_t code = 0; code < 0x7e; ++code) {
    const double middle = (decode(code, 4, 3) + decode(code + 1, 4, 3)) / 2;
    ASSERT_EQ(to_e4m3(static_cast<float>(middle)), code + (code & 1)) << code;
    ASSERT_EQ(to_e4m3(static_cast<float>(-middle)), (code + (code & 1)) | 0x80) << code;
  }
  EXPECT_EQ(to_e4m3(1e9F), 0x7e);
  EXPECT_EQ(to_bf16(std::bit_cast<float>(0x3f808000U)), 0x3f80);
  EXPECT_EQ(to_bf16(std::bit_cast<float>(0x3f818000U)), 0x3f82);
  EXPECT_EQ(to_bf16(std::bit_cast<float>(0x3f808001U)), 0x3f81);
}

// Blocks at the edges are cut off; a scale belongs to its rows and columns alone.
TEST(WeightRows, EachBlockHasItsScale) {
  constexpr int64_t kRows = 5;
  constexpr int64_t kColumns = 7;
  const std::vector<uint8_t> ones(kRows * kColumns, to_e4m3(1));
  const std::vector<float> scales = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const auto rows = WeightRows::make("w", view_of(TensorType::kF8E4m3, {kRows, kColumns}, ones),
                                     view_of(TensorType::kF32, {3, 3}, scales), {2, 3});
  ASSERT_TRUE(rows.ok()) << rows.error().message;
  std::vector<float> out(kRows * kColumns);
  rows->read(0, 2, out.data());
  rows->read(2, 3, out.data() + 2 * kColumns);
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t column = 0; column < kColumns; ++column) {
      ASSERT_EQ(out[static_cast<size_t>(row * kColumns + column)],
                scales[static_cast<size_t>(row / 2 * 3 + column / 3)]);
    }
  }
}

TEST(WeightRows, UnalignedBytesAreReadAsWell) {
  std::vector<std::byte> bytes(1 + 4 * sizeof(float));
  const std::vector<float> values = {1, -2, 3, -4};
  std::memcpy(bytes.data() + 1, values.data(), 4 * sizeof(float));
  const TensorView view{TensorType::kF32, {2, 2}, std::span<const std::byte>(bytes).subspan(1)};
  std::vector<float> out(2);
  rows_of(view).read(1, 1, out.data());
  EXPECT_EQ(out, (std::vector<float>{3, -4}));
}

TEST(WeightRows, DimensionsButTheLastAreRows) {
  const std::vector<float> values(24);
  const WeightRows three = rows_of(view_of(TensorType::kF32, {2, 3, 4}, values));
  EXPECT_EQ(three.rows(), 6);
  EXPECT_EQ(three.columns(), 4);
  const WeightRows one = rows_of(view_of(TensorType::kF32, {24}, values));
  EXPECT_EQ(one.rows(), 1);
  const WeightRows none = rows_of(view_of(TensorType::kF32, {3, 0}, std::vector<float>()));
  EXPECT_EQ(none.rows(), 0);
}

TEST(WeightRows, WhatIsNotFiniteIsNamed) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {nan, -nan, infinity, -infinity}) {
    const std::vector<float> values = {1, 2, 3, 4, 5, bad};
    const WeightRows rows = rows_of(view_of(TensorType::kF32, {3, 2}, values));
    std::vector<float> out(6);
    EXPECT_TRUE(rows.read_finite(0, 2, out.data()).ok());
    const auto status = rows.read_finite(0, 3, out.data());
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().message, std::string("w: row 2, column 1: found ") +
                                          (std::isnan(bad) ? "NaN" : "infinity") +
                                          ", expected finite weights");
  }
}

TEST(WeightRows, WhatIsNoWeightIsRefused) {
  const std::vector<int32_t> whole(4);
  const std::vector<uint8_t> bytes(4);
  const std::vector<float> scale = {1};
  const auto scales = view_of(TensorType::kF32, {1, 1}, scale);
  const auto refuse = [](const TensorView& values, const std::optional<TensorView>& with) {
    const auto rows = WeightRows::make("w", values, with, {});
    return rows.ok() ? "" : rows.error().message;
  };
  EXPECT_NE(refuse(view_of(TensorType::kI32, {2, 2}, whole), {}).find("found I32"),
            std::string::npos);
  EXPECT_NE(refuse(view_of(TensorType::kF32, {}, scale), {}).find("shape []"), std::string::npos);
  EXPECT_NE(refuse(view_of(TensorType::kF8E4m3, {2, 2}, bytes), {}).find("without block scales"),
            std::string::npos);
  EXPECT_NE(refuse(view_of(TensorType::kF32, {1}, scale), scales).find("with block scales"),
            std::string::npos);
  const auto wrong = view_of(TensorType::kF32, {1}, scale);
  EXPECT_NE(refuse(view_of(TensorType::kF8E4m3, {2, 2}, bytes), wrong)
                .find("found F32 of shape [1], expected F32 of [1, 1]"),
            std::string::npos);
}

TEST(WeightRows, SeveralThreadsReadAtOnce) {
  std::vector<uint16_t> codes(size_t{64} * 1000);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = to_bf16(static_cast<float>(i));
  const WeightRows rows = rows_of(view_of(TensorType::kBf16, {64, 1000}, codes));
  std::vector<float> expected(codes.size());
  rows.read(0, 64, expected.data());
  std::vector<float> out(codes.size());
  {
    std::vector<std::jthread> threads;
    for (int64_t i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] { rows.read(16 * i, 16, out.data() + i * 16 * 1000); });
    }
  }
  EXPECT_EQ(out, expected);
}

}  // namespace
}  // namespace weft
