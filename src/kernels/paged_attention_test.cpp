// Paged attention against attention in double over the same blocks, for every instruction set of
// this machine; and that a query's result does not hang on chunks, batches or threads.
#include "kernels/paged_attention.h"

#include "kernels/paged_attention_testing.h"

namespace weft {
namespace {

using testing::AttentionCase;
using testing::layout_of;
using testing::same_bits;
using testing::Shape;
using testing::whole;

constexpr int kSample = 7;  // all: paged_attention_system_test.cpp

class PagedAttentionTest : public ::testing::TestWithParam<Isa> {};

TEST_P(PagedAttentionTest, equals_attention_in_double) {
  testing::check_against_double(GetParam(), kSample);
}

TEST_P(PagedAttentionTest, does_not_hang_on_chunks_batches_or_threads) {
  testing::check_invariance(GetParam(), kSample);
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
