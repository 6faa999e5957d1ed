// Mixtures: every token's experts are chosen, slots (a token's choices) are gathered by expert,
// computed expert by expert, and added up in each token's own order.
#include "base/check.h"
#include "engine/forward.h"

namespace weft {

void Forward::ffn(const MoeWeights& weights) {
  if (weights.shared) ffn(*weights.shared);
  choose_experts(weights);
  group_by_expert(weights.experts.size());
  const int64_t slots = rows_ * shape_.experts_per_token;
  const FfnWeights& first = weights.experts.front();
  const int64_t width = first.inner_width();
  const WeightFormat format = first.gate_up.matrix.format();
  rounded_.set(normed_.data(), rows_, hidden_width_, hidden_width_, format, isa_, workers_);
  lay_out_experts(weights, true);
  multiply_experts(expert_rows_, rounded_,
                   {.y = expert_wide_.data(), .stride = width, .epilogue = Epilogue::kSiluMul},
                   workers_);
  rounded_wide_.set(expert_wide_.data(), slots, first.down.matrix.k(), width, format, isa_,
                    workers_);
  lay_out_experts(weights, false);
  multiply_experts(expert_rows_, rounded_wide_, {.y = expert_out_.data(), .stride = hidden_width_},
                   workers_);
  combine_experts();
}

void Forward::choose_experts(const MoeWeights& weights) {
  const auto experts = static_cast<size_t>(shape_.experts);
  const auto top = static_cast<size_t>(shape_.experts_per_token);
  rounded_.set(normed_.data(), rows_, hidden_width_, hidden_width_, weights.router.format(), isa_,
               workers_);
  multiply(weights.router, rounded_, {.y = gate_logits_.data(), .stride = shape_.experts},
           workers_);
  workers_.run([&](int thread) {
    ExpertGate& gate = gates_[static_cast<size_t>(thread)];
    const Range range = split(rows_, 1, thread, workers_.threads());
    for (auto m = static_cast<size_t>(range.begin); m < static_cast<size_t>(range.end); ++m) {
      gate.choose(std::span(gate_logits_).subspan(m * experts, experts), weights.router_bias,
                  std::span(chosen_).subspan(m * top, top),
                  std::span(weights_).subspan(m * top, top));
    }
  });
}

// Counting sort of the slots by expert; within one, by token.
void Forward::group_by_expert(size_t experts) {
  const size_t slots = static_cast<size_t>(rows_ * shape_.experts_per_token);
  first_slot_.assign(experts + 1, 0);
  for (size_t s = 0; s < slots; ++s) ++first_slot_[static_cast<size_t>(chosen_[s]) + 1];
  for (size_t e = 0; e < experts; ++e) first_slot_[e + 1] += first_slot_[e];
  next_slot_.assign(first_slot_.begin(), first_slot_.end() - 1);
  for (size_t s = 0; s < slots; ++s) {
    const size_t at = next_slot_[static_cast<size_t>(chosen_[s])]++;
    slots_[at] = static_cast<int32_t>(s);
    sources_[at] = static_cast<int32_t>(s / static_cast<size_t>(shape_.experts_per_token));
  }
}

void Forward::lay_out_experts(const MoeWeights& weights, bool gate_up) {
  expert_rows_.clear();
  for (size_t e = 0; e < weights.experts.size(); ++e) {
    const size_t first = first_slot_[e];
    const size_t count = first_slot_[e + 1] - first;
    if (count == 0) continue;
    const FfnWeights& expert = weights.experts[e];
    CHECK(expert.gate_up.bias.empty() && expert.down.bias.empty(), "experts have no biases");
    const auto slots = std::span<const int32_t>(slots_).subspan(first, count);
    const auto tokens = std::span<const int32_t>(sources_).subspan(first, count);
    expert_rows_.push_back(
        {gate_up ? &expert.gate_up.matrix : &expert.down.matrix, gate_up ? tokens : slots, slots});
  }
}

void Forward::combine_experts() {
  const auto top = static_cast<int64_t>(shape_.experts_per_token);
  for_rows(rows_, [&](Range r) {
    for (int64_t m = r.begin; m < r.end; ++m) {
      for (int64_t slot = m * top; slot < (m + 1) * top; ++slot) {
        kernels_.add_scaled(x_.data() + m * hidden_width_,
                            expert_out_.data() + slot * hidden_width_,
                            weights_[static_cast<size_t>(slot)], hidden_width_);
      }
    }
  });
}

}  // namespace weft
