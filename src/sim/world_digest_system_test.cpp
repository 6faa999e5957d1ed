// One seed, one digest: twice in a process, and under every compiler and sanitizer, for the digests
// below are the same for all of them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sim/world_testing.h"

namespace weft {
namespace {

std::string scenario(const std::string& model, const std::string& pools, uint64_t seed) {
  return fmt::format(
             "model = \"{}\"\nhardware = \"h100-8\"\nseed = {}\n"
             "[workload]\narrivals = {{ process = \"gamma\", rate = 800, cv = 2 }}\n"
             "input_tokens = {{ dist = \"lognormal\", mean = 200, sigma = 0.8, max = 400 }}\n"
             "output_tokens = {{ dist = \"lognormal\", mean = 30, sigma = 0.6, max = 60 }}\n"
             "requests = 150\nprefix_reuse = 0.4\n"
             "[router]\npolicy = \"prefix_aware\"\ndetection_s = 0.01\n",
             model, seed) +
         pools;
}

constexpr char kUnified[] =
    "[[unified]]\ninstances = 3\ndevices = 2\nparallel = { tp = 2 }\nmax_batch_per_device = 4\n"
    "draft_tokens = 1\n";
constexpr char kApart[] =
    "[[prefill]]\ninstances = 2\ndevices = 2\nparallel = { tp = 2, ep = 2 }\n"
    "[[decode]]\ndevices = 4\nparallel = { dp = 4, ep = 4 }\ndraft_tokens = 1\n"
    "max_batch_per_device = 3\n"
    "[cache]\ntiers = [ { kind = \"dram\", gib_per_node = 0.001 },"
    " { kind = \"ssd\", tib_per_node = 0.00001, part = \"nvme-pcie5\" } ]\n";
constexpr char kFaults[] =
    "[[fault]]\nkind = \"instance_down\"\ntarget = \"prefill/1\"\nat_s = 0.05\nfor_s = 0.05\n"
    "[[fault]]\nkind = \"link_slow\"\ntarget = \"decode/0\"\nat_s = 0.02\n"
    "[[fault]]\nkind = \"die_slow\"\ntarget = \"decode/0\"\nat_s = 0.08\nfor_s = 0.1\n";

uint64_t digest(const std::string& toml) {
  auto deployment = deploy_text(toml);
  if (!deployment) return ADD_FAILURE() << deployment.error().message, 0;
  set_blocks(*deployment, 40);
  TestWorld world(*deployment, toml);
  EXPECT_TRUE(world.run(64).ok());
  EXPECT_EQ(lost_requests(world, workload_of(toml)), "");
  return world.digest();
}

TEST(WorldDigest, EqualSeedsAreEqualRunsAndOthersAreNot) {
  for (const std::string& pools : {std::string(kUnified), std::string(kApart) + kFaults}) {
    const uint64_t first = digest(scenario(tiny_moe_model(), pools, 1));
    EXPECT_EQ(digest(scenario(tiny_moe_model(), pools, 1)), first);
    EXPECT_NE(digest(scenario(tiny_moe_model(), pools, 2)), first);
  }
}

// A change here is a change of decisions or of modelled times: say in the changelog which and why,
// then write the new ones down.
TEST(WorldDigest, IsTheSameUnderEveryCompiler) {
  EXPECT_EQ(fmt::format("{:016x}", digest(scenario(tiny_dense_model(), kUnified, 1))),
            "99c8a235b5b7fcc4");
  EXPECT_EQ(fmt::format("{:016x}", digest(scenario(tiny_moe_model(), kApart, 1))),
            "a466399363e5d2ee");
  EXPECT_EQ(
      fmt::format("{:016x}", digest(scenario(tiny_moe_model(), std::string(kApart) + kFaults, 7))),
      "e37642efa6f5b281");
}

}  // namespace
}  // namespace weft
