// Features compose: every mix of pools, MTP, expert parallelism, tiers, chips, policies and faults
// plays a small load to a clean end, twice alike.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sim/world_testing.h"

namespace weft {
namespace {

constexpr int64_t kBlocks = 28;  // of 16 tokens: enough for two or three requests of a rank

struct Cell {
  bool apart = false;  // prefill and decode
  bool mtp = false;
  int experts = 0;  // 0: a dense model; else the expert parallel degree
  int tiers = 0;
  bool two_chips = false;
  std::string policy;
};

std::string name(const Cell& c) {
  return fmt::format("{}{} {} tiers={} {} {}", c.apart ? "disaggregated" : "unified",
                     c.mtp ? " mtp" : "", c.experts == 0 ? "dense" : fmt::format("ep{}", c.experts),
                     c.tiers, c.two_chips ? "two chips" : "one chip", c.policy);
}

// Two instances of the role on the first chip and one on the second: 4 dies each.
std::string pool(const Cell& c, const std::string& role) {
  const bool first = role == "prefill";  // tensor parallel; the others data parallel
  const std::string parallel = first ? fmt::format("{{ tp = 4, ep = {} }}", std::max(1, c.experts))
                                     : fmt::format("{{ dp = 4, ep = {} }}", std::max(1, c.experts));
  const std::string common =
      fmt::format("parallel = {}\nmax_tokens_per_step = 256\nmax_waiting = 64\n{}", parallel,
                  first || !c.mtp ? "" : "draft_tokens = 1\nacceptance = 0.7\n");
  std::string out = fmt::format("[[{}]]\ninstances = {}\ndevices = 4\nmax_batch_per_device = 3\n{}",
                                role, c.two_chips ? 1 : 2, common);
  if (!c.two_chips) return out;
  return out +
         fmt::format("[[{}]]\nhardware = \"a3-node\"\ndevices = 2\nmax_batch_per_device = 6\n{}",
                     role, common);
}

std::string scenario(const Cell& c, const std::string& fault) {
  const std::string dram = "{ kind = \"dram\", gib_per_node = 0.0004 }";
  const std::string ssd = "{ kind = \"ssd\", tib_per_node = 0.000002, part = \"nvme-pcie5\" }";
  const std::string tiers[] = {"", dram, dram + ", " + ssd};
  return fmt::format(
             "model = \"{}\"\nhardware = \"2xh100-8\"\n"
             "[workload]\narrivals = {{ process = \"poisson\", rate = 3000 }}\n"
             "input_tokens = {{ dist = \"uniform\", min = 20, max = 200 }}\n"
             "output_tokens = {{ dist = \"uniform\", min = 1, max = 60 }}\n"
             "requests = 40\nprefix_reuse = 0.5\nprefixes = 3\npriorities = [0.8, 0.2]\n"
             "[router]\npolicy = \"{}\"\ndecode_policy = \"{}\"\ndetection_s = 0.004\n"
             "[cache]\ntiers = [ {} ]\n",
             c.experts == 0 ? tiny_dense_model() : tiny_moe_model(), c.policy, c.policy,
             tiers[c.tiers]) +
         (c.apart ? pool(c, "prefill") + pool(c, "decode") : pool(c, "unified")) + fault;
}

std::string fault(const char* kind, const std::string& target, bool back) {
  return fmt::format("[[fault]]\nkind = \"{}\"\ntarget = \"{}\"\nat_s = 0.011\n{}", kind, target,
                     back ? "for_s = 0.012\n" : "");
}

std::vector<std::string> faults(const Cell& c) {
  std::vector<std::string> out{""};
  for (const char* role : {"prefill", "decode", "unified"}) {
    if (c.apart == (role == std::string("unified"))) continue;
    const std::string target = fmt::format("{}/0", role);
    for (const bool back : {true, false}) out.push_back(fault("instance_down", target, back));
    out.push_back(fault("die_slow", target, true));
    out.push_back(fault("link_slow", target, true));
  }
  if (c.tiers == 0) return out;
  out.push_back(fault("tier_down", c.tiers == 1 ? "dram" : "ssd", true));
  for (const bool back : {true, false}) out.push_back(fault("instance_down", "cache/0", back));
  // A node comes back while a cache node is gone for good.
  out.push_back(fault("instance_down", "cache/0", false) +
                "[[fault]]\nkind = \"instance_down\"\ntarget = \"" +
                (c.apart ? "prefill/0" : "unified/0") + "\"\nat_s = 0.018\nfor_s = 0.002\n");
  return out;
}

struct Totals {
  int64_t worlds = 0;
  int64_t preemptions = 0;
  int64_t retries = 0;
  int64_t cached = 0;
};

void play(const Deployment& deployment, const std::string& toml, Totals& totals) {
  const auto asked = workload_of(toml);
  TestWorld first(deployment, toml);
  ASSERT_TRUE(first.run(8).ok());
  EXPECT_EQ(lost_requests(first, asked), "");
  EXPECT_TRUE(first.world().drained());
  EXPECT_EQ(first.log().count(RequestEnd::kCompleted), static_cast<int64_t>(asked.size()));
  TestWorld second(deployment, toml);
  ASSERT_TRUE(second.run(0).ok());
  EXPECT_EQ(first.digest(), second.digest());
  totals.worlds += 2;
  totals.preemptions += first.preemptions();
  totals.cached += first.log().cached();
  for (const RequestRecord& record : first.log().records) totals.retries += record.retries;
}

// Every mix; debug builds take every fourth, which meets all of each kind.
std::vector<Cell> cells(bool apart, bool mtp) {
  const char* policies[] = {"round_robin", "least_tokens", "prefix_aware"};
  std::vector<Cell> out;
  for (const int experts : {0, 1, 4}) {
    for (const int tiers : {0, 1, 2}) {
      for (const bool two_chips : {false, true}) {
        for (const char* policy : policies) {
          out.push_back({apart, mtp, experts, tiers, two_chips, policy});
        }
      }
    }
  }
#ifndef NDEBUG
  size_t index = 0;
  std::erase_if(out, [&](const Cell&) { return index++ % 4 != 0; });
#endif
  return out;
}

void walk(bool apart, bool mtp, Totals& totals) {
  for (const Cell& cell : cells(apart, mtp)) {
    auto deployment = deploy_text(scenario(cell, ""));
    ASSERT_TRUE(deployment.ok()) << deployment.error().message;
    set_blocks(*deployment, kBlocks);
    for (const std::string& what : faults(cell)) {
      SCOPED_TRACE(name(cell) + "\n" + what);
      play(*deployment, scenario(cell, what), totals);
      if (testing::Test::HasFailure()) return;
    }
  }
}

class WorldMatrix : public testing::TestWithParam<std::tuple<bool, bool>> {};

TEST_P(WorldMatrix, EveryCellEndsCleanAndTwiceAlike) {
  Totals totals;
  walk(std::get<0>(GetParam()), std::get<1>(GetParam()), totals);
  // The small worlds are tight enough that blocks run out, faults hit and prefixes are found.
  EXPECT_GT(totals.preemptions, totals.worlds / 8);
  EXPECT_GT(totals.retries, totals.worlds / 8);
  EXPECT_GT(totals.cached, totals.worlds * 100);
  RecordProperty("worlds", std::to_string(totals.worlds));
}

INSTANTIATE_TEST_SUITE_P(All, WorldMatrix, testing::Combine(testing::Bool(), testing::Bool()),
                         [](const auto& tested) {
                           return std::string(std::get<0>(tested.param) ? "Apart" : "Unified") +
                                  (std::get<1>(tested.param) ? "Mtp" : "");
                         });

}  // namespace
}  // namespace weft
