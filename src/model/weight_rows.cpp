// Stored numbers to floats. The loops are written to be vectorised: this file is compiled with -O3,
// and loading is to be bound by the disk.
#include "model/weight_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace weft {
namespace {

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

void convert_bf16(const std::byte* in, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) {
    out[i] = std::bit_cast<float>(static_cast<uint32_t>(load<uint16_t>(in + 2 * i)) << 16);
  }
}

// Shifted into a float's place, a half is too small by 2^112, its subnormal values too. Signed
// integers, since the oldest vector instructions compare no others.
void convert_f16(const std::byte* in, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) {
    const int32_t half = load<uint16_t>(in + 2 * i);
    const int32_t magnitude = half & 0x7fff;
    const auto scaled = std::bit_cast<int32_t>(std::bit_cast<float>(magnitude << 13) * 0x1p112F);
    const int32_t special = -static_cast<int32_t>(magnitude > 0x7bff) & 0x7f800000;
    const auto sign = static_cast<int32_t>(static_cast<uint32_t>(half & 0x8000) << 16);
    out[i] = std::bit_cast<float>(scaled | special | sign);
  }
}

// E4M3 without infinities (arXiv 2209.05433, table 1): bias 7, all ones is NaN.
constexpr std::array<float, 256> make_e4m3_table() {
  std::array<float, 256> table{};
  for (size_t code = 0; code < 256; ++code) {
    const auto exponent = (code >> 3) & 15;
    const auto mantissa = static_cast<float>(code & 7);
    float value = exponent == 0 ? mantissa : 8 + mantissa;
    value *= 0x1p-9f;
    for (size_t i = 1; i < exponent; ++i) value *= 2;
    if ((code & 0x7f) == 0x7f) value = std::numeric_limits<float>::quiet_NaN();
    table[code] = (code & 0x80) != 0 ? -value : value;
  }
  return table;
}
constexpr std::array<float, 256> kE4m3 = make_e4m3_table();

bool is_float_type(TensorType type) {
  return type == TensorType::kF32 || type == TensorType::kBf16 || type == TensorType::kF16;
}

bool has_non_finite(const float* values, int64_t count) {
  int32_t found = 0;
  for (int64_t i = 0; i < count; ++i) {
    found |= (std::bit_cast<int32_t>(values[i]) & 0x7fffffff) > 0x7f7fffff ? 1 : 0;
  }
  return found != 0;
}

void convert(TensorType type, const std::byte* in, int64_t count, float* out) {
  switch (type) {
    case TensorType::kBf16:
      return convert_bf16(in, count, out);
    case TensorType::kF16:
      return convert_f16(in, count, out);
    default:
      std::memcpy(out, in, static_cast<size_t>(count) * sizeof(float));
  }
}

int64_t blocks_for(int64_t size, int64_t block) { return size / block + (size % block != 0); }

}  // namespace

Result<WeightRows> WeightRows::make(const std::string& name, const TensorView& values,
                                    const std::optional<TensorView>& scales, ScaleBlocks blocks) {
  const bool is_fp8 = values.type == TensorType::kF8E4m3;
  if (values.shape.empty() || (!is_fp8 && !is_float_type(values.type))) {
    return bad_input(
        fmt::format("{}: found {} of shape {}, expected rows of F32, BF16, F16 or "
                    "F8_E4M3",
                    name, tensor_type_name(values.type), describe_shape(values.shape)));
  }
  if (is_fp8 != scales.has_value()) {
    return bad_input(fmt::format("{}: found {} {} block scales, expected them for F8_E4M3 alone",
                                 name, tensor_type_name(values.type), is_fp8 ? "without" : "with"));
  }
  WeightRows weight(name, values);
  weight.columns_ = values.shape.back();
  weight.rows_ = weight.columns_ == 0 ? 0 : values.values() / weight.columns_;
  if (!is_fp8) return weight;
  CHECK(blocks.rows > 0 && blocks.columns > 0);
  const std::vector<int64_t> expected = {blocks_for(weight.rows_, blocks.rows),
                                         blocks_for(weight.columns_, blocks.columns)};
  if (!is_float_type(scales->type) || scales->shape != expected) {
    return bad_input(fmt::format("{}: block scales: found {} of shape {}, expected F32 of {}", name,
                                 tensor_type_name(scales->type), describe_shape(scales->shape),
                                 describe_shape(expected)));
  }
  weight.blocks_ = blocks;
  weight.scale_columns_ = expected[1];
  weight.scales_.resize(static_cast<size_t>(scales->values()));
  convert(scales->type, scales->bytes.data(), scales->values(), weight.scales_.data());
  return weight;
}

void WeightRows::read_fp8_row(int64_t row, float* out) const {
  const std::byte* in = values_.bytes.data() + row * columns_;
  const float* scales = scales_.data() + row / blocks_.rows * scale_columns_;
  for (int64_t block = 0; block < scale_columns_; ++block) {
    const int64_t first = block * blocks_.columns;
    const int64_t end = std::min<int64_t>(first + blocks_.columns, columns_);
    const float scale = scales[block];
    for (int64_t i = first; i < end; ++i) {
      out[i] = kE4m3[std::to_integer<uint8_t>(in[i])] * scale;
    }
  }
}

void WeightRows::read(int64_t first_row, int64_t rows, float* out) const {
  CHECK(first_row >= 0 && rows >= 0 && first_row + rows <= rows_);
  if (values_.type == TensorType::kF8E4m3) {
    for (int64_t i = 0; i < rows; ++i) read_fp8_row(first_row + i, out + i * columns_);
    return;
  }
  const int64_t stride = columns_ * tensor_type_bytes(values_.type);
  convert(values_.type, values_.bytes.data() + first_row * stride, rows * columns_, out);
}

Status WeightRows::read_finite(int64_t first_row, int64_t rows, float* out) const {
  for (int64_t i = 0; i < rows; ++i) {
    float* row = out + i * columns_;
    read(first_row + i, 1, row);
    if (!has_non_finite(row, columns_)) continue;
    const float* bad = std::find_if(row, row + columns_, [](float v) { return !std::isfinite(v); });
    return bad_input(fmt::format("{}: row {}, column {}: found {}, expected finite weights", name_,
                                 first_row + i, bad - row, std::isnan(*bad) ? "NaN" : "infinity"));
  }
  return {};
}

}  // namespace weft
