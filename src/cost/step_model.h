// StepModel: how long an instance takes for one step, from shapes and hardware alone. Pure: built
// once per instance kind, then asked millions of times.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "cost/deployment.h"
#include "cost/step_bound.h"
#include "cost/step_kernels.h"
#include "model/batch.h"

namespace weft {

enum class Bound { kCompute, kMemory, kNetwork, kLatency };
std::string_view bound_name(Bound bound);

// One row of an estimate: everything of one kind in a step.
struct Term {
  std::string_view name;  // "attention projections", "dispatch", ...
  int count = 0;          // how often it runs in the step
  double seconds = 0;     // all of them together, on the slowest rank; what overlap hides is < 0
  Bound bound = Bound::kCompute;
};

// A step is the sum of its kernels (step_kernels.h), one after another within a layer. The slowest
// data-parallel rank sets the ranks' own work, the hottest die the experts', the largest rank the
// exchange. Two or more micro-batches hide exchange under computation, and run every kernel once
// each: the step is cut only where that pays. With pipeline stages the batch runs as pp
// micro-batches, all under way. The host's part shows where it is not hidden.
class StepModel {
 public:
  // Requires check_layout() to have passed.
  StepModel(const ModelShape& model, const System& system, const InstanceLayout& layout,
            const EngineSpec& engine = {});

  // Time of one step; `loads` has one entry per data-parallel rank. The slowest rank sets it.
  [[nodiscard]] Duration time(std::span<const RankLoad> loads) const;
  // The same, term by term. The terms' sum is time() to within rounding.
  [[nodiscard]] std::vector<Term> terms(std::span<const RankLoad> loads) const;
  // What no software can beat.
  [[nodiscard]] Duration speed_of_light(std::span<const RankLoad> loads) const {
    return bound_.time(loads);
  }
  // Whether every kernel of the step lies in the range that its constants were fitted on.
  [[nodiscard]] bool covers(std::span<const RankLoad> loads) const;

 private:
  struct Slowest {
    double seconds = -1;  // a rank's own work
    size_t rank = 0;
    double last_layer = 0;  // of it, one more layer like the last, of the rank that needs most
  };
  // A step's time by what waits for what.
  struct Parts {
    StepKernels::SharedParts shared;
    double own = 0;     // the slowest rank's own work, layers
    double hidden = 0;  // of exchange under computation, or the other way round
    double draft = 0;
    double host = 0;  // that shows
    double total = 0;
  };

  [[nodiscard]] LoadSummary summarize(std::span<const RankLoad> loads) const;
  [[nodiscard]] static Slowest slowest(const StepKernels& kernels, std::span<const RankLoad> loads);
  [[nodiscard]] Parts parts(const StepKernels& kernels, const LoadSummary& sum,
                            const Slowest& rank) const;
  void add_rank_terms(const StepKernels& kernels, const StepKernels::RankParts& own,
                      const RankLoad& load, std::vector<Term>& terms) const;
  void add_shared_terms(const StepKernels& kernels, const Parts& parts,
                        std::vector<Term>& terms) const;

  int layers_ = 0;
  int dense_layers_ = 0;
  int draft_tokens_ = 0;
  int pipeline_stages_ = 1;
  size_t group_ranks_ = 1;
  double host_step_ = 0;
  double host_sequence_ = 0;
  bool host_overlapped_ = false;
  bool captures_decode_ = true;
  double eager_ = 0;  // seconds to launch all layers one by one
  StepKernels whole_;
  StepKernels split_;
  StepBound bound_;
};

}  // namespace weft
