// Checks of paged attention over pairs of a shape and a KV format, every `stride`th of them: a
// sample for the unit suite, all for the system's.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "kernels/attention_testing.h"

namespace weft::testing {

struct Shape {
  bool latent;
  int64_t kv_heads, group, dims, rope, block_tokens;
};

inline KvLayout layout_of(const Shape& shape, KvFormat format) {
  auto layout =
      shape.latent ? KvLayout::make_latent(shape.dims, shape.rope, shape.block_tokens, format)
                   : KvLayout::make_grouped(shape.kv_heads, shape.dims, shape.block_tokens, format);
  return layout.value();
}

inline const Shape kShapes[] = {
    {false, 2, 2, 128, 0, 128}, {false, 1, 1, 64, 0, 16}, {false, 3, 3, 80, 0, 48},
    {false, 1, 7, 32, 0, 32},   {true, 1, 5, 96, 32, 32}, {true, 1, 2, 64, 16, 16},
    {false, 1, 70, 16, 0, 16},  {true, 1, 66, 32, 8, 64},
};
inline const KvFormat kFormats[] = {KvFormat::kF32, KvFormat::kBf16, KvFormat::kInt8};

// Relative to the deviation 1 of the values. Queries and weights are rounded to BF16, by up to
// 2^-9 each.
inline double tolerance(KvFormat format) { return format == KvFormat::kF32 ? 1e-5 : 1.5e-2; }

// Computes each sequence in one chunk, all in one batch.
inline std::vector<float> whole(AttentionCase& c, Isa isa, Workers& workers) {
  std::vector<AttentionSequence> batch;
  for (size_t s = 0; s < c.lengths().size(); ++s) batch.push_back(c.part(s, 0, c.lengths()[s]));
  write_kv(c.layout(), c.blocks(), batch, c.kv_rows(), elementwise(isa), workers);
  std::vector<float> out = c.empty_output();
  PagedAttention attention(c.layout(), c.heads(), c.scale(), isa, workers);
  attention.run(c.blocks(), batch, c.attention_rows(out), workers);
  return out;
}

// Steps of random chunks of random sequences, until all is done.
inline std::vector<float> chunked(AttentionCase& c, Isa isa, Workers& workers, Random& random) {
  std::vector<float> out = c.empty_output();
  std::vector<int64_t> done(c.lengths().size(), 0);
  PagedAttention attention(c.layout(), c.heads(), c.scale(), isa, workers);
  for (bool left = true; left;) {
    left = false;
    std::vector<AttentionSequence> batch;
    for (size_t s = 0; s < done.size(); ++s) {
      const int64_t rest = c.lengths()[s] - done[s];
      left = left || rest > 0;
      if (rest == 0 || random.below(4) == 0) continue;
      const uint64_t most = random.below(3) == 0 ? 3 : 200;
      const int64_t tokens = std::min(rest, static_cast<int64_t>(1 + random.below(most)));
      batch.push_back(c.part(s, done[s], tokens));
      done[s] += tokens;
    }
    write_kv(c.layout(), c.blocks(), batch, c.kv_rows(), elementwise(isa), workers);
    attention.run(c.blocks(), batch, c.attention_rows(out), workers);
  }
  return out;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Against attention in double over the same blocks.
inline void check_against_double(Isa isa, int stride) {
  Random random(11);
  Workers workers(2, false);
  int pair = 0;
  for (const Shape& shape : kShapes) {
    for (const KvFormat format : kFormats) {
      if (pair++ % stride != 0) continue;
      const int64_t length = 1 + static_cast<int64_t>(random.below(300));
      AttentionCase c(layout_of(shape, format), shape.kv_heads * shape.group, {length, 1, 33},
                      random);
      const std::vector<float> out = whole(c, isa, workers);
      double worst = 0;
      for (size_t s = 0; s < 3; ++s) {
        for (int sample = 0; sample < 6; ++sample) {
          const auto position =
              static_cast<int64_t>(random.below(static_cast<uint64_t>(c.lengths()[s])));
          const auto head = static_cast<int64_t>(random.below(static_cast<uint64_t>(c.heads())));
          const std::vector<double> expected = c.reference(s, position, head);
          const int64_t row = c.part(s, position, 1).first_row;
          const float* got = out.data() + row * c.out_stride() + head * c.layout().value_dims;
          for (size_t i = 0; i < expected.size(); ++i) {
            const double error = std::fabs(got[i] - expected[i]);
            worst = error > worst || std::isnan(error) ? error : worst;
          }
        }
      }
      EXPECT_LE(worst, tolerance(format)) << kv_format_name(format) << " dims " << shape.dims;
      EXPECT_EQ(std::count(out.begin(), out.end(), -77.0F), 0);
    }
  }
}

// A query's result does not hang on chunks, batches or threads.
inline void check_invariance(Isa isa, int stride) {
  Random random(12);
  Workers one(1, false), three(3, false);
  int pair = 0;
  for (const Shape& shape : kShapes) {
    for (const KvFormat format : kFormats) {
      if (pair++ % stride != 0) continue;
      const int64_t length = 100 + static_cast<int64_t>(random.below(60));
      AttentionCase c(layout_of(shape, format), shape.kv_heads * shape.group, {length, 20}, random);
      const std::vector<float> expected = whole(c, isa, one);
      EXPECT_TRUE(same_bits(expected, whole(c, isa, three)));
      EXPECT_TRUE(same_bits(expected, chunked(c, isa, one, random)));
      EXPECT_TRUE(same_bits(expected, chunked(c, isa, three, random)));
    }
  }
}

}  // namespace weft::testing
