// Products of random shapes, every format on every instruction set of this machine, against the
// plain reference; the unit suite takes a few.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "kernels/multiply_testing.h"

namespace weft {
namespace {

RC_GTEST_PROP(MultiplyOfRandomShapes, IsNearTheReference, ()) {
  const int64_t m = *rc::gen::inRange<int64_t>(1, 80), n = *rc::gen::inRange<int64_t>(1, 150),
                k = *rc::gen::inRange<int64_t>(1, 400);
  Random random(*rc::gen::arbitrary<uint64_t>());
  RC_ASSERT(testing::worst_error(m, n, k, random) < 1e-5);
}

}  // namespace
}  // namespace weft
