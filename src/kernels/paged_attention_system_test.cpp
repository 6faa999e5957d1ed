// Paged attention for every pair of a shape and a KV format, on every instruction set of this
// machine; the unit suite takes a sample.
#include "kernels/paged_attention_testing.h"

namespace weft {
namespace {

class PagedAttentionOfAllShapes : public ::testing::TestWithParam<Isa> {};

TEST_P(PagedAttentionOfAllShapes, equals_attention_in_double) {
  testing::check_against_double(GetParam(), 1);
}

TEST_P(PagedAttentionOfAllShapes, does_not_hang_on_chunks_batches_or_threads) {
  testing::check_invariance(GetParam(), 1);
}

INSTANTIATE_TEST_SUITE_P(Isas, PagedAttentionOfAllShapes, ::testing::ValuesIn(available_isas()),
                         [](const auto& test) { return std::string(isa_name(test.param)); });

}  // namespace
}  // namespace weft
