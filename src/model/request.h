// Request: what a client asks of the system, as the scheduler sees it. Plain data.
#pragma once

#include <span>

#include "base/quantity.h"
#include "base/time.h"

namespace weft {

struct Request {
  RequestId id;
  Instant arrival;
  Tokens prompt;                        // > 0
  Tokens max_output;                    // > 0; generation stops here at the latest
  int priority = 0;                     // higher first
  Instant deadline = Instant::never();  // no first token by then: the request is dropped
  // Chained hashes of the prompt's full blocks, first block first. Points into the table of the
  // process that holds the request, and stays valid until the request has ended.
  std::span<const BlockHash> blocks;
};

}  // namespace weft
