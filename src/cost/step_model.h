// StepModel: how long an instance takes for one step, from shapes and hardware alone. Pure: built
// once per instance kind, then asked millions of times.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "cost/deployment.h"
#include "cost/engine_costs.h"
#include "cost/step_coefficients.h"
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

// Every kind of work is a roofline of its own (compute or memory, whichever is longer); within a
// layer they follow one another. The slowest data-parallel rank sets the ranks' own work, the
// hottest die the experts', the largest rank the exchange. Two or more micro-batches hide exchange
// under computation, and read all weights once each: the step is cut only where that pays. With
// pipeline stages the batch runs as pp micro-batches, all under way.
class StepModel {
 public:
  // Requires check_layout() to have passed.
  StepModel(const ModelShape& model, const System& system, const InstanceLayout& layout,
            const EngineCosts& engine = {});

  // Time of one step; `loads` has one entry per data-parallel rank. The slowest rank sets it.
  [[nodiscard]] Duration time(std::span<const RankLoad> loads) const;
  // The same, term by term. The terms' sum is time() to within rounding.
  [[nodiscard]] std::vector<Term> terms(std::span<const RankLoad> loads) const;
  // What no software can beat: operations over peak and bytes over peak bandwidth, of the slowest
  // rank or of all dies' mean. Counts weights once, KV once, and of routed experts those that
  // evenly spread tokens would touch.
  [[nodiscard]] Duration speed_of_light(std::span<const RankLoad> loads) const;

 private:
  // What the ranks' loads come to for the parts that they share.
  struct Summary {
    double tokens = 0;        // of the largest rank
    double group_tokens = 0;  // of the largest expert group
    double rows = 0;          // logits of the rank that needs most
  };
  struct Slowest {
    double seconds = 0;  // products and attention
    size_t rank = 0;
  };
  struct SlowestRanks {
    Slowest whole;
    Slowest split;  // when the step is cut into micro-batches
  };
  // A step's time by what waits for what.
  struct Parts {
    double own = 0;  // the slowest rank's own work, layers
    double experts = 0;
    double exchange = 0;
    double layers = 0;  // all of the layers, exchange hidden as far as it is
    double draft = 0;
    double once = 0;  // embedding, head, sampling, pipeline, host
    [[nodiscard]] double total() const { return layers + draft + once; }
  };

  [[nodiscard]] Summary summarize(std::span<const RankLoad> loads) const;
  [[nodiscard]] SlowestRanks slowest(std::span<const RankLoad> loads, double most_tokens) const;
  [[nodiscard]] Parts parts(const StepCoefficients& c, const Summary& sum, double own) const;
  [[nodiscard]] AttentionCost::Work least_work(const RankLoad& load) const;
  void add_rank_terms(const StepCoefficients& c, const RankLoad& load,
                      std::vector<Term>& terms) const;
  void add_shared_terms(const StepCoefficients& c, const Summary& sum, const Parts& parts,
                        std::vector<Term>& terms) const;

  int layers_ = 0;
  int dense_layers_ = 0;
  int draft_tokens_ = 0;
  int pipeline_stages_ = 1;
  int tp_ = 1;
  size_t group_ranks_ = 1;
  StepCoefficients whole_;
  StepCoefficients split_;
  StepCoefficients bound_;
};

}  // namespace weft
