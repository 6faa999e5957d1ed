// Strong types for amounts and identifiers, so that bytes, tokens, instants and ids never mix.
// They hold one integer and compile to nothing.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace weft {

// An amount that adds, subtracts and scales: Bytes, Tokens, Duration.
template <class Tag>
class Quantity {
 public:
  constexpr Quantity() = default;
  constexpr explicit Quantity(int64_t count) : count_(count) {}

  [[nodiscard]] constexpr int64_t count() const { return count_; }
  [[nodiscard]] constexpr double as_double() const { return static_cast<double>(count_); }

  constexpr auto operator<=>(const Quantity&) const = default;

  constexpr Quantity& operator+=(Quantity o) { return count_ += o.count_, *this; }
  constexpr Quantity& operator-=(Quantity o) { return count_ -= o.count_, *this; }
  constexpr Quantity operator-() const { return Quantity(-count_); }

  friend constexpr Quantity operator+(Quantity a, Quantity b) { return a += b; }
  friend constexpr Quantity operator-(Quantity a, Quantity b) { return a -= b; }
  friend constexpr Quantity operator*(Quantity a, int64_t k) { return Quantity(a.count_ * k); }
  friend constexpr Quantity operator*(int64_t k, Quantity a) { return Quantity(a.count_ * k); }
  friend constexpr Quantity operator/(Quantity a, int64_t k) { return Quantity(a.count_ / k); }
  // How many whole times b goes into a.
  friend constexpr int64_t operator/(Quantity a, Quantity b) { return a.count_ / b.count_; }
  friend constexpr Quantity operator%(Quantity a, Quantity b) {
    return Quantity(a.count_ % b.count_);
  }

 private:
  int64_t count_ = 0;
};

// A name that only compares: RequestId, BlockId, NodeId.
template <class Tag, class Rep>
class Id {
 public:
  constexpr Id() = default;
  constexpr explicit Id(Rep value) : value_(value) {}
  [[nodiscard]] constexpr Rep value() const { return value_; }
  constexpr auto operator<=>(const Id&) const = default;

 private:
  Rep value_ = 0;
};

using Bytes = Quantity<struct BytesTag>;
using Tokens = Quantity<struct TokensTag>;

using RequestId = Id<struct RequestTag, uint64_t>;  // unique for the life of a process
using BlockId = Id<struct BlockTag, uint32_t>;      // index into one rank's block pool
using NodeId = Id<struct NodeTag, uint32_t>;        // a peer: router, instance or cache node

// Chained hash of a block of tokens and of everything before it: equal hashes, equal prefixes.
using BlockHash = Id<struct BlockHashTag, uint64_t>;

// ceil(a / b) for a >= 0, b > 0.
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace weft

template <class Tag, class Rep>
struct std::hash<weft::Id<Tag, Rep>> {
  size_t operator()(weft::Id<Tag, Rep> id) const { return std::hash<Rep>()(id.value()); }
};
