// Prefixes by popularity; the draw is a hash of seed and key, so it hangs on no order.
#include "sim/workload_prefixes.h"

#include <cmath>

#include "base/random.h"
#include "sim/workload_lengths.h"

namespace weft {
namespace {

constexpr uint64_t kPickTag = 0x7069636b70666978ULL;
constexpr uint64_t kContentTag = 0x636f6e7470666978ULL;

}  // namespace

SharedPrefixes::SharedPrefixes(const PrefixSpec& spec, uint64_t seed)
    : share_(spec.share), seed_(seed) {
  if (empty()) return;
  double sum = 0;
  for (int64_t k = 1; k <= spec.prefixes; ++k) {
    sum += std::pow(static_cast<double>(k), -spec.skew);
    cumulative_.push_back(sum);
  }
}

Segment SharedPrefixes::pick(uint64_t key, Tokens prompt) const {
  const size_t prefix = pick_cumulative(cumulative_, unit_interval(mix64(seed_ ^ kPickTag, key)));
  const auto tokens = std::llround(share_ * prompt.as_double());
  return {mix64(seed_ ^ kContentTag, prefix), Tokens(tokens)};
}

}  // namespace weft
