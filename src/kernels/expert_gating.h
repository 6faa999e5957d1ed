// Which experts a token goes to, and with what weights, from the router's logits.
//
// Softmax or sigmoid scores; a bias added for the choice alone (DeepSeek-V3, arXiv 2412.19437,
// section 2.1.2); the choice may be limited to the best groups of experts (DeepSeek-V2, arXiv
// 2405.04434, section 2.2.2). Of equal scores the lowest index is first.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "kernels/elementwise.h"

namespace weft {

enum class GateScore { kSoftmax, kSigmoid };
enum class GroupScore {
  kBest,     // a group's best expert: DeepSeek-V2's group_limited_greedy
  kBestTwo,  // the sum of its two best: DeepSeek-V3's noaux_tc
};

struct GateConfig {
  int experts = 0;
  int top_k = 0;
  GateScore score = GateScore::kSoftmax;
  int groups = 1;      // of experts / groups neighbours each
  int top_groups = 1;  // groups that a token may use
  GroupScore group_score = GroupScore::kBest;
  bool normalize = false;  // weights divided by their sum (norm_topk_prob)
  float scale = 1.0F;      // then multiplied by it (routed_scaling_factor)
};

// An error names what does not fit: top_k experts must be found in top_groups groups.
Status check(const GateConfig& config);

class ExpertGate {
 public:
  // Requires check(config).
  ExpertGate(const GateConfig& config, const Elementwise& kernels);

  [[nodiscard]] const GateConfig& config() const { return config_; }

  // Logits [experts] of one token become the ids and weights [top_k] of its experts, best first.
  // `bias` [experts] or empty: added to the scores for the choice, not to the weights. Experts of
  // groups that were not chosen are never chosen, whatever the signs of the scores. Not for two
  // threads at a time.
  void choose(std::span<const float> logits, std::span<const float> bias, std::span<int32_t> ids,
              std::span<float> weights);

 private:
  void limit_to_groups();
  [[nodiscard]] float group_score(int group) const;

  GateConfig config_;
  const Elementwise& kernels_;
  std::vector<float> scores_;        // [experts]
  std::vector<float> choice_;        // [experts] scores + bias; -inf: out of the choice
  std::vector<float> group_scores_;  // [groups]
};

}  // namespace weft
