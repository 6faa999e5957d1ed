// Time of collective operations over the links of a system: a fixed part and a part per byte.
// Textbook alpha-beta model (Thakur, Rabenseifner and Gropp, 2005), two levels: dies of one
// scale-up domain, and domains joined by the scale-out link.
#pragma once

#include "cost/engine_costs.h"
#include "hardware/hardware.h"

namespace weft {

struct Transfer {
  double fixed = 0;     // seconds
  double per_byte = 0;  // seconds per byte of the tensor named below
};

// Per byte of the tensor that every die ends up with the sum of.
Transfer all_reduce(const System& system, const EngineCosts& engine, int dies);
// Per byte of the tensor that every die ends up with.
Transfer all_gather(const System& system, const EngineCosts& engine, int dies);
// Per byte that one die holds before, all of which but its own share leaves.
Transfer all_to_all(const System& system, const EngineCosts& engine, int dies);
// Point to point, to the die `dies` further on.
Transfer send(const System& system, int dies);

// An expert group's dispatch or combine; per byte of one copy of one of the die's tokens. Copies
// that stay on the die cost nothing. `per_domain`: copies for one domain leave once and fan out
// there (DeepEP's normal kernels), at most `domain_limit` domains a token; else each copy travels
// alone (low-latency kernels, CM section 4.2.1).
struct ExchangeShape {
  int dies = 1;
  int copies = 1;  // per token
  bool per_domain = false;
  double domain_limit = 1e9;
};
Transfer exchange(const System& system, const EngineCosts& engine, const ExchangeShape& shape);

}  // namespace weft
