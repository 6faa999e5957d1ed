// The scenarios of `weft bench sim`.
#pragma once

#include <string>
#include <vector>

namespace weft {

struct BenchCase {
  std::string name;
  std::string scenario;  // TOML
};

// `quick`: a tenth of the requests.
std::vector<BenchCase> bench_cases(bool quick);

}  // namespace weft
