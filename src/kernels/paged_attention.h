// Attention over paged KV (kv_layout.h): a batch that mixes chunks of prompts and decoding
// sequences, each query seeing all keys of its sequence up to its own position. Keys are read where
// they lie. Softmax is computed online in float (Milakov and Gimelshein, 2018; Dao et al., 2022).
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "kernels/isa.h"
#include "kernels/kv_layout.h"
#include "kernels/workers.h"

namespace weft {

// Rows of queries and outputs, `stride` floats apart.
// Grouped: q [heads][key_dims], out [heads][value_dims]; head h reads KV head h / (heads /
// kv_heads). Latent: q [heads][kv_lora], already multiplied by W_UK; q_rope [heads][rope]; out
// [heads][kv_lora], to be multiplied by W_UV.
struct AttentionRows {
  const float* q = nullptr;
  int64_t q_stride = 0;
  const float* q_rope = nullptr;
  int64_t q_rope_stride = 0;
  float* out = nullptr;  // may not overlap q
  int64_t out_stride = 0;
};

// A query's result is the same to the bit whatever else is in the batch, however its prompt was
// cut into chunks, and whatever the number of threads: keys are taken in tiles of 128 and segments
// of 1024 at absolute positions, segments are merged in order, and what is computed for one query
// in a tile does not depend on the other queries there. It does depend on the instruction set.
//
// With KV in F32 all arithmetic is float. With BF16 and INT8, queries and softmax weights are
// rounded to BF16 before the products; sums are float.
class PagedAttention {
 public:
  // Scores are scale * q . k. Requires heads divisible by layout.kv_heads, and the instruction set
  // on this machine. Allocates what each of the threads of `workers` needs.
  PagedAttention(const KvLayout& layout, int64_t heads, float scale, Isa isa,
                 const Workers& workers);
  ~PagedAttention();
  PagedAttention(const PagedAttention&) = delete;
  PagedAttention& operator=(const PagedAttention&) = delete;

  // Requires the sequences' new tokens written (write_kv), and at most as many threads as at
  // construction. One call at a time. Memory for the partial results of long contexts grows to the
  // largest need and stays.
  void run(KvBlocks blocks, std::span<const AttentionSequence> sequences, const AttentionRows& rows,
           Workers& workers);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft
