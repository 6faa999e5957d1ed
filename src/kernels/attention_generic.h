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
  static constexpr int64_t kParts = kSumLanes / kLanes;

  static void scale_row(float* values, int64_t n, float factor) {
    const F by = V::set(factor);
    for (int64_t i = 0; i < n; i += kLanes) V::store(values + i, V::mul(V::load(values + i), by));
  }

  // Scales the scores by the keys' scales; the largest of those that the row sees.
  static float largest_score(const KeyTile& keys, float* scores, int64_t seen) {
    const F hidden = V::set(-__builtin_inff());
    if (keys.key_scales != nullptr) {
      for (int64_t i = 0; i < seen; i += kLanes) {
        V::store(scores + i, V::mul(V::load(scores + i), V::load(keys.key_scales + i)));
      }
    }
    F largest = hidden;
    int64_t i = 0;
    for (; i + kLanes <= seen; i += kLanes) largest = V::max(V::load(scores + i), largest);
    if (i < seen) largest = V::max(V::first(V::load(scores + i), seen - i, hidden), largest);
    return V::largest(largest);
  }

  // Rows that saw something before: what they have is less by 2^(before - largest).
  static void rescale_row(const QueryTile& queries, int64_t row, float before, float largest) {
    float factor[kLanes];
    V::store(factor, exp2_of<V, 5>(V::set(before - largest)));
    scale_row(queries.state.sums + row * kSumLanes, kSumLanes, factor[0]);
    scale_row(queries.state.out + row * queries.value_dims, queries.value_dims, factor[0]);
  }

  static void weigh_row(const KeyTile& keys, const QueryTile& queries, int64_t row, int64_t seen) {
    float* scores = queries.scores + row * kTileKeys;
    auto* weights = static_cast<typename E::T*>(queries.weights) + row * kTileKeys;
    const float before = queries.state.max[row];
    const float here = largest_score(keys, scores, seen);
    const float largest = here > before ? here : before;
    if (largest != before) {
      queries.state.max[row] = largest;
      if (before != -__builtin_inff()) rescale_row(queries, row, before, largest);
    }
    float* lanes = queries.state.sums + row * kSumLanes;
    F sums[kParts];
    for (int64_t part = 0; part < kParts; ++part) sums[part] = V::load(lanes + part * kLanes);
    const F by = V::set(largest);
    int64_t i = 0;
    for (; i + kSumLanes <= seen; i += kSumLanes) {
      for (int64_t part = 0; part < kParts; ++part) {
        const int64_t at = i + part * kLanes;
        const F weight = exp2_of<V, E::kExp2Degree>(V::sub(V::load(scores + at), by));
        sums[part] = V::add(sums[part], weight);
        store_weight(keys, at, weight, weights);
      }
    }
    for (int64_t part = 0; i < seen && part < kParts; ++part) {
      const int64_t at = i + part * kLanes;
      F weight = exp2_of<V, E::kExp2Degree>(V::sub(V::load(scores + at), by));
      weight = V::first(weight, seen > at ? seen - at : 0, V::set(0.0F));
      sums[part] = V::add(sums[part], weight);
      store_weight(keys, at, weight, weights);
    }
    if (i < seen) i += kSumLanes;
    for (; i < keys.steps * kStepKeys; i += kLanes) E::store(weights + i, V::set(0.0F));
    for (int64_t part = 0; part < kParts; ++part) V::store(lanes + part * kLanes, sums[part]);
  }

  static void store_weight(const KeyTile& keys, int64_t at, F weight, typename E::T* weights) {
    if (keys.value_scales != nullptr) weight = V::mul(weight, V::load(keys.value_scales + at));
    E::store(weights + at, weight);
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
      const F none = V::set(0.0F);
      const F keep = before == nothing ? none : exp2_of<V, 5>(V::set(before - largest));
      const F take = exp2_of<V, 5>(V::set(part.max[row] - largest));
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

  static void scale_bf16(const float* from, int64_t n, float scale, int64_t padded, uint16_t* to) {
    const F by = V::set(scale);
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) V::store_bf16(to + i, V::mul(V::load(from + i), by));
    for (; i < padded; i += kLanes) {
      const F rest = i < n ? V::load_first(from + i, n - i) : V::set(0.0F);
      V::store_bf16(to + i, V::mul(rest, by));
    }
  }

  static void unpack(const int8_t* from, int64_t n, uint16_t* to) {
    for (int64_t i = 0; i < n; i += kLanes) V::store_bf16_weights(to + i, V::load_int8(from + i));
  }

  static void values_of_keys(const uint16_t* first, const uint16_t* second, int64_t tokens,
                             int64_t dims, uint16_t* to) {
    for (int64_t token = 0; token < kStepKeys; ++token) {
      const uint16_t* from = (token < kGroupKeys ? first : second) + token % kGroupKeys * 2;
      uint16_t* row = to + token / 2 * 32 + token % 2;
      for (int64_t dim = 0; dim < dims; dim += 2, from += 2 * kGroupKeys) {
        uint16_t* at = row + dim / 16 * 512 + dim % 16 * 2;
        at[0] = token < tokens ? from[0] : uint16_t{0};
        at[2] = token < tokens ? from[1] : uint16_t{0};
      }
    }
  }

  static void nothing() {}

  static AttentionKernels table() {
    return {AttentionTile<V, F32Elements<V>, VectorProducts<V, F32Elements<V>>>::run,
            AttentionTile<V, Bf16Elements<V>, VectorProducts<V, Bf16Elements<V>>>::run,
            merge,
            finish,
            scale_bf16,
            unpack,
            values_of_keys,
            nothing,
            nothing};
  }
};

}  // namespace weft::kernels
