// Digest: 64 bits over everything that was decided, in order. Equal runs have equal digests.
#pragma once

#include <bit>
#include <cstdint>

#include "base/random.h"

namespace weft {

class Digest {
 public:
  void add(uint64_t value) { state_ = (std::rotl(state_, 23) ^ value) * 0x9fb21c651e98df25ULL; }
  void add(int64_t value) { add(static_cast<uint64_t>(value)); }
  [[nodiscard]] uint64_t value() const { return mix64(state_); }

 private:
  uint64_t state_ = 0x243f6a8885a308d3ULL;
};

}  // namespace weft
