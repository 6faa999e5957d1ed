// The choice of experts against a plain restatement by full sorting, and its edges.
#include "kernels/expert_gating.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "base/random.h"

namespace weft {
namespace {

struct Choice {
  std::vector<int32_t> ids;
  std::vector<float> weights;
};

Choice choose(const GateConfig& config, const std::vector<float>& logits,
              const std::vector<float>& bias) {
  ExpertGate gate(config, elementwise(Isa::kPortable));
  Choice choice{std::vector<int32_t>(static_cast<size_t>(config.top_k)),
                std::vector<float>(static_cast<size_t>(config.top_k))};
  gate.choose(logits, bias, choice.ids, choice.weights);
  return choice;
}

std::vector<size_t> sorted(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return values[a] > values[b]; });
  return order;
}

std::vector<double> scores_of(const GateConfig& config, const std::vector<float>& logits) {
  std::vector<double> scores;
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  for (const float logit : logits) {
    const double power = std::exp(static_cast<double>(logit));
    scores.push_back(config.score == GateScore::kSoftmax ? power / sum : power / (1 + power));
  }
  return scores;
}

// The experts in order, by sorting whole groups and whole lists.
std::vector<size_t> expected_ids(const GateConfig& config, std::vector<double> choice) {
  const size_t size = choice.size() / static_cast<size_t>(config.groups);
  std::vector<double> groups;
  for (size_t group = 0; group < static_cast<size_t>(config.groups); ++group) {
    std::vector<double> members(choice.begin() + static_cast<ptrdiff_t>(group * size),
                                choice.begin() + static_cast<ptrdiff_t>((group + 1) * size));
    std::sort(members.rbegin(), members.rend());
    const bool two = config.group_score == GroupScore::kBestTwo && size > 1;
    groups.push_back(members[0] + (two ? members[1] : 0));
  }
  const std::vector<size_t> order = sorted(groups);
  for (size_t i = static_cast<size_t>(config.top_groups); i < order.size(); ++i) {
    for (size_t j = 0; j < size; ++j) choice[order[i] * size + j] = -1e300;
  }
  std::vector<size_t> ids = sorted(choice);
  ids.resize(static_cast<size_t>(config.top_k));
  return ids;
}

TEST(ExpertGating, equals_full_sorting) {
  Random random(5);
  for (int round = 0; round < 400; ++round) {
    GateConfig config;
    config.groups = 1 << random.below(4);
    config.experts = config.groups * (1 << random.below(5));
    config.top_groups = 1 + static_cast<int>(random.below(static_cast<uint64_t>(config.groups)));
    const int reachable = config.experts / config.groups * config.top_groups;
    config.top_k =
        1 + static_cast<int>(random.below(std::min<uint64_t>(8, static_cast<uint64_t>(reachable))));
    config.score = random.below(2) == 0 ? GateScore::kSoftmax : GateScore::kSigmoid;
    config.group_score = random.below(2) == 0 ? GroupScore::kBest : GroupScore::kBestTwo;
    config.normalize = random.below(2) == 0;
    config.scale = static_cast<float>(1 + random.below(3));
    std::vector<float> logits, bias;
    for (int i = 0; i < config.experts; ++i) logits.push_back(static_cast<float>(random.normal()));
    if (random.below(2) == 0) {
      for (int i = 0; i < config.experts; ++i) bias.push_back(static_cast<float>(random.normal()));
    }
    const Choice choice = choose(config, logits, bias);
    const std::vector<double> scores = scores_of(config, logits);
    std::vector<double> biased(scores);
    for (size_t i = 0; i < bias.size(); ++i) biased[i] += bias[i];
    const std::vector<size_t> ids = expected_ids(config, biased);
    double sum = 0;
    for (const size_t id : ids) sum += scores[id];
    for (size_t i = 0; i < ids.size(); ++i) {
      ASSERT_EQ(choice.ids[i], static_cast<int32_t>(ids[i])) << "round " << round;
      const double weight = scores[ids[i]] * config.scale / (config.normalize ? sum : 1.0);
      EXPECT_NEAR(choice.weights[i], weight, 1e-5 * weight);
    }
  }
}

TEST(ExpertGating, ties_go_to_the_lowest_index) {
  GateConfig config{.experts = 8, .top_k = 3, .groups = 4, .top_groups = 2};
  const Choice choice = choose(config, std::vector<float>(8, 0.5F), {});
  EXPECT_EQ(choice.ids, (std::vector<int32_t>{0, 1, 2}));
  EXPECT_FLOAT_EQ(choice.weights[0], 0.125F);
}

TEST(ExpertGating, negative_scores_do_not_lead_out_of_the_groups) {
  GateConfig config{.experts = 4,
                    .top_k = 2,
                    .score = GateScore::kSigmoid,
                    .groups = 2,
                    .top_groups = 1,
                    .group_score = GroupScore::kBestTwo};
  const Choice choice = choose(config, {0, 0, 0, 0}, {-5, -5, -4, -6.5});
  EXPECT_EQ(choice.ids, (std::vector<int32_t>{0, 1}));
}

TEST(ExpertGating, no_expert_comes_twice_even_when_logits_are_not_numbers) {
  GateConfig config{.experts = 6, .top_k = 6};
  const Choice choice = choose(config, std::vector<float>(6, std::nanf("")), {});
  EXPECT_EQ(std::set<int32_t>(choice.ids.begin(), choice.ids.end()).size(), 6U);
}

TEST(ExpertGating, a_configuration_that_cannot_work_is_refused_by_name) {
  EXPECT_EQ(check({.experts = 10, .top_k = 2, .groups = 4}).error().message,
            "10 experts do not divide into 4 groups");
  EXPECT_EQ(check({.experts = 8, .top_k = 3, .groups = 4, .top_groups = 1}).error().message,
            "a token uses 3 experts of the 2 in its groups");
  EXPECT_FALSE(check({.experts = 0, .top_k = 1}).ok());
  EXPECT_FALSE(check({.experts = 4, .top_k = 1, .groups = 2, .top_groups = 3}).ok());
  EXPECT_TRUE(check({.experts = 256, .top_k = 8, .groups = 8, .top_groups = 4}).ok());
}

}  // namespace
}  // namespace weft
