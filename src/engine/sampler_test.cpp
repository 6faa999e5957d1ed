// The sampler against a plain reference, and its draws against the distribution they come from.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "base/random.h"

namespace weft {
namespace {

using Logits = std::vector<float>;
constexpr float kNever = -std::numeric_limits<float>::infinity();

Logits random_logits(Random& random, size_t size) {
  Logits logits(size);
  for (float& logit : logits) logit = static_cast<float>(random.normal() * 3);
  return logits;
}

// Probability of each token, by the definitions and nothing else.
std::vector<double> reference(Logits logits, const SamplingParams& p, const TokenCounts& counts) {
  for (const auto& [id, bias] : p.logit_bias) logits[id] += bias;
  for (const auto& entry : counts.entries()) {
    float& x = logits[entry.id];
    x = static_cast<float>(x > 0 ? x / p.repetition_penalty : x * p.repetition_penalty);
    x = static_cast<float>(x - p.frequency_penalty * entry.output -
                           (entry.output > 0 ? p.presence_penalty : 0));
  }
  const size_t n = logits.size();
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  std::vector<double> weights(n);
  for (size_t i = 0; i < n; ++i) {
    weights[i] = std::exp((double{logits[i]} - logits[order[0]]) / p.temperature);
  }
  if (p.top_k > 0) {
    for (size_t i = p.top_k; i < n; ++i) weights[order[i]] = 0;
  }
  double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  double before = 0;
  for (const size_t id : order) {
    const double weight = weights[id];
    if (before >= p.top_p * sum) weights[id] = 0;
    before += weight;
  }
  for (double& weight : weights) weight = weight < p.min_p ? 0 : weight;
  sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight /= sum;
  return weights;
}

// Total variation distance between the draws and the reference, in units of what chance allows.
double distance(const Logits& logits, SamplingParams params, const TokenCounts& counts) {
  const auto expected = reference(logits, params, counts);
  constexpr int kDraws = 20000;
  std::vector<double> seen(logits.size());
  Sampler sampler;
  for (int i = 0; i < kDraws; ++i) {
    Logits copy = logits;
    const int32_t id = sampler.sample(copy, params, counts, i).token.id;
    EXPECT_GT(expected[id], 0) << "a token that was cut off";
    seen[id] += 1.0 / kDraws;
  }
  double result = 0;
  double chance = 0;
  for (size_t id = 0; id < seen.size(); ++id) {
    result += std::abs(seen[id] - expected[id]);
    chance += std::sqrt(expected[id] * (1 - expected[id]) / kDraws);
  }
  return chance > 0 ? result / chance : result;
}

TEST(Sampler, DrawsFollowTheDefinition) {
  Random random(3);
  TokenCounts counts;
  counts.add_prompt(std::vector<int32_t>{3, 5, 5});
  for (const int32_t id : {5, 7, 7, 7}) counts.add_output(id);
  const SamplingParams kCases[] = {
      {},
      {.temperature = 0.5},
      {.temperature = 2, .top_k = 4},
      {.top_p = 0.8},
      {.top_k = 10, .top_p = 0.5},
      {.min_p = 0.2},
      {.temperature = 1.5,
       .top_k = 12,
       .top_p = 0.9,
       .min_p = 0.05,
       .repetition_penalty = 1.3,
       .presence_penalty = 0.7,
       .frequency_penalty = -0.4,
       .logit_bias = {{2, 4.0F}, {9, -3.0F}}},
  };
  for (const SamplingParams& params : kCases) {
    EXPECT_LT(distance(random_logits(random, 20), params, counts), 1.5);
  }
}

TEST(Sampler, ZeroTemperatureIsTheLikeliestWithPenaltiesInPlace) {
  Sampler sampler;
  TokenCounts counts;
  Logits logits = {1, 3, 3, -2};
  EXPECT_EQ(sampler.sample(logits, {.temperature = 0}, counts, 0).token.id, 1);
  counts.add_output(1);
  logits = {1, 3, 3, -2};
  EXPECT_EQ(sampler.sample(logits, {.temperature = 0, .presence_penalty = 0.1}, counts, 0).token.id,
            2);
  counts.add_prompt(std::vector<int32_t>{2});
  logits = {2.5, 3, 3, -2};
  EXPECT_EQ(
      sampler.sample(logits, {.temperature = 0, .repetition_penalty = 1.5}, counts, 0).token.id, 0);
  logits = {-1, -2, -3, -4};
  EXPECT_EQ(sampler.sample(logits, {.temperature = 0}, counts, 0).token.id, 0);
}

TEST(Sampler, SeedAndPositionAloneDecide) {
  Random random(8);
  const Logits logits = random_logits(random, 50);
  Sampler first;
  Sampler second;
  std::map<int32_t, int> seen;
  for (uint64_t position = 0; position < 200; ++position) {
    Logits a = logits;
    const int32_t id = first.sample(a, {.seed = 4}, {}, position).token.id;
    Logits other = random_logits(random, 31);
    second.sample(other, {.top_p = 0.3, .seed = 9}, {}, 77);
    Logits b = logits;
    ASSERT_EQ(second.sample(b, {.seed = 4}, {}, position).token.id, id);
    ++seen[id];
  }
  EXPECT_GT(seen.size(), 5u);
}

TEST(Sampler, MaskLeavesOnlyWhatIsAllowed) {
  Sampler sampler;
  Logits ones(40, 1.0F);
  const std::vector<uint32_t> mask = {1U << 7, 1U << 3};
  std::map<int32_t, int> seen;
  for (uint64_t position = 0; position < 100; ++position) {
    Logits logits = ones;
    ++seen[sampler.sample(logits, {}, {}, position, mask).token.id];
  }
  EXPECT_EQ(seen.size(), 2u);
  EXPECT_TRUE(seen.contains(7) && seen.contains(35));
  Logits logits = ones;
  EXPECT_EQ(sampler.sample(logits, {}, {}, 0, std::vector<uint32_t>{0, 0}).token.id, -1);
  logits = ones;
  EXPECT_EQ(sampler.sample(logits, {.temperature = 0}, {}, 0, std::vector<uint32_t>{4}).token.id,
            2);
}

TEST(Sampler, LogprobsAreThoseOfTheRawLogits) {
  Random random(2);
  const Logits logits = random_logits(random, 30);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit});
  Logits copy = logits;
  Sampler sampler;
  const Sample sample = sampler.sample(
      copy, {.temperature = 0.3, .top_k = 2, .logit_bias = {{4, 50.0F}}, .logprobs = 5}, {}, 1);
  EXPECT_EQ(sample.token.id, 4);
  EXPECT_NEAR(sample.token.logprob, double{logits[4]} - std::log(sum), 1e-5);
  ASSERT_EQ(sample.top.size(), 5u);
  Logits sorted = logits;
  std::sort(sorted.rbegin(), sorted.rend());
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(logits[sample.top[i].id], sorted[i]);
    EXPECT_NEAR(sample.top[i].logprob, double{sorted[i]} - std::log(sum), 1e-5);
  }
}

TEST(Sampler, WhatIsNotANumberIsNeverChosen) {
  Sampler sampler;
  Logits logits = {std::nanf(""), kNever, 1};
  EXPECT_EQ(sampler.sample(logits, {}, {}, 0).token.id, 2);
  logits = {std::nanf(""), kNever, kNever};
  EXPECT_EQ(sampler.sample(logits, {}, {}, 0).token.id, -1);
  logits = {std::nanf(""), -5, 1};
  EXPECT_EQ(greedy_token(logits), 2);
}

TEST(Sampler, WrongParametersAreNamed) {
  const auto error = [](const SamplingParams& params) {
    const Status status = check_sampling(params, 100);
    return status.ok() ? std::string() : status.error().message;
  };
  EXPECT_EQ(error({}), "");
  EXPECT_EQ(error({.temperature = -1}), "temperature: found -1, expected 0 to 100");
  EXPECT_EQ(error({.temperature = std::nan("")}), "temperature: found nan, expected 0 to 100");
  EXPECT_EQ(error({.top_p = 0}), "top_p: found 0, expected more than 0, at most 1");
  EXPECT_EQ(error({.logit_bias = {{100, 1.0F}}}),
            "logit_bias: found 100, expected rising token ids below 100");
  EXPECT_NE(error({.top_k = -2}), "");
  EXPECT_NE(error({.min_p = 2}), "");
  EXPECT_NE(error({.logprobs = 21}), "");
}

}  // namespace
}  // namespace weft
