// StepKernels: every kernel that one die of an instance runs in a step, whole or cut into
// micro-batches, as plans that take the step's loads. Built once; StepModel puts loads in.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "cost/attention_layers.h"
#include "cost/collective_cost.h"
#include "cost/exchange_cost.h"
#include "cost/expert_popularity.h"
#include "cost/gemm_cost.h"
#include "cost/layer_gemms.h"
#include "hardware/engine.h"

namespace weft {

// The kinds of matrix products that an estimate tells apart.
enum class GemmTerm { kProjections, kDense, kRouter, kShared };
inline constexpr int kGemmTerms = 4;
std::string_view gemm_term_name(GemmTerm term);

// What the ranks' loads come to for the parts that they share.
struct LoadSummary {
  double tokens = 0;        // of the largest rank
  double group_tokens = 0;  // of the largest expert group
  double rows = 0;          // logits of the rank that needs most
  double sequences = 0;     // of the rank that has most
  bool prefills = false;    // anybody computes a prompt
};

class StepKernels {
 public:
  // `passes`: micro-batches that the step is cut into. Requires check_layout() to have passed.
  StepKernels(const ModelShape& model, const System& system, const InstanceLayout& layout,
              const EngineSpec& engine, int passes);

  // A rank's own work, all layers.
  struct RankParts {
    std::array<double, kGemmTerms> gemms{};
    AttentionLayers::Parts attention;
    double elementwise = 0;
    [[nodiscard]] double total() const {
      double sum = attention.total() + elementwise;
      for (const double gemm : gemms) sum += gemm;
      return sum;
    }
  };
  [[nodiscard]] RankParts rank_parts(const RankLoad& load) const;

  // What the ranks of a group do together, all layers.
  struct SharedParts {
    double experts = 0;
    double handling = 0;  // of `experts`: permuting, quantising, gathering
    bool experts_compute_bound = false;
    double dispatch = 0;
    double combine = 0;
    double collectives = 0;
    double launches = 0;
    // Once per step.
    double embedding = 0;
    double head = 0;
    double sampling = 0;
    double pipeline = 0;
  };
  [[nodiscard]] SharedParts shared_parts(const LoadSummary& sum) const;

  // One MTP module's part that is not a layer: projection, head, sampling.
  [[nodiscard]] double draft_once(const LoadSummary& sum, double rows) const;
  // What one more layer like the model's last takes of a rank, given the parts of all layers.
  [[nodiscard]] double last_layer(const RankParts& parts) const;

  [[nodiscard]] int passes() const { return passes_; }
  [[nodiscard]] double overlap(bool prefills) const {
    return prefills ? overlap_prefill_ : overlap_decode_;
  }
  // How many times as long computation takes beside the exchange's kernels, which hold some cores.
  [[nodiscard]] double stretch(bool prefills) const { return stretch_[prefills ? 1 : 0]; }
  [[nodiscard]] bool covers(const RankLoad& load) const;
  // Whether the largest product of the term is bound by operations rather than bytes.
  [[nodiscard]] bool compute_bound(GemmTerm term, const RankLoad& load) const;

 private:
  struct Gemm {
    LayerGemm shape;
    GemmPlan plan;
    const GemmFit* fit = nullptr;
  };
  struct Collective {
    CollectivePlan plan;
    double bytes = 0;  // per token
    double count = 0;
  };
  struct Experts {
    ExpertPlan plan;
    double layers = 0;
    double copies = 0;        // on a die, mean, per token of the group
    double least_copies = 0;  // on a die that holds shared experts
    double balance = 1;       // the hottest die's copies over the mean, in the long run
    double two_log_dies = 0;  // 2 ln(dies); 0: no chance about it
    double slots = 0;
    ExpertPopularity popularity;
    bool sees_all = false;  // of the group's tokens, not those alone that are sent to it
  };
  // Dispatch or combine: a kernel of its own, or a collective of the group.
  struct Exchange {
    ExchangePlan plan;
    Collective collective;
    [[nodiscard]] double seconds(double tokens, double group_tokens) const {
      if (collective.count > 0) return collective.plan.seconds(collective.bytes * group_tokens);
      return plan.seconds(tokens);
    }
  };
  struct Builder;

  using GemmSeconds = std::array<double, kGemmTerms>;
  // Steps of the same tokens come again and again: their products are looked up. What is kept is
  // what would be computed, to the last digit.
  struct Remembered {
    int64_t decode = -1;
    int64_t prefill = -1;
    int64_t context = -1;
    GemmSeconds gemms{};
  };
  static constexpr size_t kRemembered = 512;

  [[nodiscard]] double rows_of(const LayerGemm& gemm, const RankLoad& load) const;
  [[nodiscard]] GemmSeconds gemm_seconds(const RankLoad& load) const;

  int passes_ = 1;
  double share_ = 1;  // of a load that one pass of one pipeline stage sees
  int pipeline_stages_ = 1;
  double layers_ = 0;
  double dense_layers_ = 0;
  std::array<std::vector<Gemm>, kGemmTerms> gemms_;
  AttentionLayers attention_;
  double attention_times_ = 1;  // that prompts' attention takes, by the engine's kernels
  double elementwise_ = 0;      // seconds per token
  Experts experts_;
  std::array<Exchange, 2> dispatch_;  // of steps without and with prompts
  std::array<Exchange, 2> combine_;
  double exchange_rank_share_ = 0;  // die's tokens per token of the largest rank ...
  double exchange_mean_share_ = 0;  // ... or per token of the group, hottest receiver
  bool exchanges_ = false;
  std::vector<Collective> collectives_;
  double launches_ = 0;
  Collective embedding_;
  double embedding_per_token_ = 0;
  Collective pipeline_;
  Gemm head_;
  Gemm draft_;
  Collective logits_;
  double sampling_ = 0;
  double sampling_per_row_ = 0;
  double overlap_prefill_ = 0;
  double overlap_decode_ = 0;
  std::array<double, 2> stretch_ = {1, 1};
  bool reprojects_ = false;  // a product depends on earlier chunks
  mutable std::vector<Remembered> remembered_{kRemembered};
};

}  // namespace weft
