// Validation: predictions beside published figures, with the error of each; and how large the
// errors are, family by family.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "plan/prediction.h"

namespace weft {

struct Comparison {
  std::string id;
  std::string family;
  std::string metric;
  double published = 0;
  double predicted = 0;
  bool outside = false;  // of the range that constants were fitted on

  [[nodiscard]] double error() const { return predicted / published - 1; }
};

struct Validation {
  std::vector<Comparison> rows;
  std::vector<Error> unusable;  // cases that could not be predicted
};

struct ErrorSummary {
  int rows = 0;
  double mean_abs = 0;
  double median_abs = 0;
  double max_abs = 0;
  double bias = 0;    // mean of the signed errors
  std::string worst;  // "id metric"
};

// The constants that a case is predicted with; nothing: the catalog's.
using EngineOf = std::function<const Engine*(const Case&)>;

// Every published metric of every case. `progress` hears how many cases are done.
Validation validate(const std::vector<Case>& cases, const Catalog& catalog,
                    const EngineOf& engine_of = {},
                    const std::function<void(size_t)>& progress = {});

ErrorSummary summarize(const std::vector<Comparison>& rows);
// In the order of the families' names.
std::map<std::string, std::vector<Comparison>> by_family(const std::vector<Comparison>& rows);

}  // namespace weft
