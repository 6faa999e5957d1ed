// The attention kernels over a vector type V (vec_*.h), written once. A source file for each
// instruction set instantiates them, and only those include this; no function of the standard
// library here, since a copy compiled for one set could be linked in for all.
#pragma once

#include <cstdint>

#include "kernels/attention_products.h"
#include "kernels/attention_tile.h"
#include "kernels/vec_math.h"

namespace weft::kernels {

// One tile: scores, softmax weights, values. Products says how the two products are computed.
template <class V, class E, class Products>
struct AttentionTile {
  using F = typename V::F;
  static constexpr int64_t kLanes = V::kLanes;

  static void scale_row(float* values, int64_t n, float factor) {
    const F by = V::set(factor);
    for (int64_t i = 0; i < n; i += kLanes) V::store(values + i, V::mul(V::load(values + i), by));
  }

  // Scales the scores by the keys' scales, hides what the row does not see, returns the largest.
  static float prepare_row(const KeyTile& keys, float* scores, int64_t width, int64_t seen) {
    const F hidden = V::set(-__builtin_inff());
    F largest = hidden;
    for (int64_t i = 0; i < width; i += kLanes) {
      F score = V::load(scores + i);
      if (keys.key_scales != nullptr) score = V::mul(score, V::load(keys.key_scales + i));
      if (seen - i < kLanes) score = V::first(score, seen > i ? seen - i : 0, hidden);
      V::store(scores + i, score);
      largest = V::max(score, largest);
    }
    return V::largest(largest);
  }

  static void weigh_row(const KeyTile& keys, const QueryTile& queries, int64_t row, int64_t seen) {
    const int64_t width = keys.steps * kStepKeys;
    float* scores = queries.scores + row * kTileKeys;
    auto* weights = static_cast<typename E::T*>(queries.weights) + row * kTileKeys;
    const float before = queries.state.max[row];
    const float here = prepare_row(keys, scores, width, seen);
    const float largest = here > before ? here : before;
    queries.state.max[row] = largest;
    float* lanes = queries.state.sums + row * kSumLanes;
    if (largest != before) {
      float factor[kLanes];
      V::store(factor, exp2_of<V>(V::set(before - largest)));
      scale_row(lanes, kSumLanes, factor[0]);
      scale_row(queries.state.out + row * queries.value_dims, queries.value_dims, factor[0]);
    }
    F sums[kSumLanes / kLanes];
    for (int64_t part = 0; part < kSumLanes / kLanes; ++part) {
      sums[part] = V::load(lanes + part * kLanes);
    }
    const F by = V::set(largest);
    for (int64_t i = 0; i < width; i += kLanes) {
      F weight = exp2_of<V>(V::sub(V::load(scores + i), by));
      F& sum = sums[i / kLanes % (kSumLanes / kLanes)];
      sum = V::add(sum, weight);
      if (keys.value_scales != nullptr) weight = V::mul(weight, V::load(keys.value_scales + i));
      E::store(weights + i, weight);
    }
    for (int64_t part = 0; part < kSumLanes / kLanes; ++part) {
      V::store(lanes + part * kLanes, sums[part]);
    }
  }

  static void run(const KeyTile& keys, const QueryTile& queries) {
    Products::scores(keys, queries);
    const int64_t width = keys.steps * kStepKeys;
    for (int64_t row = 0; row < queries.rows; ++row) {
      const int64_t seen = queries.limits[row] - keys.first;
      if (seen > 0) {
        weigh_row(keys, queries, row, seen < width ? seen : width);
        continue;
      }
      auto* weights = static_cast<typename E::T*>(queries.weights) + row * kTileKeys;
      for (int64_t i = 0; i < width; ++i) weights[i] = 0;
    }
    Products::add_values(keys, queries);
  }
};

// What stands around the tiles. Only names them apart: Name is one type for each source file.
template <class V, class Name>
struct AttentionEdges {
  using F = typename V::F;
  static constexpr int64_t kLanes = V::kLanes;

  static void merge_values(float* total, const float* part, int64_t n, F keep, F take) {
    for (int64_t i = 0; i < n; i += kLanes) {
      const F taken = V::mul(V::load(part + i), take);
      V::store(total + i, V::add(V::mul(V::load(total + i), keep), taken));
    }
  }

  static void merge(const SoftmaxState& total, const SoftmaxState& part, int64_t rows,
                    int64_t value_dims) {
    const float nothing = -__builtin_inff();
    for (int64_t row = 0; row < rows; ++row) {
      if (part.max[row] == nothing) continue;
      const float before = total.max[row];
      const float largest = part.max[row] > before ? part.max[row] : before;
      const F keep = exp2_of<V>(V::set(before - largest));
      const F take = exp2_of<V>(V::set(part.max[row] - largest));
      total.max[row] = largest;
      merge_values(total.sums + row * kSumLanes, part.sums + row * kSumLanes, kSumLanes, keep,
                   take);
      merge_values(total.out + row * value_dims, part.out + row * value_dims, value_dims, keep,
                   take);
    }
  }

  static void finish(const float* values, const float* sums, int64_t n, float* out) {
    float total = 0;
    for (int64_t lane = 0; lane < kSumLanes; ++lane) total += sums[lane];
    const F factor = V::set(1.0F / total);
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) V::store(out + i, V::mul(V::load(values + i), factor));
    if (i < n) V::store_first(out + i, V::mul(V::load_first(values + i, n - i), factor), n - i);
  }

  static void unpack(const int8_t* from, int64_t n, uint16_t* to) {
    for (int64_t i = 0; i < n; i += kLanes) V::store_bf16_weights(to + i, V::load_int8(from + i));
  }

  static void values_of_keys(const uint16_t* first, const uint16_t* second, int64_t tokens,
                             int64_t dims, uint16_t* to) {
    for (int64_t token = 0; token < kStepKeys; ++token) {
      const uint16_t* from = (token < kGroupKeys ? first : second) + token % kGroupKeys * 2;
      uint16_t* row = to + token / 2 * dims * 2 + token % 2;
      for (int64_t dim = 0; dim < dims; dim += 2, from += 2 * kGroupKeys) {
        row[2 * dim] = token < tokens ? from[0] : uint16_t{0};
        row[2 * dim + 2] = token < tokens ? from[1] : uint16_t{0};
      }
    }
  }

  static void nothing() {}

  static AttentionKernels table() {
    return {AttentionTile<V, F32Elements<V>, VectorProducts<V, F32Elements<V>>>::run,
            AttentionTile<V, Bf16Elements<V>, VectorProducts<V, Bf16Elements<V>>>::run,
            merge,
            finish,
            unpack,
            values_of_keys,
            nothing,
            nothing};
  }
};

}  // namespace weft::kernels
