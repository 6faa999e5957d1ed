// Prediction: what the model says of a case, metric by metric, in the words of its publisher.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cost/memory.h"
#include "cost/step_model.h"
#include "hardware/catalog.h"
#include "plan/case.h"

namespace weft {

struct Prediction {
  std::vector<Published> metrics;  // every metric that the phase gives, in its unit
  // Of a steady step:
  double step_ms = 0;
  double bound_ms = 0;      // what no software can beat
  std::vector<Term> terms;  // their sum is the step
  std::optional<MemoryPlan> memory;
  // What lies outside the range that constants were fitted on, a sentence each.
  std::vector<std::string> outside;

  [[nodiscard]] const double* find(const std::string& metric) const;
};

// kBadInput, with the case's file and line, when a name is unknown, degrees do not divide, the chip
// lacks a format, or the case does not fit in memory.
Result<Prediction> predict(const Case& one, const Catalog& catalog);
// The same with another engine's constants than the catalog's.
Result<Prediction> predict(const Case& one, const Catalog& catalog, const Engine& engine);

// The parts of it. Steady steps of prompts or decodes ...
Result<Prediction> predict_step(const Case& one, const Catalog& catalog, const Engine& engine);
// ... a run under load, on the virtual clock ...
Result<Prediction> predict_run(const Case& one, const Catalog& catalog, const Engine& engine);
// ... and operators.
Result<Prediction> predict_operator(const Case& one, const Catalog& catalog);

// What of a chip's kernels stands on another chip's tables: a sentence, or nothing.
std::vector<std::string> borrowed_kernels(const Chip& chip, const Precision& precision,
                                          AttentionKind attention);

// The load of every data-parallel rank in a case's steady step.
std::vector<RankLoad> steady_loads(const Case& one);

// Tokens that a sequence gains per decode step: 1 + a + a^2 + ... of `draft_tokens` terms, each
// draft accepted with chance `acceptance` when those before it were.
double tokens_per_step(int draft_tokens, double acceptance);

}  // namespace weft
