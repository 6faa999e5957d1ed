// Fitting an engine's time constants to published figures, and predicting each family with
// constants that never saw it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "plan/validation.h"

namespace weft {

// The constants of an engine that may be fitted: host_step, small_kernel, kernel_gap, ... Each
// stays within a range that is physically possible.
struct FittedEngine {
  Engine engine;
  std::vector<std::string> constants;  // the names of those that were fitted
  ErrorSummary before, after;
};

// Gauss-Newton on the logarithm of predicted over published, with Huber weights and a weak pull
// towards where it began, so that what the cases do not determine stays. kNotFound when no case
// names the engine.
Result<FittedEngine> fit_engine(const std::vector<Case>& cases, const Catalog& catalog,
                                const std::string& name);

// The fitted constants as lines of a catalog file.
std::string constants_text(const FittedEngine& fitted);

// For each family: its engines fitted on the other families' cases, then its own predicted. Every
// fit of an engine begins at the defaults, whose errors and slopes are found once for all families
// and stand: a family then costs a few predictions of the others' cases.
Result<Validation> leave_one_out(const std::vector<Case>& cases, const Catalog& catalog,
                                 const std::function<void(const std::string&)>& progress);

}  // namespace weft
