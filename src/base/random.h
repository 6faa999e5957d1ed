// Random numbers that are the same under every compiler and library: xoshiro256++ (Blackman and
// Vigna, 2021) seeded by splitmix64, and the distributions that workloads need, written out here
// because the standard library's are free to differ.
#pragma once

#include <array>
#include <cstdint>

namespace weft {

// Finaliser of splitmix64 (Steele, Lea and Flood, 2014): a bijection that mixes all 64 bits.
constexpr uint64_t mix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}
// One value for an ordered pair; chain it for more.
constexpr uint64_t mix64(uint64_t a, uint64_t b) { return mix64(mix64(a) ^ b); }

// A uniform double in [0, 1) from the top 53 bits.
constexpr double unit_interval(uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

class Random {
 public:
  explicit Random(uint64_t seed);

  uint64_t bits();
  double uniform();                             // [0, 1)
  uint64_t below(uint64_t bound);               // [0, bound), bound > 0, without modulo bias
  double exponential(double mean);              // mean > 0
  double normal();                              // mean 0, deviation 1
  double lognormal(double mean, double sigma);  // `mean` of the variable itself, sigma of its log
  double gamma(double shape, double scale);     // mean shape * scale
  double weibull(double shape, double scale);

 private:
  std::array<uint64_t, 4> state_;
};

}  // namespace weft
