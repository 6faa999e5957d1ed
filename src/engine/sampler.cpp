// Sampling in one pass over the logits each for mask, bias and penalties, and a sort of no more
// candidates than top-k leaves.
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/random.h"
#include "kernels/elementwise.h"

namespace weft {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

void apply_mask(std::span<float> logits, std::span<const uint32_t> allowed) {
  for (size_t id = 0; id < logits.size(); ++id) {
    const bool has_bit = id / 32 < allowed.size() && (allowed[id / 32] >> (id % 32) & 1) != 0;
    if (!has_bit) logits[id] = kNever;
  }
}

void apply_penalties(std::span<float> logits, const SamplingParams& params,
                     const TokenCounts& counts) {
  const auto repetition = static_cast<float>(params.repetition_penalty);
  for (const TokenCounts::Entry& entry : counts.entries()) {
    if (entry.id < 0 || static_cast<size_t>(entry.id) >= logits.size()) continue;
    float& logit = logits[entry.id];
    logit = logit > 0 ? logit / repetition : logit * repetition;
    if (entry.output == 0) continue;
    logit -= static_cast<float>(params.frequency_penalty * entry.output);
    logit -= static_cast<float>(params.presence_penalty);
  }
}

bool is_penalised(const SamplingParams& params) {
  return params.repetition_penalty != 1 || params.presence_penalty != 0 ||
         params.frequency_penalty != 0;
}

double log_sum(std::span<const float> logits) {
  float highest = kNever;
  for (const float logit : logits) highest = std::max(highest, logit);
  double sum = 0;
  for (const float logit : logits) {
    if (logit > kNever) sum += std::exp(static_cast<double>(logit) - highest);
  }
  return highest + std::log(sum);
}

std::vector<TokenLogprob> likeliest(std::span<const float> logits, int32_t count, double total) {
  std::vector<TokenLogprob> top;
  const auto more = [](const TokenLogprob& a, const TokenLogprob& b) {
    return a.logprob != b.logprob ? a.logprob > b.logprob : a.id < b.id;
  };
  for (size_t id = 0; id < logits.size() && count > 0; ++id) {
    const TokenLogprob here{static_cast<int32_t>(id), logits[id]};
    if (static_cast<int32_t>(top.size()) == count && !more(here, top.back())) continue;
    if (std::isnan(here.logprob)) continue;
    top.insert(std::upper_bound(top.begin(), top.end(), here, more), here);
    if (static_cast<int32_t>(top.size()) > count) top.pop_back();
  }
  for (TokenLogprob& entry : top) entry.logprob = static_cast<float>(entry.logprob - total);
  return top;
}

}  // namespace

TokenCounts::Entry& TokenCounts::entry(int32_t id) {
  const auto place = std::lower_bound(entries_.begin(), entries_.end(), id,
                                      [](const Entry& a, int32_t wanted) { return a.id < wanted; });
  if (place != entries_.end() && place->id == id) return *place;
  return *entries_.insert(place, {id, 0});
}

void TokenCounts::add_prompt(std::span<const int32_t> ids) {
  std::vector<int32_t> sorted(ids.begin(), ids.end());
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::vector<Entry> merged;
  merged.reserve(sorted.size() + entries_.size());
  auto old = entries_.begin();
  for (const int32_t id : sorted) {
    while (old != entries_.end() && old->id < id) merged.push_back(*old++);
    merged.push_back(old != entries_.end() && old->id == id ? *old++ : Entry{id, 0});
  }
  merged.insert(merged.end(), old, entries_.end());
  entries_ = std::move(merged);
}

void TokenCounts::add_output(int32_t id) { ++entry(id).output; }

int32_t greedy_token(std::span<const float> logits) {
  const auto best =
      elementwise(best_isa()).argmax(logits.data(), static_cast<int64_t>(logits.size()));
  return logits[static_cast<size_t>(best)] > kNever ? static_cast<int32_t>(best) : -1;
}

Sample Sampler::sample(std::span<float> logits, const SamplingParams& params,
                       const TokenCounts& counts, uint64_t position,
                       std::span<const uint32_t> allowed) {
  Sample result;
  double total = 0;
  std::vector<float> raw;
  if (params.logprobs >= 0) {
    total = log_sum(logits);
    result.top = likeliest(logits, params.logprobs, total);
    raw.assign(logits.begin(), logits.end());
  }
  if (!allowed.empty()) apply_mask(logits, allowed);
  for (const auto& [id, bias] : params.logit_bias) logits[id] += bias;
  if (is_penalised(params)) apply_penalties(logits, params, counts);
  if (params.temperature == 0) {
    result.token.id = greedy_token(logits);
  } else {
    keep_top(logits, params);
    result.token.id = draw(params, position);
  }
  if (params.logprobs >= 0 && result.token.id >= 0) {
    result.token.logprob = static_cast<float>(raw[result.token.id] - total);
  }
  return result;
}

// Candidates with weights, likeliest first, as top-k, top-p and min-p leave them. Without any of
// them the order is that of the ids, and nothing is sorted.
void Sampler::keep_top(std::span<const float> logits, const SamplingParams& params) {
  candidates_.clear();
  for (size_t id = 0; id < logits.size(); ++id) {
    if (logits[id] > kNever) {
      candidates_.push_back({static_cast<int32_t>(id), logits[id], 0});
    }
  }
  const auto likelier = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  const bool has_top_k = params.top_k > 0 && static_cast<size_t>(params.top_k) < candidates_.size();
  if (has_top_k) {
    std::nth_element(candidates_.begin(), candidates_.begin() + params.top_k - 1, candidates_.end(),
                     likelier);
    candidates_.resize(params.top_k);
  }
  float highest = kNever;
  for (const Candidate& candidate : candidates_) highest = std::max(highest, candidate.logit);
  double sum = 0;
  for (Candidate& candidate : candidates_) {
    const double distance = static_cast<double>(candidate.logit) - highest;
    candidate.weight = std::exp(distance / params.temperature);
    sum += candidate.weight;
  }
  if (params.top_p < 1 || has_top_k) std::sort(candidates_.begin(), candidates_.end(), likelier);
  if (params.top_p < 1) {
    double reached = 0;
    size_t kept = 0;
    while (kept < candidates_.size() && reached < params.top_p * sum) {
      reached += candidates_[kept++].weight;
    }
    candidates_.resize(std::max<size_t>(kept, candidates_.empty() ? 0 : 1));
  }
  if (params.min_p > 0) {  // the likeliest weighs 1
    std::erase_if(candidates_, [&](const Candidate& c) { return c.weight < params.min_p; });
  }
}

int32_t Sampler::draw(const SamplingParams& params, uint64_t position) const {
  double sum = 0;
  for (const Candidate& candidate : candidates_) sum += candidate.weight;
  double left = unit_interval(mix64(params.seed, position)) * sum;
  for (const Candidate& candidate : candidates_) {
    left -= candidate.weight;
    if (left < 0) return candidate.id;
  }
  return candidates_.empty() ? -1 : candidates_.back().id;
}

}  // namespace weft
