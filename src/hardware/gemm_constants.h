// Constants of matrix products, per chip and format, read from catalog/kernels/gemm.toml (dense)
// and catalog/kernels/moe.toml (grouped by expert), or from a chip's own file. Shares are of the
// chip's own dense peaks.
#pragma once

#include <array>
#include <map>
#include <string>

#include "base/config.h"
#include "model/format.h"

namespace weft {

struct GemmConstants {
  double floor_us = 0;       // an empty launch
  double memory_share = 1;   // of the peak bandwidth
  double compute_share = 1;  // of the dense peak, large tiles
  double edge = 0;           // values that each value of a tile's two edges is worth
  double fill_us = 0;        // a core's time to begin and end a tile
  double split_us = 0;       // adding up the parts of a product that is split along k
  double splits = 1;         // parts at most
  double passes = 0;         // bytes per activation value that quantising and permuting move
  double step_ns = 0;        // dense: the least time per value of k in a tile, a pipeline's latency
  double tile_rows = 64;  // dense: of the smallest tile; the others have one, two and two times it
  // Experts.
  double token_passes = 0;  // bytes per value of a token, whether or not it has a copy here
  double slot_us = 0;       // a look at an expert that the die holds, with rows or without
  double ramp_us = 0;       // until enough bytes of handling are in flight
  double half_us = 1;       // time of handling at which half of the ramp is paid
  bool mean_tile = false;   // tiles as tall as the mean rows of an expert, and no taller
};

// What a fit was made from, beside the constants.
struct GemmFit {
  GemmConstants constants;
  std::string chip;  // whose tables: another chip's name when carried over
  std::string source;
  std::array<double, 2> range_m{};
  std::array<double, 2> range_n{};
  std::array<double, 2> range_k{};

  [[nodiscard]] bool covers(double m, double n, double k) const {
    const auto in = [](double x, const std::array<double, 2>& range) {
      return x >= range[0] && x <= range[1];
    };
    return in(m, range_m) && in(n, range_n) && in(k, range_k);
  }
};

// How a product multiplies: by the activations' format, and 8 bits by their scales. kFp8Grouped:
// kFp8Block for experts whose rows an exchange has sorted (DeepGEMM's grouped kernels).
// kFourBitWeights: weights of 4 bits that are widened to 16-bit activations' format on the way.
// kOpenBf16, kOpenFp8Block, kOpenFourBit: experts by the kernels of open engines (Triton's fused
// experts, Marlin) in place of TensorRT-LLM's, which the others are.
enum class GemmKind {
  kBf16,
  kFp8,
  kFp8Block,
  kInt8,
  kFp4,
  kFp8Grouped,
  kFourBitWeights,
  kOpenBf16,
  kOpenFp8Block,
  kOpenFourBit,
};
inline constexpr int kGemmKinds = 10;
// The kind of open engines' kernels for experts of this kind; the same where there is none.
GemmKind open_kind(GemmKind kind);

// `block_scaled`: 8-bit floats with a scale per 128 x 128 weights (DeepSeek-V3, section 3.3).
GemmKind gemm_kind(Format weights, Format activations, bool block_scaled);

struct GemmTable {
  std::array<GemmFit, kGemmKinds> fits;
  [[nodiscard]] const GemmFit& of(GemmKind kind) const { return fits[static_cast<size_t>(kind)]; }
};

// Chip name -> constants. Errors name file, line and key; unknown keys are errors.
Result<std::map<std::string, GemmTable>> read_gemm_constants(ConfigFile& file);

// A chip's own tables, one for each kind that was measured on it; `other`'s stand for the rest, as
// shares of this chip's peaks. Errors stay in the table's file.
GemmTable read_gemm_table(ConfigTable table, const std::string& chip, const GemmTable& other);

}  // namespace weft
