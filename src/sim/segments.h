// Arrival: one request of a workload, with what is known of its prompt's contents; and the chained
// block hashes that follow from the contents, which is how caches recognise a prefix.
#pragma once

#include <cstdint>
#include <vector>

#include "base/quantity.h"
#include "base/time.h"

namespace weft {

// A run of prompt tokens known by a content id: equal id and equal offset in it, equal tokens.
struct Segment {
  uint64_t content = 0;
  Tokens tokens;

  auto operator<=>(const Segment&) const = default;
};

struct Arrival {
  Instant at;                 // from the start of the workload, never falling; 0 in a closed loop
  Tokens prompt;              // > 0
  Tokens output;              // > 0
  int priority = 0;           // higher first
  Duration deadline;          // from arrival to first token; 0: none
  uint64_t conversation = 0;  // 0: none. A turn must not be sent before the one before it has ended
  uint64_t id = 0;            // position in the stream, from 0
  // The prompt's contents from its start, at most `prompt` tokens together; the rest of the prompt
  // is like no other.
  std::vector<Segment> segments;
};

// Replaces `out` by one hash for each full block of `block` tokens of the prompt. The hash of a
// block covers every token up to its end: equal hashes, equal prefixes. Requires 0 < block < 2^21.
// `seed` and the arrival's id stand for the tokens that no segment names. Any block size goes with
// any segment lengths, but hashes of different block sizes do not compare.
void hash_blocks(const Arrival& arrival, Tokens block, uint64_t seed, std::vector<BlockHash>& out);

}  // namespace weft
