// Four floats at a time by the compilers' own vectors: what every processor has. The kernels are
// templates over a type like this one; vec_avx2.h and vec_avx512.h hold its siblings.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace weft::kernels {

// BF16 of a float: round to nearest, ties to even; NaN stays NaN.
inline uint16_t bf16_of(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<uint16_t>((bits >> 16) | 0x40U);
  return static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}
inline float float_of(uint16_t bf16) { return std::bit_cast<float>(uint32_t{bf16} << 16); }

struct VecPortable {
  static constexpr int kLanes = 4;
  using F = float __attribute__((vector_size(16)));
  using I = int32_t __attribute__((vector_size(16)));
  using U = uint32_t __attribute__((vector_size(16)));

  static F set(float value) { return F{value, value, value, value}; }
  static F load(const float* from) {
    F value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  static void store(float* to, F value) { std::memcpy(to, &value, sizeof value); }
  // The first n of the lanes, n <= kLanes; the rest of what is loaded is 0.
  static F load_first(const float* from, int64_t n) {
    F value = {};
    for (int64_t i = 0; i < n; ++i) value[i] = from[i];
    return value;
  }
  static void store_first(float* to, F value, int64_t n) {
    for (int64_t i = 0; i < n; ++i) to[i] = value[i];
  }

  static F add(F a, F b) { return a + b; }
  static F sub(F a, F b) { return a - b; }
  static F mul(F a, F b) { return a * b; }
  static F div(F a, F b) { return a / b; }
  static F fma(F a, F b, F c) { return a * b + c; }  // rounds twice here, once with FMA units
  // The second operand when one is not a number.
  static F max(F a, F b) { return a > b ? a : b; }
  static F min(F a, F b) { return a < b ? a : b; }
  static F swap_pairs(F a) { return F{a[1], a[0], a[3], a[2]}; }
  static float sum(F a) { return (a[0] + a[2]) + (a[1] + a[3]); }
  static float largest(F a) {
    const float left = a[0] > a[2] ? a[0] : a[2];
    const float right = a[1] > a[3] ? a[1] : a[3];
    return left > right ? left : right;
  }
  // Lane i of `a` where i < n, else of `b`.
  static F first(F a, int64_t n, F b) {
    const I lanes = {0, 1, 2, 3};
    return lanes < static_cast<int32_t>(n > kLanes ? kLanes : n) ? a : b;
  }
  static F zero_below(F a, F bound, F value) { return a < bound ? F{} : value; }  // of `value`
  // value * 2^n for whole n in [-126, 127].
  static F times_power_of_two(F value, F n) {
    const I bits = (__builtin_convertvector(n, I) + 127) << 23;
    return value * std::bit_cast<F>(bits);
  }

  static void store_bf16(uint16_t* to, F value) {
    for (int i = 0; i < kLanes; ++i) to[i] = bf16_of(value[i]);
  }
  // For weights of a softmax and whole numbers: denormals may become 0.
  static void store_bf16_weights(uint16_t* to, F value) { store_bf16(to, value); }
  static F load_int8(const int8_t* from) {
    const I whole = {from[0], from[1], from[2], from[3]};
    return __builtin_convertvector(whole, F);
  }
  // sum[i] += pairs[2 i] * low half of q + pairs[2 i + 1] * high half of q, all of them BF16.
  static F add_products(F sum, const uint16_t* pairs, uint32_t q) {
    U bits;
    std::memcpy(&bits, pairs, sizeof bits);
    const F low = std::bit_cast<F>(bits << 16) * set(std::bit_cast<float>(q << 16));
    const F high =
        std::bit_cast<F>(bits & 0xffff0000U) * set(std::bit_cast<float>(q & 0xffff0000U));
    return (sum + low) + high;
  }
};

}  // namespace weft::kernels
