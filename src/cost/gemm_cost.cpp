// Tiles, waves and bytes.
#include "cost/gemm_cost.h"

#include <algorithm>
#include <cmath>

namespace weft {
namespace {

constexpr double kMicro = 1e-6;
constexpr double kNano = 1e-9;
constexpr double kStep = 64;      // values of k that a tile takes at a time
constexpr double kPartBytes = 4;  // parts of a split product are FP32

struct TileSize {
  double m, n;
};
constexpr TileSize kMenu[] = {{64, 64}, {64, 128}, {128, 128}, {128, 256}};

}  // namespace

double GemmPlan::root(double x) { return std::sqrt(x); }

GemmPlan::GemmPlan(const GemmShape& shape, const GemmConstants& constants, const GemmPeaks& peaks)
    : cores_(peaks.cores),
      floor_(constants.floor_us * kMicro),
      split_(constants.split_us * kMicro) {
  const double rate = peaks.operations * constants.compute_share / peaks.cores;
  const double bandwidth = peaks.memory * constants.memory_share;
  splits_ = 1;
  while (splits_ < kSplits && (2 << (splits_ - 1)) <= constants.splits) ++splits_;
  for (int t = 0; t < kTiles; ++t) {
    Tile& tile = tiles_[static_cast<size_t>(t)];
    const TileSize size = {kMenu[t].m / kMenu[0].m * constants.tile_rows, kMenu[t].n};
    tile.rows = size.m;
    tile.columns = std::ceil(shape.n / size.n) * shape.groups;
    const double area = size.m * size.n + constants.edge * (size.m + size.n);
    for (int s = 0; s < splits_; ++s) {
      const double depth = std::ceil(shape.k / (1 << s) / kStep) * kStep;
      const double steps = depth * constants.step_ns * kNano;
      tile.wave[static_cast<size_t>(s)] =
          std::max(2 * depth * area / rate, steps) + constants.fill_us * kMicro;
    }
  }
  const double values = shape.k * shape.activation_bytes + shape.n * shape.output_bytes;
  weights_ = shape.groups * shape.n * shape.k * shape.weight_bytes / bandwidth;
  per_row_ = shape.groups * values / bandwidth;
  per_row_quantise_ = shape.groups * shape.k * constants.passes / bandwidth;
  per_row_split_ = shape.groups * shape.n * kPartBytes / bandwidth;
}

// Splits are for products with few tiles: where one wave cannot fill the cores. Leaving them out
// beyond that only lengthens the time, so that it still does not fall as m grows.
double GemmPlan::compute_seconds(double m) const {
  double best = 1e30;
  for (const Tile& tile : tiles_) {
    const double tiles = std::ceil(m / tile.rows) * tile.columns;
    best = std::min(best, std::ceil(tiles / cores_) * tile.wave[0]);
    if (tiles > cores_) continue;
    for (int s = 1; s < splits_; ++s) {
      const double parts = 1 << s;
      const double waves = std::ceil(tiles * parts / cores_);
      best = std::min(best, waves * tile.wave[static_cast<size_t>(s)] +
                                per_row_split_ * m * (parts + 1) + split_);
    }
  }
  return best;
}

ExpertPlan::ExpertPlan(const ExpertShape& shape, const GemmConstants& constants,
                       const GemmPeaks& peaks)
    : up_(product(2 * shape.ffn, shape.hidden, shape, constants, peaks)),
      down_(product(shape.hidden, shape.ffn, shape, constants, peaks)),
      floor_((constants.floor_us + constants.slot_us * shape.slots) * kMicro),
      ramp_(constants.ramp_us * kMicro),
      half_(constants.half_us * kMicro),
      mean_rows_(constants.mean_tile ? shape.token_copies / shape.slots : 0) {
  const double bandwidth = peaks.memory * constants.memory_share;
  per_row_handling_ = constants.passes * (shape.hidden + shape.ffn) / bandwidth;
  per_token_handling_ = constants.token_passes * shape.hidden / bandwidth;
}

ExpertPlan::Product ExpertPlan::product(double n, double k, const ExpertShape& shape,
                                        const GemmConstants& constants, const GemmPeaks& peaks) {
  constexpr TileSize kBest[kTiles] = {{16, 128}, {64, 128}, {128, 128}, {128, 256}};
  constexpr TileSize kByMean[kTiles] = {{16, 128}, {64, 128}, {128, 128}, {128, 128}};
  const double rate = peaks.operations * constants.compute_share / peaks.cores;
  const double bandwidth = peaks.memory * constants.memory_share;
  Product out;
  for (size_t t = 0; t < out.tiles.size(); ++t) {
    const TileSize size = constants.mean_tile ? kByMean[t] : kBest[t];
    const double area = size.m * size.n + constants.edge * (size.m + size.n);
    const double depth = std::ceil(k / kStep) * kStep;
    const double one = 2 * depth * area / rate + constants.fill_us * kMicro;
    out.tiles[t] = {size.m, one * std::ceil(n / size.n) / peaks.cores, one};
  }
  out.per_expert = n * k * shape.weight_bytes / bandwidth;
  out.per_row = (k * shape.activation_bytes + n * 2) / bandwidth;
  return out;
}

// A tile shorter than the mean is left out: the longer the mean, the fewer are left to choose from,
// so that the time does not fall as it grows.
double ExpertPlan::Product::compute(double count, double experts, double mean) const {
  double best = 1e30;
  for (const Tile& tile : tiles) {
    if (tile.rows < mean && tile.rows < tiles.back().rows) continue;
    const double along = std::max(experts, count / tile.rows + experts / 2);
    best = std::min(best, std::max(tile.one_wave, along * tile.per_tile));
  }
  return best;
}

double ExpertPlan::Product::seconds(double count, double experts, double mean) const {
  const double c = compute(count, experts, mean);
  const double b = memory(count, experts);
  return std::sqrt(c * c + b * b);
}

}  // namespace weft
