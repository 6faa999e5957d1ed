// For tests and benchmarks of attention: random sequences in paged blocks, and attention computed
// without haste in double from what the blocks hold.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "base/random.h"
#include "kernels/attention_reader.h"
#include "kernels/paged_attention.h"

namespace weft::testing {

inline std::vector<float> random_floats(Random& random, int64_t n, double deviation) {
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values) value = static_cast<float>(random.normal() * deviation);
  return values;
}

// Sequences of the given lengths with their KV in shuffled blocks and rows of queries. Memory that
// was never written is NaN, so that whoever uses it shows.
class AttentionCase {
 public:
  AttentionCase(const KvLayout& layout, int64_t heads, std::vector<int64_t> lengths, Random& random)
      : layout_(layout), heads_(heads), lengths_(std::move(lengths)) {
    for (const int64_t length : lengths_) {
      first_rows_.push_back(rows_);
      rows_ += length;
      blocks_ += layout.blocks_of(length);
    }
    memory_ = AlignedVector<std::byte>(static_cast<size_t>(blocks_ * layout.block_bytes()));
    std::memset(memory_.data(), 0xff,
                static_cast<size_t>(static_cast<size_t>(blocks_ * layout.block_bytes())));
    std::vector<uint32_t> order(static_cast<size_t>(blocks_));
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint32_t>(i);
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
    size_t next = 0;
    for (const int64_t length : lengths_) {
      const auto count = static_cast<size_t>(layout.blocks_of(length));
      tables_.emplace_back(order.begin() + static_cast<ptrdiff_t>(next),
                           order.begin() + static_cast<ptrdiff_t>(next + count));
      next += count;
    }
    keys_ = random_floats(random, rows_ * key_stride(), 1.0);
    values_ = random_floats(random, rows_ * value_stride(), 1.0);
    q_ = random_floats(random, rows_ * q_stride(), 1.0);
    q_rope_ = random_floats(random, rows_ * rope_stride() + 1, 1.0);
  }

  [[nodiscard]] const KvLayout& layout() const { return layout_; }
  [[nodiscard]] int64_t heads() const { return heads_; }
  [[nodiscard]] int64_t rows() const { return rows_; }
  [[nodiscard]] const std::vector<int64_t>& lengths() const { return lengths_; }
  [[nodiscard]] KvBlocks blocks() { return {memory_.data(), layout_.block_bytes()}; }
  [[nodiscard]] int64_t key_stride() const { return layout_.kv_heads * layout_.key_dims; }
  [[nodiscard]] int64_t value_stride() const {
    return layout_.latent ? layout_.rope_dims : layout_.kv_heads * layout_.value_dims;
  }
  [[nodiscard]] int64_t q_stride() const { return heads_ * layout_.key_dims; }
  [[nodiscard]] int64_t rope_stride() const { return heads_ * layout_.rope_dims; }
  [[nodiscard]] int64_t out_stride() const { return heads_ * layout_.value_dims; }
  [[nodiscard]] float scale() const {
    return 1.0F / std::sqrt(static_cast<float>(layout_.key_dims + layout_.rope_dims));
  }

  // Tokens [context, context + tokens) of sequence s.
  [[nodiscard]] AttentionSequence part(size_t s, int64_t context, int64_t tokens) const {
    return {tables_[s], context, tokens, first_rows_[s] + context};
  }
  [[nodiscard]] KvRows kv_rows() const {
    return {keys_.data(), key_stride(), values_.data(), value_stride()};
  }
  [[nodiscard]] AttentionRows attention_rows(std::vector<float>& out) const {
    return {q_.data(), q_stride(), q_rope_.data(), rope_stride(), out.data(), out_stride()};
  }
  [[nodiscard]] std::vector<float> empty_output() const {
    return std::vector<float>(static_cast<size_t>(rows_ * out_stride()), -77.0F);
  }

  // Attention of the last query of `tokens`, in double, from the blocks.
  [[nodiscard]] std::vector<double> reference(size_t s, int64_t position, int64_t head) {
    const auto key_dims = static_cast<size_t>(layout_.key_dims + layout_.rope_dims);
    std::vector<float> key(key_dims), value(static_cast<size_t>(layout_.value_dims));
    std::vector<double> scores, out(value.size(), 0.0);
    const int64_t kv_head = head / (heads_ / layout_.kv_heads);
    for (int64_t token = 0; token <= position; ++token) {
      read_key(layout_, block(s, token), kv_head, token % layout_.block_tokens, key);
      scores.push_back(score(first_rows_[s] + position, head, key));
    }
    const double largest = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (double& score : scores) sum += score = std::exp(score - largest);
    for (int64_t token = 0; token <= position; ++token) {
      read_value(layout_, block(s, token), kv_head, token % layout_.block_tokens, value);
      const double weight = scores[static_cast<size_t>(token)] / sum;
      for (size_t i = 0; i < out.size(); ++i) out[i] += weight * value[i];
    }
    return out;
  }

 private:
  [[nodiscard]] const std::byte* block(size_t s, int64_t token) {
    return blocks().at(tables_[s][static_cast<size_t>(token / layout_.block_tokens)]);
  }
  [[nodiscard]] double score(int64_t row, int64_t head, std::span<const float> key) const {
    const float* q = q_.data() + row * q_stride() + head * layout_.key_dims;
    const float* rope = q_rope_.data() + row * rope_stride() + head * layout_.rope_dims;
    double sum = 0;
    for (int64_t i = 0; i < layout_.key_dims; ++i) {
      sum += static_cast<double>(q[i]) * key[static_cast<size_t>(i)];
    }
    for (int64_t i = 0; i < layout_.rope_dims; ++i) {
      sum += static_cast<double>(rope[i]) * key[static_cast<size_t>(layout_.key_dims + i)];
    }
    return sum * scale();
  }

  KvLayout layout_;
  int64_t heads_;
  std::vector<int64_t> lengths_;
  std::vector<int64_t> first_rows_;
  int64_t rows_ = 0;
  int64_t blocks_ = 0;
  AlignedVector<std::byte> memory_;
  std::vector<std::vector<uint32_t>> tables_;
  std::vector<float> keys_, values_, q_, q_rope_;
};

}  // namespace weft::testing
