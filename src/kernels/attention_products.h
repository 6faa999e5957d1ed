// The two products of attention over a vector type V (vec_*.h): queries with keys, and softmax
// weights with values. Every sum runs over dimensions or keys in rising order, by one chain of
// additions for each element, so that no result depends on how many rows or groups are computed
// side by side.
#pragma once

#include <cstdint>

#include "kernels/attention_tile.h"

namespace weft::kernels {

// How elements of queries, keys, weights and values lie, and the product of one step.
template <class V>
struct Bf16Elements {
  using T = uint16_t;
  using Q = uint32_t;
  static constexpr int64_t kPer = 2;
  // Of pair `i` and dimension `dim` in a step's values.
  static int64_t value_index(int64_t /*dims*/, int64_t i, int64_t dim) {
    return (dim / 16 * 16 + i) * 32 + dim % 16 * 2;
  }
  static constexpr int kExp2Degree = 4;  // weights are rounded to 2^-9
  static typename V::F add_products(typename V::F sum, const T* from, Q q) {
    return V::add_products(sum, from, q);
  }
  static void store(T* to, typename V::F value) { V::store_bf16_weights(to, value); }
};

template <class V>
struct F32Elements {
  using T = float;
  using Q = float;
  static constexpr int64_t kPer = 1;
  static int64_t value_index(int64_t dims, int64_t i, int64_t dim) { return i * dims + dim; }
  static constexpr int kExp2Degree = 5;
  static typename V::F add_products(typename V::F sum, const T* from, Q q) {
    return V::fma(V::load(from), V::set(q), sum);
  }
  static void store(T* to, typename V::F value) { V::store(to, value); }
};

template <class V, class E>
struct VectorProducts {
  using F = typename V::F;
  using T = typename E::T;
  using Q = typename E::Q;
  static constexpr int64_t kLanes = V::kLanes;
  static constexpr int64_t kPer = E::kPer;
  static constexpr int kPerGroup = static_cast<int>(kGroupKeys / kLanes);    // vectors
  static constexpr int kWide = kPerGroup >= 4 ? 2 : kPerGroup == 2 ? 4 : 8;  // rows times groups

  template <int Rows, int Groups>
  static void score_block(const KeyTile& keys, const QueryTile& queries, int64_t row,
                          int64_t group) {
    F sums[Rows][Groups][kPerGroup];
    for (auto& of_row : sums) {
      for (auto& of_group : of_row) {
        for (F& sum : of_group) sum = V::set(0.0F);
      }
    }
    const int64_t steps = queries.key_dims / kPer;
    const Q* q = static_cast<const Q*>(queries.q) + row * steps;
    for (int64_t step = 0; step < steps; ++step) {
      for (int g = 0; g < Groups; ++g) {
        const T* from = static_cast<const T*>(keys.keys[group + g]) + step * kGroupKeys * kPer;
        for (int r = 0; r < Rows; ++r) {
          for (int part = 0; part < kPerGroup; ++part) {
            sums[r][g][part] =
                E::add_products(sums[r][g][part], from + part * kLanes * kPer, q[r * steps + step]);
          }
        }
      }
    }
    for (int r = 0; r < Rows; ++r) {
      for (int g = 0; g < Groups; ++g) {
        float* to = queries.scores + (row + r) * kTileKeys + (group + g) * kGroupKeys;
        for (int part = 0; part < kPerGroup; ++part) {
          V::store(to + part * kLanes, sums[r][g][part]);
        }
      }
    }
  }

  template <int Rows>
  static void score_rows(const KeyTile& keys, const QueryTile& queries, int64_t row) {
    constexpr int kGroups = kWide / Rows > 0 ? kWide / Rows : 1;
    const int64_t groups = keys.steps * (kStepKeys / kGroupKeys);
    int64_t group = 0;
    for (; group + kGroups <= groups; group += kGroups) {
      score_block<Rows, kGroups>(keys, queries, row, group);
    }
    for (; group < groups; ++group) score_block<Rows, 1>(keys, queries, row, group);
  }

  static void scores(const KeyTile& keys, const QueryTile& queries) {
    int64_t row = 0;
    for (; row + 4 <= queries.rows; row += 4) score_rows<4>(keys, queries, row);
    for (; row + 2 <= queries.rows; row += 2) score_rows<2>(keys, queries, row);
    for (; row < queries.rows; ++row) score_rows<1>(keys, queries, row);
  }

  template <int Rows, int Parts>
  static void value_block(const KeyTile& keys, const QueryTile& queries, int64_t row, int64_t dim) {
    F sums[Rows][Parts];
    float* out = queries.state.out + row * queries.value_dims + dim;
    for (int r = 0; r < Rows; ++r) {
      for (int part = 0; part < Parts; ++part) {
        sums[r][part] = V::load(out + r * queries.value_dims + part * kLanes);
      }
    }
    constexpr int64_t kRowWeights = kTileKeys / kPer;
    const Q* weights = static_cast<const Q*>(queries.weights) + row * kRowWeights;
    for (int64_t step = 0; step < keys.steps; ++step) {
      const T* from = static_cast<const T*>(keys.values[step]);
      for (int64_t i = 0; i < kStepKeys / kPer; ++i, ++weights) {
        for (int part = 0; part < Parts; ++part) {
          for (int r = 0; r < Rows; ++r) {
            sums[r][part] = E::add_products(
                sums[r][part], from + E::value_index(queries.value_dims, i, dim + part * kLanes),
                weights[r * kRowWeights]);
          }
        }
      }
    }
    for (int r = 0; r < Rows; ++r) {
      for (int part = 0; part < Parts; ++part) {
        V::store(out + r * queries.value_dims + part * kLanes, sums[r][part]);
      }
    }
  }

  template <int Rows>
  static void value_rows(const KeyTile& keys, const QueryTile& queries, int64_t row) {
    constexpr int kParts = 8 / Rows;
    int64_t dim = 0;
    for (; dim + kParts * kLanes <= queries.value_dims; dim += kParts * kLanes) {
      value_block<Rows, kParts>(keys, queries, row, dim);
    }
    for (; dim < queries.value_dims; dim += kLanes) value_block<Rows, 1>(keys, queries, row, dim);
  }

  static void add_values(const KeyTile& keys, const QueryTile& queries) {
    int64_t row = 0;
    for (; row + 4 <= queries.rows; row += 4) value_rows<4>(keys, queries, row);
    for (; row + 2 <= queries.rows; row += 2) value_rows<2>(keys, queries, row);
    for (; row < queries.rows; ++row) value_rows<1>(keys, queries, row);
  }
};

}  // namespace weft::kernels
