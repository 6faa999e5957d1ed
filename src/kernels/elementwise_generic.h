// The element-wise kernels over a vector type V (vec_*.h): written once, instantiated by one source
// file for each instruction set. Only those include it. No function of the standard library here: a
// copy compiled for one instruction set could be linked in for all.
#pragma once

#include <cstdint>

#include "kernels/elementwise.h"
#include "kernels/vec_math.h"

namespace weft::kernels {

// out[i] = function(x[i], y[i]) in whole vectors, then the rest with a mask.
template <class V, class Function>
void map(const float* x, const float* y, int64_t n, float* out, Function function) {
  int64_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) {
    V::store(out + i, function(V::load(x + i), V::load(y + i)));
  }
  if (i < n) {
    const auto value = function(V::load_first(x + i, n - i), V::load_first(y + i, n - i));
    V::store_first(out + i, value, n - i);
  }
}

template <class V>
struct ElementwiseOf {
  using F = typename V::F;
  static constexpr int64_t kLanes = V::kLanes;

  static float sum_of_squares(const float* x, int64_t n) {
    F sums[4] = {V::set(0.0F), V::set(0.0F), V::set(0.0F), V::set(0.0F)};
    int64_t i = 0;
    for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
      for (int part = 0; part < 4; ++part) {
        const F value = V::load(x + i + part * kLanes);
        sums[part] = V::fma(value, value, sums[part]);
      }
    }
    for (int part = 0; i < n; i += kLanes, ++part) {
      const F value = V::load_first(x + i, n - i < kLanes ? n - i : kLanes);
      sums[part] = V::fma(value, value, sums[part]);
    }
    return V::sum(V::add(V::add(sums[0], sums[2]), V::add(sums[1], sums[3])));
  }

  static void rms_norm(const float* x, int64_t stride, int64_t rows, int64_t width,
                       const float* weight, float eps, float* out, int64_t out_stride) {
    for (int64_t row = 0; row < rows; ++row, x += stride, out += out_stride) {
      const float mean = sum_of_squares(x, width) / static_cast<float>(width);
      const F factor = V::set(1.0F / __builtin_sqrtf(mean + eps));
      map<V>(x, weight, width, out,
             [factor](F value, F by) { return V::mul(V::mul(value, factor), by); });
    }
  }

  static void rotate_halves(float* x, int64_t stride, int64_t rows, int64_t heads,
                            int64_t head_stride, int64_t dims, const float* const* angles) {
    const int64_t half = dims / 2;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t head = 0; head < heads; ++head) {
        float* low = x + row * stride + head * head_stride;
        for (int64_t i = 0; i < half; i += kLanes) {
          const int64_t n = half - i < kLanes ? half - i : kLanes;
          const F cosine = V::load_first(angles[row] + i, n);
          const F sine = V::load_first(angles[row] + half + i, n);
          const F a = V::load_first(low + i, n);
          const F b = V::load_first(low + half + i, n);
          V::store_first(low + i, V::sub(V::mul(a, cosine), V::mul(b, sine)), n);
          V::store_first(low + half + i, V::add(V::mul(b, cosine), V::mul(a, sine)), n);
        }
      }
    }
  }

  static void rotate_pairs(float* x, int64_t stride, int64_t rows, int64_t heads,
                           int64_t head_stride, int64_t dims, const float* const* angles) {
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t head = 0; head < heads; ++head) {
        float* pairs = x + row * stride + head * head_stride;
        for (int64_t i = 0; i < dims; i += kLanes) {
          const int64_t n = dims - i < kLanes ? dims - i : kLanes;
          const F cosine = V::load_first(angles[row] + i, n);
          const F sine = V::load_first(angles[row] + dims + i, n);
          const F a = V::load_first(pairs + i, n);
          const F turned = V::mul(V::swap_pairs(a), sine);
          V::store_first(pairs + i, V::add(V::mul(a, cosine), turned), n);
        }
      }
    }
  }

  static void add(float* x, const float* y, int64_t n) {
    map<V>(x, y, n, x, [](F a, F b) { return V::add(a, b); });
  }

  static void add_scaled(float* x, const float* y, float scale, int64_t n) {
    const F by = V::set(scale);
    map<V>(x, y, n, x, [by](F a, F b) { return V::add(a, V::mul(by, b)); });
  }

  static void sigmoid(float* x, int64_t n) {
    map<V>(x, x, n, x, [](F a, F) { return sigmoid_of<V>(a); });
  }

  static float largest(const float* x, int64_t n) {
    const F lowest = V::set(-__builtin_inff());
    F best = lowest;
    int64_t i = 0;
    // max yields its second operand when the first is not a number.
    for (; i + kLanes <= n; i += kLanes) best = V::max(V::load(x + i), best);
    if (i < n) best = V::max(V::first(V::load_first(x + i, n - i), n - i, lowest), best);
    return V::largest(best);
  }

  // out = exp(x - largest), and the sum of it.
  static float exponentials(const float* x, int64_t n, float largest, float* out) {
    const F by = V::set(largest);
    F sum = V::set(0.0F);
    for (int64_t i = 0; i < n; i += kLanes) {
      const int64_t left = n - i < kLanes ? n - i : kLanes;
      F value = exp_of<V>(V::sub(V::load_first(x + i, left), by));
      value = V::first(value, left, V::set(0.0F));
      V::store_first(out + i, value, left);
      sum = V::add(sum, value);
    }
    return V::sum(sum);
  }

  static void softmax(float* x, int64_t n) {
    const F factor = V::set(1.0F / exponentials(x, n, largest(x, n), x));
    map<V>(x, x, n, x, [factor](F a, F) { return V::mul(a, factor); });
  }

  static int64_t argmax(const float* x, int64_t n) {
    const float top = largest(x, n);
    for (int64_t i = 0; i < n; ++i) {
      if (x[i] == top) return i;
    }
    return 0;
  }

  static void to_bf16(const float* x, int64_t n, uint16_t* out) {
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) V::store_bf16(out + i, V::load(x + i));
    if (i == n) return;
    uint16_t last[kLanes];
    V::store_bf16(last, V::load_first(x + i, n - i));
    for (int64_t j = 0; i < n; ++i, ++j) out[i] = last[j];
  }

  static Elementwise table() {
    return {rms_norm, rotate_halves, rotate_pairs, add,    add_scaled,
            sigmoid,  softmax,       argmax,       to_bf16};
  }
};

}  // namespace weft::kernels
