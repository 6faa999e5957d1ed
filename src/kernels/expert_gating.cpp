// Top-k by repeated search for the largest: k is at most a few, and the order of ties is plain.
#include "kernels/expert_gating.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace weft {
namespace {

constexpr float kOut = -std::numeric_limits<float>::infinity();

// The first index of the largest value; a value that is not a number loses against all others.
size_t best_of(std::span<const float> values, size_t begin, size_t end) {
  size_t best = begin;
  for (size_t i = begin + 1; i < end; ++i) {
    if (values[i] > values[best] || values[best] != values[best]) best = i;
  }
  return best;
}

}  // namespace

Status check(const GateConfig& config) {
  if (config.experts < 1) return bad_input(fmt::format("{} experts", config.experts));
  if (config.groups < 1 || config.experts % config.groups != 0) {
    return bad_input(
        fmt::format("{} experts do not divide into {} groups", config.experts, config.groups));
  }
  if (config.top_groups < 1 || config.top_groups > config.groups) {
    return bad_input(
        fmt::format("a token uses {} of {} groups of experts", config.top_groups, config.groups));
  }
  const int reachable = config.experts / config.groups * config.top_groups;
  if (config.top_k < 1 || config.top_k > reachable) {
    return bad_input(
        fmt::format("a token uses {} experts of the {} in its groups", config.top_k, reachable));
  }
  return {};
}

ExpertGate::ExpertGate(const GateConfig& config, const Elementwise& kernels)
    : config_(config),
      kernels_(kernels),
      scores_(static_cast<size_t>(config.experts)),
      choice_(static_cast<size_t>(config.experts)),
      group_scores_(static_cast<size_t>(config.groups)) {
  CHECK(check(config).ok(), "a gate's configuration was not checked");
}

float ExpertGate::group_score(int group) const {
  const auto size = static_cast<size_t>(config_.experts / config_.groups);
  const size_t begin = static_cast<size_t>(group) * size;
  const size_t best = best_of(choice_, begin, begin + size);
  if (config_.group_score == GroupScore::kBest || size == 1) return choice_[best];
  float second = kOut;
  for (size_t i = begin; i < begin + size; ++i) {
    if (i != best) second = std::max(second, choice_[i]);
  }
  return choice_[best] + second;
}

void ExpertGate::limit_to_groups() {
  const auto groups = static_cast<size_t>(config_.groups);
  const size_t size = choice_.size() / groups;
  for (size_t group = 0; group < groups; ++group) {
    group_scores_[group] = group_score(static_cast<int>(group));
  }
  std::array<bool, 256> chosen{};
  CHECK(groups <= chosen.size(), "more than 256 groups of experts");
  for (int i = 0; i < config_.top_groups; ++i) {
    size_t best = groups;
    for (size_t group = 0; group < groups; ++group) {
      if (chosen[group]) continue;
      if (best == groups || group_scores_[group] > group_scores_[best]) best = group;
    }
    chosen[best] = true;
  }
  for (size_t group = 0; group < groups; ++group) {
    if (chosen[group]) continue;
    std::fill_n(choice_.begin() + static_cast<ptrdiff_t>(group * size), size, kOut);
  }
}

void ExpertGate::choose(std::span<const float> logits, std::span<const float> bias,
                        std::span<int32_t> ids, std::span<float> weights) {
  CHECK(logits.size() == scores_.size() && ids.size() == static_cast<size_t>(config_.top_k) &&
        weights.size() == ids.size() && (bias.empty() || bias.size() == scores_.size()));
  std::copy(logits.begin(), logits.end(), scores_.begin());
  const auto scores = static_cast<int64_t>(scores_.size());
  if (config_.score == GateScore::kSoftmax) {
    kernels_.softmax(scores_.data(), scores);
  } else {
    kernels_.sigmoid(scores_.data(), scores);
  }
  choice_ = scores_;
  if (!bias.empty()) kernels_.add(choice_.data(), bias.data(), scores);
  for (float& score : choice_) {
    if (std::isnan(score)) score = kOut;
  }
  if (config_.top_groups < config_.groups) limit_to_groups();
  float sum = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    const size_t best = best_of(choice_, 0, choice_.size());
    ids[i] = static_cast<int32_t>(best);
    weights[i] = scores_[best];
    sum += weights[i];
    choice_[best] = std::numeric_limits<float>::quiet_NaN();  // chosen: loses against all others
  }
  const float factor = config_.normalize ? config_.scale / (sum + 1e-20F) : config_.scale;
  for (float& weight : weights) weight *= factor;
}

}  // namespace weft
