// Attention: grouped-query, and latent attention in its absorbed form (DeepSeek-V2, arXiv
// 2405.04434, section 2.1: W_UK goes into the queries, W_UV into the output).
#include <algorithm>

#include "engine/forward.h"

namespace weft {

namespace {

// Of the norms inside latent attention, whatever config.json says of the others: so it is in the
// published implementation of these models.
constexpr float kLatentEps = 1e-6F;

void rotate(const Elementwise& kernels, const RopeTable& rope, float* x, int64_t stride,
            int64_t rows, int64_t heads, int64_t head_stride, const float* const* angles) {
  const auto turn =
      rope.style() == RopeStyle::kPairs ? kernels.rotate_pairs : kernels.rotate_halves;
  turn(x, stride, rows, heads, head_stride, rope.dims(), angles);
}

}  // namespace

void Forward::attention(const GqaWeights& weights, int kv_layer) {
  const int64_t dim = shape_.head_dim;
  const int64_t queries = shape_.heads * dim;
  const int64_t keys = shape_.kv_heads * dim;
  const int64_t width = queries + 2 * keys;
  const auto eps = static_cast<float>(config_.rms_norm_eps);
  project(weights.qkv, normed_.data(), hidden_width_, wide_.data(), width);
  for_rows(rows_, [&](Range r) {
    float* q = wide_.data() + r.begin * width;
    if (!weights.q_norm.empty()) {
      rms_norm_heads(kernels_, q, width, r.size(), shape_.heads, dim, weights.q_norm.data(), eps);
      rms_norm_heads(kernels_, q + queries, width, r.size(), shape_.kv_heads, dim,
                     weights.k_norm.data(), eps);
    }
    rotate(kernels_, rope_, q, width, r.size(), shape_.heads + shape_.kv_heads, dim,
           angles_.data() + r.begin);
  });
  const KvRows rows = {wide_.data() + queries, width, wide_.data() + queries + keys, width};
  write_kv(kv_.layout(), kv_.layer(kv_layer), sequences_, rows, kernels_, workers_);
  attention_.run(
      kv_.layer(kv_layer), sequences_,
      {.q = wide_.data(), .q_stride = width, .out = heads_.data(), .out_stride = queries},
      workers_);
  rounded_wide_.set(heads_.data(), rows_, queries, queries, weights.output.matrix.format(), isa_,
                    workers_);
  project_into_x(weights.output, rounded_wide_);
}

// Row m x heads + h of x, times matrix h.
void Forward::per_head(std::span<const PackedMatrix> heads, const Activations& x, float* y,
                       int64_t stride) {
  const auto count = static_cast<int64_t>(heads.size());
  head_rows_.resize(static_cast<size_t>(rows_ * count));
  expert_rows_.clear();
  for (int64_t h = 0; h < count; ++h) {
    const auto rows =
        std::span(head_rows_).subspan(static_cast<size_t>(h * rows_), static_cast<size_t>(rows_));
    for (int64_t m = 0; m < rows_; ++m) {
      rows[static_cast<size_t>(m)] = static_cast<int32_t>(m * count + h);
    }
    expert_rows_.push_back({&heads[static_cast<size_t>(h)], rows, rows});
  }
  multiply_experts(expert_rows_, x, {.y = y, .stride = stride}, workers_);
}

void Forward::attention(const MlaWeights& weights, int kv_layer) {
  const int64_t heads = shape_.heads;
  const int64_t head = shape_.nope_dim + shape_.rope_dim;
  const int64_t first = shape_.q_lora > 0 ? shape_.q_lora : heads * head;
  const int64_t width = first + shape_.kv_lora + shape_.rope_dim;
  project(weights.down, normed_.data(), hidden_width_, wide_.data(), width);
  float* queries = wide_.data();
  int64_t stride = width;
  if (shape_.q_lora > 0) {
    norm_rows(wide_.data(), width, shape_.q_lora, weights.q_norm, kLatentEps, wide_.data(), width);
    project(weights.q_up, wide_.data(), width, heads_.data(), heads * head);
    queries = heads_.data();
    stride = heads * head;
  }
  float* latent = wide_.data() + first;
  float* key_rope = latent + shape_.kv_lora;
  float* query_rope = queries + shape_.nope_dim;
  for_rows(rows_, [&](Range r) {
    const float* const* angles = angles_.data() + r.begin;
    float* row = latent + r.begin * width;
    kernels_.rms_norm(row, width, r.size(), shape_.kv_lora, weights.kv_norm.data(), kLatentEps, row,
                      width);
    rotate(kernels_, rope_, key_rope + r.begin * width, width, r.size(), 1, shape_.rope_dim,
           angles);
    rotate(kernels_, rope_, query_rope + r.begin * stride, stride, r.size(), heads, head, angles);
  });
  write_kv(kv_.layout(), kv_.layer(kv_layer), sequences_, {latent, width, key_rope, width},
           kernels_, workers_);
  latent_attention(weights, kv_layer, queries, stride);
  rounded_wide_.set(heads_.data(), rows_, heads * shape_.v_dim, heads * shape_.v_dim,
                    weights.output.matrix.format(), isa_, workers_);
  project_into_x(weights.output, rounded_wide_);
}

// Queries [rows][heads][nope, rope] to results [rows][heads][v] in heads_.
void Forward::latent_attention(const MlaWeights& weights, int kv_layer, const float* queries,
                               int64_t stride) {
  const int64_t heads = shape_.heads;
  const int64_t nope = shape_.nope_dim;
  const int64_t rope = shape_.rope_dim;
  const int64_t kv_lora = shape_.kv_lora;
  float* latent_queries = latent_.data();
  float* latent_out = latent_.data() + latent_.size() / 2;
  for_rows(rows_, [&](Range r) {
    for (int64_t i = r.begin * heads; i < r.end * heads; ++i) {
      const float* query = queries + i / heads * stride + i % heads * (nope + rope);
      std::copy_n(query, nope, query_nope_.data() + i * nope);
      std::copy_n(query + nope, rope, query_rope_.data() + i * rope);
    }
  });
  const WeightFormat format = weights.k_up.front().format();
  rounded_.set(query_nope_.data(), rows_ * heads, nope, nope, format, isa_, workers_);
  per_head(weights.k_up, rounded_, latent_queries, kv_lora);
  attention_.run(kv_.layer(kv_layer), sequences_,
                 {.q = latent_queries,
                  .q_stride = heads * kv_lora,
                  .q_rope = query_rope_.data(),
                  .q_rope_stride = heads * rope,
                  .out = latent_out,
                  .out_stride = heads * kv_lora},
                 workers_);
  rounded_.set(latent_out, rows_ * heads, kv_lora, kv_lora, format, isa_, workers_);
  per_head(weights.v_up, rounded_, heads_.data(), shape_.v_dim);
}

}  // namespace weft
