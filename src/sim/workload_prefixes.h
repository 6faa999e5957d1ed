// SharedPrefixes: prompts that begin alike, as system prompts make them.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/segments.h"
#include "sim/workload_spec.h"

namespace weft {

class SharedPrefixes {
 public:
  SharedPrefixes(const PrefixSpec& spec, uint64_t seed);

  [[nodiscard]] bool empty() const { return share_ == 0; }
  // The first `share` of a prompt, rounded to whole tokens, out of one of the prefixes; which one
  // depends on the seed and `key` alone.
  [[nodiscard]] Segment pick(uint64_t key, Tokens prompt) const;

 private:
  double share_;
  uint64_t seed_;
  std::vector<double> cumulative_;
};

}  // namespace weft
