// Number formats that weights, activations and KV are kept in.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

enum class Format { kBf16, kFp8, kInt8, kInt4, kFp4, kFp32 };
inline constexpr int kFormats = 6;

// The name used in TOML and tables: "bf16", "fp8", "int8", "int4", "fp4", "fp32".
std::string_view format_name(Format format);
std::optional<Format> format_from_name(std::string_view name);
std::vector<std::string> format_names();

// Bytes of one value with its share of scales: FP8 and INT8 1, BF16 2, FP32 4; INT4 in groups of 32
// with a 2-byte scale 0.5 + 2/32; FP4 (MXFP4: 32-value blocks, 1-byte scale) 0.5 + 1/32.
double bytes_per_value(Format format);

// What a deployment runs in (scenario table [precision]).
struct Precision {
  Format weights = Format::kBf16;
  Format activations = Format::kBf16;
  Format kv = Format::kBf16;
  // Attention's matrices, where a checkpoint keeps them in another format than the layers beside.
  std::optional<Format> attention = std::nullopt;
  // The head's matrix and what it is multiplied with; nothing: BF16.
  std::optional<Format> head = std::nullopt;
  // FP8 with a scale per 128 x 128 weights and per 128 activations (DeepSeek-V3, section 3.3)
  // rather than one a tensor; nothing: as the model was published.
  std::optional<bool> block_scales = std::nullopt;
};

}  // namespace weft
