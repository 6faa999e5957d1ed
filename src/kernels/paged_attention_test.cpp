// Paged attention against attention in double over the same blocks, for every instruction set of
// this machine; and that a query's result does not hang on chunks, batches or threads.
#include "kernels/paged_attention.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/attention_testing.h"

namespace weft {
namespace {

using testing::AttentionCase;

struct Shape {
  bool latent;
  int64_t kv_heads, group, dims, rope, block_tokens;
};

KvLayout layout_of(const Shape& shape, KvFormat format) {
  auto layout =
      shape.latent ? KvLayout::make_latent(shape.dims, shape.rope, shape.block_tokens, format)
                   : KvLayout::make_grouped(shape.kv_heads, shape.dims, shape.block_tokens, format);
  return layout.value();
}

const Shape kShapes[] = {
    {false, 2, 2, 128, 0, 128}, {false, 1, 1, 64, 0, 16}, {false, 3, 3, 80, 0, 48},
    {false, 1, 7, 32, 0, 32},   {true, 1, 5, 96, 32, 32}, {true, 1, 2, 64, 16, 16},
    {false, 1, 70, 16, 0, 16},  {true, 1, 66, 32, 8, 64},
};
const KvFormat kFormats[] = {KvFormat::kF32, KvFormat::kBf16, KvFormat::kInt8};

// Relative to the deviation 1 of the values. Queries and weights are rounded to BF16, by up to
// 2^-9 each.
double tolerance(KvFormat format) { return format == KvFormat::kF32 ? 1e-5 : 1.5e-2; }

// Computes each sequence in one chunk, all in one batch.
std::vector<float> whole(AttentionCase& c, Isa isa, Workers& workers) {
  std::vector<AttentionSequence> batch;
  for (size_t s = 0; s < c.lengths().size(); ++s) batch.push_back(c.part(s, 0, c.lengths()[s]));
  write_kv(c.layout(), c.blocks(), batch, c.kv_rows(), elementwise(isa), workers);
  std::vector<float> out = c.empty_output();
  PagedAttention attention(c.layout(), c.heads(), c.scale(), isa, workers);
  attention.run(c.blocks(), batch, c.attention_rows(out), workers);
  return out;
}

// Steps of random chunks of random sequences, until all is done.
std::vector<float> chunked(AttentionCase& c, Isa isa, Workers& workers, Random& random) {
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

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

class PagedAttentionTest : public ::testing::TestWithParam<Isa> {};

TEST_P(PagedAttentionTest, equals_attention_in_double) {
  Random random(11);
  Workers workers(2, false);
  for (const Shape& shape : kShapes) {
    for (const KvFormat format : kFormats) {
      const int64_t length = 1 + static_cast<int64_t>(random.below(300));
      AttentionCase c(layout_of(shape, format), shape.kv_heads * shape.group, {length, 1, 33},
                      random);
      const std::vector<float> out = whole(c, GetParam(), workers);
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

TEST_P(PagedAttentionTest, does_not_hang_on_chunks_batches_or_threads) {
  Random random(12);
  Workers one(1, false), three(3, false);
  for (const Shape& shape : kShapes) {
    for (const KvFormat format : kFormats) {
      const int64_t length = 100 + static_cast<int64_t>(random.below(60));
      AttentionCase c(layout_of(shape, format), shape.kv_heads * shape.group, {length, 20}, random);
      const std::vector<float> expected = whole(c, GetParam(), one);
      EXPECT_TRUE(same_bits(expected, whole(c, GetParam(), three)));
      EXPECT_TRUE(same_bits(expected, chunked(c, GetParam(), one, random)));
      EXPECT_TRUE(same_bits(expected, chunked(c, GetParam(), three, random)));
    }
  }
}

TEST_P(PagedAttentionTest, long_contexts_are_split_without_a_trace) {
  Random random(13);
  Workers one(1, false), three(3, false);
  for (const Shape& shape : {Shape{false, 1, 2, 32, 0, 128}, Shape{true, 1, 2, 32, 32, 64}}) {
    AttentionCase c(layout_of(shape, KvFormat::kBf16), 2, {2100}, random);
    const std::vector<float> expected = whole(c, GetParam(), one);
    EXPECT_TRUE(same_bits(expected, whole(c, GetParam(), three)));
    PagedAttention attention(c.layout(), c.heads(), c.scale(), GetParam(), three);
    for (const int64_t position : {2099, 2048, 2047, 1024, 0}) {
      std::vector<float> out = c.empty_output();
      const AttentionSequence last = c.part(0, position, 1);
      attention.run(c.blocks(), {&last, 1}, c.attention_rows(out), three);
      const auto at = static_cast<size_t>(position * c.out_stride());
      const auto n = static_cast<size_t>(c.out_stride());
      EXPECT_EQ(std::memcmp(out.data() + at, expected.data() + at, n * sizeof(float)), 0);
    }
    const std::vector<double> reference = c.reference(0, 2099, 1);
    const float* got = expected.data() + 2099 * c.out_stride() + c.layout().value_dims;
    for (size_t i = 0; i < reference.size(); ++i) EXPECT_NEAR(got[i], reference[i], 2e-3);
  }
}

TEST_P(PagedAttentionTest, large_scores_neither_overflow_nor_lose_the_largest) {
  Random random(14);
  Workers workers(1, false);
  AttentionCase c(layout_of({false, 1, 1, 32, 0, 16}, KvFormat::kF32), 1, {200}, random);
  std::vector<AttentionSequence> batch = {c.part(0, 0, 200)};
  write_kv(c.layout(), c.blocks(), batch, c.kv_rows(), elementwise(GetParam()), workers);
  std::vector<float> out = c.empty_output();
  PagedAttention attention(c.layout(), 1, 1000.0F, GetParam(), workers);
  attention.run(c.blocks(), batch, c.attention_rows(out), workers);
  for (const float value : out) EXPECT_TRUE(std::isfinite(value));
}

INSTANTIATE_TEST_SUITE_P(Isas, PagedAttentionTest, ::testing::ValuesIn(available_isas()),
                         [](const auto& test) { return std::string(isa_name(test.param)); });

}  // namespace
}  // namespace weft
