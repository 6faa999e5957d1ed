// Names and sizes of the number formats.
#include "model/format.h"

#include <array>

namespace weft {
namespace {

constexpr std::array<std::string_view, kFormats> kNames = {"bf16", "fp8", "int8",
                                                           "int4", "fp4", "fp32"};

}  // namespace

std::string_view format_name(Format format) { return kNames[static_cast<size_t>(format)]; }

std::optional<Format> format_from_name(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Format>(i);
  }
  return std::nullopt;
}

std::vector<std::string> format_names() { return {kNames.begin(), kNames.end()}; }

double bytes_per_value(Format format) {
  switch (format) {
    case Format::kBf16:
      return 2;
    case Format::kFp8:
    case Format::kInt8:
      return 1;
    case Format::kInt4:
      return 0.5 + 2.0 / 32;
    case Format::kFp4:
      return 0.5 + 1.0 / 32;
    case Format::kFp32:
      return 4;
  }
  return 2;
}

}  // namespace weft
