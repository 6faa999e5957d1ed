// Time as a 64-bit count of nanoseconds: Instant is a point, Duration a distance.
#pragma once

#include <limits>

#include "base/quantity.h"

namespace weft {

using Duration = Quantity<struct DurationTag>;  // nanoseconds, may be negative

class Instant {
 public:
  constexpr Instant() = default;
  constexpr explicit Instant(int64_t ns) : ns_(ns) {}
  // Nanoseconds since the clock's origin: the start of a simulation, or of the process.
  [[nodiscard]] constexpr int64_t ns() const { return ns_; }
  [[nodiscard]] constexpr double seconds() const { return static_cast<double>(ns_) * 1e-9; }
  constexpr auto operator<=>(const Instant&) const = default;

  static constexpr Instant never() { return Instant(std::numeric_limits<int64_t>::max()); }

  friend constexpr Instant operator+(Instant t, Duration d) { return Instant(t.ns_ + d.count()); }
  friend constexpr Instant operator-(Instant t, Duration d) { return Instant(t.ns_ - d.count()); }
  friend constexpr Duration operator-(Instant a, Instant b) { return Duration(a.ns_ - b.ns_); }

 private:
  int64_t ns_ = 0;
};

constexpr Duration nanoseconds(int64_t n) { return Duration(n); }
constexpr Duration microseconds(int64_t n) { return Duration(n * 1'000); }
constexpr Duration milliseconds(int64_t n) { return Duration(n * 1'000'000); }

// Rounded to the nearest nanosecond, halves up; clamped to what 64 bits hold.
constexpr Duration seconds(double s) {
  constexpr double kLimit = 9.2e18;
  const double ns = s * 1e9;
  if (ns >= kLimit) return Duration(static_cast<int64_t>(kLimit));
  if (ns <= -kLimit) return Duration(-static_cast<int64_t>(kLimit));
  return Duration(static_cast<int64_t>(ns < 0 ? ns - 0.5 : ns + 0.5));
}

constexpr double to_seconds(Duration d) { return d.as_double() * 1e-9; }
constexpr double to_milliseconds(Duration d) { return d.as_double() * 1e-6; }

}  // namespace weft
