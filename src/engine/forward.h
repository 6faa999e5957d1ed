// Forward: one pass of a model over the parts of a step. Buffers are allocated once, for the
// largest step; a pass allocates nothing.
#pragma once

#include <span>
#include <vector>

#include "base/quantity.h"
#include "engine/cpu_model.h"
#include "engine/kv_memory.h"
#include "kernels/activations.h"
#include "kernels/elementwise.h"
#include "kernels/expert_gating.h"
#include "kernels/multiply.h"
#include "kernels/paged_attention.h"
#include "kernels/rope_table.h"
#include "kernels/workers.h"

namespace weft {

// Tokens of one sequence at positions [context, context + tokens.size()).
struct ForwardPart {
  std::span<const int32_t> tokens;
  int64_t context = 0;              // tokens before, whose KV is in place
  int64_t logit_rows = 0;           // how many of the last tokens' logits are wanted
  std::span<const uint32_t> table;  // blocks that hold context + tokens.size() tokens
};

struct ForwardLimits {
  int64_t tokens = 0;      // of a pass
  int64_t sequences = 0;   // of a pass
  int64_t logit_rows = 0;  // of a pass
};

class Forward {
 public:
  // Everything given outlives this.
  Forward(const CpuModel& model, const ForwardLimits& limits, KvMemory& kv, Workers& workers);

  // Writes the parts' KV, and the logits of each part's last `logit_rows` tokens, in order.
  void run(std::span<const ForwardPart> parts);
  // Those of the last run: [logit rows][vocab].
  [[nodiscard]] std::span<float> logits(int64_t row);

  // One pass of the MTP module. Part i's tokens are the tokens after those whose hidden states lie
  // in rows [first_rows[i], + tokens.size()) of the last pass, whichever that was. Logits as for
  // run().
  void run_mtp(std::span<const ForwardPart> parts, std::span<const int64_t> first_rows);

 private:
  void lay_out(std::span<const ForwardPart> parts);
  void embed(std::span<const ForwardPart> parts, float* out, int64_t stride);
  void layer(const LayerWeights& weights, int kv_layer);
  void attention(const GqaWeights& weights, int kv_layer);
  void attention(const MlaWeights& weights, int kv_layer);
  void latent_attention(const MlaWeights& weights, int kv_layer, const float* queries,
                        int64_t stride);
  void per_head(std::span<const PackedMatrix> heads, const Activations& x, float* y,
                int64_t stride);
  void ffn(const FfnWeights& weights);
  void ffn(const MoeWeights& weights);
  void choose_experts(const MoeWeights& weights);
  void group_by_expert(size_t experts);
  void lay_out_experts(const MoeWeights& weights, bool gate_up);
  void combine_experts();
  void project(const Linear& linear, const float* x, int64_t stride, float* y, int64_t y_stride);
  // x_ += the product, from `first_row` on.
  void project_into_x(const Linear& linear, const Activations& x, int64_t first_row = 0);
  void norm_rows(const float* x, int64_t stride, int64_t width, const std::vector<float>& weight,
                 float eps, float* out, int64_t out_stride);
  void norm_hidden(const float* x, const std::vector<float>& weight, float* out);
  void head(std::span<const ForwardPart> parts, const std::vector<float>& norm);
  // work(range) on every thread that gets any of the rows.
  template <class Work>
  void for_rows(int64_t rows, Work work) {
    workers_.run([&](int thread) {
      const Range range = split(rows, 1, thread, workers_.threads());
      if (range.size() > 0) work(range);
    });
  }

  const CpuModel& model_;
  const ModelShape& shape_;
  const ArchitectureConfig& config_;
  const Elementwise& kernels_;
  KvMemory& kv_;
  Workers& workers_;
  Isa isa_;
  RopeTable rope_;
  std::vector<ExpertGate> gates_;  // one a thread

  // Of the pass under way.
  int64_t rows_ = 0;
  int64_t hidden_width_ = 0;
  std::vector<AttentionSequence> sequences_;
  std::vector<const float*> angles_;  // by row
  int64_t logit_rows_ = 0;

  AlignedVector<float> x_;       // residual [rows][hidden]
  AlignedVector<float> normed_;  // [rows][hidden]
  AlignedVector<float> hidden_;  // with an MTP module: what the last pass ended in [rows][hidden]
  AlignedVector<float> wide_;    // what a layer's first product gives [rows][widest]
  AlignedVector<float> heads_;   // [rows][heads of any width]
  AlignedVector<float> latent_;  // MLA: queries, then results [rows][heads][kv_lora]
  AlignedVector<float> query_nope_;  // MLA: [rows][heads][nope]
  AlignedVector<float> query_rope_;  // MLA: [rows][heads][rope]
  AlignedVector<float> logits_;
  Activations rounded_;
  Activations rounded_wide_;

  // Mixture: slots are row x experts_per_token + rank.
  std::vector<float> gate_logits_;  // [rows][experts]
  std::vector<int32_t> chosen_;     // by slot
  std::vector<float> weights_;      // by slot
  std::vector<int32_t> slots_;      // ordered by expert, then row
  std::vector<int32_t> sources_;    // their rows
  std::vector<size_t> first_slot_;  // by expert
  std::vector<size_t> next_slot_;
  std::vector<int32_t> head_rows_;  // MLA: heads as experts
  std::vector<ExpertRows> expert_rows_;
  AlignedVector<float> expert_wide_;  // [slots][inner width of an expert]
  AlignedVector<float> expert_out_;   // [slots][hidden]
  PagedAttention attention_;
};

}  // namespace weft
