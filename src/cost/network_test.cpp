// Collectives: formulas at known sizes, both levels, and CM Table 7.
#include "cost/network.h"

#include <gtest/gtest.h>

#include "cost/fixtures.h"
#include "cost/sharding.h"

namespace weft {
namespace {

const EngineCosts kEngine;

TEST(Network, OneDieIsFree) {
  const System system = fixtures::h100(8);
  EXPECT_EQ(all_reduce(system, kEngine, 1).fixed, 0);
  EXPECT_EQ(all_gather(system, kEngine, 1).per_byte, 0);
  EXPECT_EQ(exchange(system, kEngine, {.dies = 1, .copies = 8}).fixed, 0);
}

TEST(Network, AllReduceMovesTheTensorTwice) {
  const System system = fixtures::h100(16);
  const Transfer inside = all_reduce(system, kEngine, 8);
  EXPECT_DOUBLE_EQ(inside.per_byte, 2 * (7.0 / 8) / 360e9);
  EXPECT_DOUBLE_EQ(inside.fixed, 6e-6 + 3 * 1e-6);
  const Transfer across = all_reduce(system, kEngine, 16);
  EXPECT_DOUBLE_EQ(across.per_byte, 2 * ((7.0 / 8) / 360e9 + (1.0 / 2) / 8 / 45e9));
  EXPECT_GT(across.fixed, inside.fixed);
}

TEST(Network, SlowestPortSetsAllToAll) {
  const System system = fixtures::h100(16);
  EXPECT_DOUBLE_EQ(all_to_all(system, kEngine, 8).per_byte, (7.0 / 8) / 360e9);
  EXPECT_DOUBLE_EQ(all_to_all(system, kEngine, 16).per_byte, (8.0 / 16) / 45e9);
}

TEST(Network, CopiesForOneDomainLeaveOnce) {
  const System system = fixtures::h800(32);
  ExchangeShape shape{.dies = 32, .copies = 8};
  const double alone = exchange(system, kEngine, shape).per_byte;
  EXPECT_DOUBLE_EQ(alone, 8 * (24.0 / 32) / 45e9);
  shape.per_domain = true;
  const double together = exchange(system, kEngine, shape).per_byte;
  EXPECT_LT(together, alone / 2);
  shape.domain_limit = 1;
  EXPECT_LE(exchange(system, kEngine, shape).per_byte, together);
}

// 128 tokens per die, eight routed experts and the shared one. The plain model is within a quarter
// of every entry.
TEST(Network, NearCloudMatrixTable7) {
  const System system = fixtures::cloudmatrix384();
  const ModelShape model = fixtures::deepseek_r1();
  struct Row {
    int ep;
    double dispatch_us;
    double combine_us;
  };
  for (const Row row : {Row{8, 116, 118}, Row{16, 131, 132}, Row{32, 133, 146}, Row{64, 141, 150},
                        Row{128, 152, 150}, Row{256, 152, 149}}) {
    const Transfer transfer = exchange(system, kEngine, {.dies = row.ep, .copies = 9});
    const double dispatch =
        transfer.fixed + transfer.per_byte * 128 * dispatch_bytes(model, Format::kInt8);
    const double combine = transfer.fixed + transfer.per_byte * 128 * combine_bytes(model);
    EXPECT_NEAR(dispatch * 1e6 / row.dispatch_us, 1, 0.25) << "dispatch, EP" << row.ep;
    EXPECT_NEAR(combine * 1e6 / row.combine_us, 1, 0.25) << "combine, EP" << row.ep;
  }
}

}  // namespace
}  // namespace weft
