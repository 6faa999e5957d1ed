// Matrix products: seconds of one [m, k] by [k, n] on one die, or of several with weights of their
// own, and of the experts of an MoE layer.
#pragma once

#include <array>

#include "hardware/gemm_constants.h"

namespace weft {

// seconds = floor + quantise + sqrt(compute^2 + memory^2)
// memory: weights, activations and outputs once, at a share of the peak bandwidth.
// compute: waves of tiles over the cores, the least over a menu of tiles and of splits along k
//   (CUTLASS's and cuBLAS's choice; wave quantisation: NVIDIA, "Matrix Multiplication Background
//   User's Guide"). A tile of tm x tn takes 2 k (tm tn + edge (tm + tn)) operations at a share of
//   the core's peak, and a fill: its two edges are loaded while its area is multiplied. It takes k
//   steps at least: unsplit kernels with few tiles wait for each (Little's law: bytes in flight).
// quantise: bytes per activation value, where activations are quantised by a kernel of its own.

// Dense peaks of one die: what shares are shares of.
struct GemmPeaks {
  double operations = 0;  // per second, in the format that is multiplied
  double memory = 0;      // bytes per second
  double cores = 1;       // SMs, CUs or cube cores
};

struct GemmShape {
  double n = 0;
  double k = 0;
  double groups = 1;            // products with weights of their own, in one kernel
  double weight_bytes = 2;      // per value
  double activation_bytes = 2;  // per value, as multiplied
  double output_bytes = 2;
};

// One kind of product, built once; seconds() is asked millions of times. Never less than operations
// over peak and bytes over peak, and does not fall when m grows.
class GemmPlan {
 public:
  GemmPlan() = default;
  GemmPlan(const GemmShape& shape, const GemmConstants& constants, const GemmPeaks& peaks);

  // `m` rows of each group. 0 without rows.
  [[nodiscard]] double seconds(double m) const {
    if (m <= 0) return 0;
    const double c = compute_seconds(m);
    const double b = memory_seconds(m);
    return floor_ + per_row_quantise_ * m + root(c * c + b * b);
  }
  [[nodiscard]] double compute_seconds(double m) const;
  [[nodiscard]] double memory_seconds(double m) const { return weights_ + per_row_ * m; }
  [[nodiscard]] bool compute_bound(double m) const {
    return compute_seconds(m) >= memory_seconds(m);
  }

 private:
  static constexpr int kTiles = 4;
  static constexpr int kSplits = 4;
  static double root(double x);

  struct Tile {
    double rows = 0;                     // tm
    double columns = 0;                  // tiles along n, all groups
    std::array<double, kSplits> wave{};  // seconds, by number of splits
  };

  std::array<Tile, kTiles> tiles_;
  int splits_ = 1;  // entries of Tile::wave
  double cores_ = 1;
  double floor_ = 0;
  double weights_ = 0;  // seconds
  double per_row_ = 0;  // seconds per row of each group
  double per_row_quantise_ = 0;
  double per_row_split_ = 0;  // seconds per row and part
  double split_ = 0;
};

// The routed experts of one MoE layer on one die: gate and up as one grouped product, then down,
// and the handling of rows between them. Rows are spread evenly over the experts that get any:
//   tiles of an expert = max(1, rows / tile + 1 / 2), the mean of the rounding up;
//   handling = h + ramp x h / (h + half), h: the bytes of rows and tokens that it moves;
//   seconds = floor + slot x experts held + handling + the two products' sqrt(compute^2 +
//   memory^2).
// The tile is the best of a menu, or, for kernels that know no rows but the batch's (mean_tile:
// Triton's matmul_ogs, of OpenAI's triton_kernels), the least of 16, 64 and 128 rows that holds the
// mean rows of an expert: where those stand for all of a batch's copies, it is taller than its
// rows.
struct ExpertShape {
  double hidden = 0;
  double ffn = 0;  // of one expert, after it was split over dies
  double weight_bytes = 2;
  double activation_bytes = 2;
  double slots = 1;         // experts that the die holds, with rows or without
  double token_copies = 1;  // copies of a token that the kernel spreads over them in its mean
};

class ExpertPlan {
 public:
  ExpertPlan() = default;
  ExpertPlan(const ExpertShape& shape, const GemmConstants& constants, const GemmPeaks& peaks);

  // `rows` copies of tokens on the die, `experts` of its experts get one or more, of `tokens` that
  // the die sees (those dispatched to it, or a whole batch of which it computes its experts' part).
  // Does not fall when any grows.
  [[nodiscard]] double seconds(double rows, double experts, double tokens) const {
    if (rows <= 0) return 0;
    const double mean = mean_rows_ * tokens;
    return floor_ + handling_seconds(rows, tokens) + up_.seconds(rows, experts, mean) +
           down_.seconds(rows, experts, mean);
  }
  [[nodiscard]] double handling_seconds(double rows, double tokens) const {
    const double moved = per_row_handling_ * rows + per_token_handling_ * tokens;
    return moved + ramp_ * moved / (moved + half_);
  }
  [[nodiscard]] bool compute_bound(double rows, double experts, double tokens) const {
    return up_.compute(rows, experts, mean_rows_ * tokens) >= up_.memory(rows, experts);
  }

 private:
  static constexpr int kTiles = 4;
  struct Product {
    struct Tile {
      double rows = 0;
      double per_tile = 0;  // seconds per tile of rows of one expert, over all cores
      double one_wave = 0;  // the least: a core's time for a tile
    };
    std::array<Tile, kTiles> tiles;
    double per_expert = 0;  // seconds: weights
    double per_row = 0;     // seconds: activations and outputs

    // `mean`: rows that a tile is to hold, 0: any.
    [[nodiscard]] double compute(double count, double experts, double mean) const;
    [[nodiscard]] double memory(double count, double experts) const {
      return per_expert * experts + per_row * count;
    }
    [[nodiscard]] double seconds(double count, double experts, double mean) const;
  };
  static Product product(double n, double k, const ExpertShape& shape,
                         const GemmConstants& constants, const GemmPeaks& peaks);

  Product up_;
  Product down_;
  double floor_ = 0;
  double per_row_handling_ = 0;
  double per_token_handling_ = 0;
  double ramp_ = 0;
  double half_ = 1;
  double mean_rows_ = 0;  // per token; 0: tiles do not follow it
};

}  // namespace weft
