// What faults do: dead pools, returns, slow dies and links, lost tiers. Nobody is forgotten.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sim/world_testing.h"

namespace weft {
namespace {

std::string load(int requests, double rate) {
  return fmt::format(
      "[workload]\narrivals = {{ process = \"poisson\", rate = {} }}\n"
      "input_tokens = {{ dist = \"uniform\", min = 100, max = 400 }}\n"
      "output_tokens = {{ dist = \"uniform\", min = 5, max = 50 }}\n"
      "requests = {}\nprefix_reuse = 0.5\n",
      rate, requests);
}

std::string head(const std::string& more = "") {
  return "model = \"" + tiny_dense_model() + "\"\nhardware = \"h100-8\"\n" + more;
}

std::string pool(const std::string& role, int instances) {
  return fmt::format("[[{}]]\ninstances = {}\ndevices = 1\nmax_batch_per_device = 8\n", role,
                     instances);
}

std::string fault(const std::string& kind, const std::string& target, double at_s, double for_s,
                  double factor = 0) {
  std::string out =
      fmt::format("[[fault]]\nkind = \"{}\"\ntarget = \"{}\"\nat_s = {}\nfor_s = {}\n", kind,
                  target, at_s, for_s);
  return factor > 0 ? out + fmt::format("factor = {}\n", factor) : out;
}

struct Outcome {
  std::string lost;
  bool drained = false;
  int64_t completed = 0;
  int64_t failed = 0;
  int64_t cached = 0;
  int64_t retries = 0;
  double busy_s = 0;
  double end_s = 0;
  double mean_gap_s = 0;  // first token to last
};

Outcome play(const std::string& toml, int64_t blocks = 200) {
  auto deployment = deploy_text(toml);
  if (!deployment) return {deployment.error().message};
  set_blocks(*deployment, blocks);
  TestWorld world(*deployment, toml);
  const Status ran = world.run();
  if (!ran) return {ran.error().message};
  Outcome out;
  out.lost = lost_requests(world, workload_of(toml));
  out.drained = world.world().drained();
  out.completed = world.log().count(RequestEnd::kCompleted);
  out.failed = world.log().count(RequestEnd::kFailed);
  out.cached = world.log().cached();
  out.busy_s = to_seconds(world.log().busy);
  out.end_s = world.world().last_end().seconds();
  for (const RequestRecord& r : world.log().records) {
    out.retries += r.retries;
    out.mean_gap_s += to_seconds(r.last_token - r.first_token);
  }
  out.mean_gap_s /= static_cast<double>(world.log().records.size());
  return out;
}

constexpr int kRequests = 60;

void expect_dead_pool(const std::string& pools, const std::string& target,
                      const std::string& workload = load(kRequests, 1000)) {
  SCOPED_TRACE(target);
  const Outcome out = play(head() + workload + pools + fault("instance_down", target, 0.02, 0));
  EXPECT_EQ(out.lost, "");
  EXPECT_TRUE(out.drained) << "what waited for the dead pool holds no blocks elsewhere";
  EXPECT_GT(out.completed, 0);
  EXPECT_GT(out.failed, 0);
  EXPECT_EQ(out.completed + out.failed, kRequests);
}

TEST(WorldFaults, EveryRequestEndsWhenAPoolIsGoneForGood) {
  expect_dead_pool(pool("unified", 1), "unified/0");
  expect_dead_pool(pool("prefill", 1) + pool("decode", 1), "prefill/0");
  expect_dead_pool(pool("prefill", 1) + pool("decode", 1), "decode/0");
}

// Clients that wait for an answer before they go on are counted too.
TEST(WorldFaults, EveryTurnAndEveryClientIsCountedWhenAPoolIsGone) {
  const std::string lengths =
      "input_tokens = { dist = \"uniform\", min = 50, max = 90 }\n"
      "output_tokens = { dist = \"fixed\", value = 20 }\nrequests = 60\n";
  const std::string talks =
      "[workload]\narrivals = { process = \"poisson\", rate = 1000 }\n"
      "conversations = { turns = 5, think_s = 0.002, max_tokens = 1000 }\n" +
      lengths;
  const std::string loop = "[workload]\narrivals = { concurrency = 4 }\n" + lengths;
  for (const std::string& workload : {talks, loop}) {
    expect_dead_pool(pool("unified", 1), "unified/0", workload);
    expect_dead_pool(pool("prefill", 1) + pool("decode", 1), "decode/0", workload);
  }
}

TEST(WorldFaults, RequestsGoOnElsewhereOrWaitForTheReturn) {
  for (const int instances : {1, 2}) {
    for (const char* role : {"prefill", "decode"}) {
      const std::string toml = head("[router]\ndetection_s = 0.01\n") + load(kRequests, 1000) +
                               pool("prefill", instances) + pool("decode", instances) +
                               fault("instance_down", fmt::format("{}/0", role), 0.02, 0.03);
      const Outcome out = play(toml);
      EXPECT_EQ(out.lost, "") << toml;
      EXPECT_TRUE(out.drained);
      EXPECT_EQ(out.completed, kRequests);
      EXPECT_GT(out.retries, 0) << toml;
    }
  }
}

TEST(WorldFaults, RetriesHaveALimit) {
  const std::string toml = head("[router]\nmax_retries = 0\ndetection_s = 0.01\n") +
                           load(kRequests, 1000) + pool("unified", 2) +
                           fault("instance_down", "unified/0", 0.02, 0.01);
  const Outcome out = play(toml);
  EXPECT_EQ(out.lost, "");
  EXPECT_GT(out.failed, 0);
  EXPECT_EQ(out.retries, out.failed);
}

// Down, up, down and up within one detection time.
TEST(WorldFaults, AFlappingNodeIsSurvived) {
  for (const char* target : {"prefill/0", "decode/0"}) {
    std::string toml = head("[router]\ndetection_s = 0.02\n") + load(kRequests, 1000) +
                       pool("prefill", 2) + pool("decode", 2);
    for (const double at : {0.015, 0.02, 0.024, 0.031}) {
      toml += fault("instance_down", target, at, 0.002);
    }
    const Outcome out = play(toml);
    EXPECT_EQ(out.lost, "") << target;
    EXPECT_TRUE(out.drained);
    EXPECT_EQ(out.completed, kRequests);
  }
}

TEST(WorldFaults, ASlowDieStretchesTheStepsOfItsTime) {
  const std::string alone =
      "[workload]\narrivals = { concurrency = 1 }\ninput_tokens = { dist = \"fixed\", value = 64 "
      "}\n"
      "output_tokens = { dist = \"fixed\", value = 50 }\nrequests = 10\n";
  const Outcome healthy = play(head() + alone + pool("unified", 1));
  const Outcome slow =
      play(head() + alone + pool("unified", 1) + fault("die_slow", "unified/0", 0, 0, 3));
  EXPECT_NEAR(slow.busy_s / healthy.busy_s, 3, 1e-3);
  const Outcome half = play(head() + alone + pool("unified", 1) +
                            fault("die_slow", "unified/0", 0, healthy.end_s / 2, 2));
  EXPECT_NEAR(half.end_s / healthy.end_s, 1.25, 0.01);  // a quarter was done in the first half
}

TEST(WorldFaults, ASlowLinkDelaysTheWayFromPrefillToDecode) {
  const std::string alone =
      "[workload]\narrivals = { concurrency = 1 }\n"
      "input_tokens = { dist = \"fixed\", value = 3000 }\n"
      "output_tokens = { dist = \"fixed\", value = 2 }\nrequests = 10\n";
  const std::string pools = pool("prefill", 1) + pool("decode", 1);
  const double healthy = play(head() + alone + pools).mean_gap_s;
  const double slow =
      play(head() + alone + pools + fault("link_slow", "decode/0", 0, 0, 0.01)).mean_gap_s;
  // 3,000 tokens of 4 KiB each over NVLink: 99 more times at a hundredth of its bandwidth.
  auto deployment = deploy_text(head() + alone + pools);
  ASSERT_TRUE(deployment.ok());
  const double bytes = 3000 * deployment->cluster.instances.front().kv_bytes_per_token;
  const double copy_s = bytes / deployment->systems.front().scale_up.bandwidth;
  EXPECT_NEAR(slow - healthy, 99 * copy_s, 0.01 * 99 * copy_s);
}

TEST(WorldFaults, ALostTierIsFilledAgain) {
  const std::string dram = "[cache]\ntiers = [ { kind = \"dram\", gib_per_node = 1 } ]\n";
  const std::string toml = head() + load(200, 500) + pool("unified", 4) + dram;
  const Outcome healthy = play(toml, 60);
  const Outcome gap = play(toml + fault("tier_down", "dram", 0.1, 0.1), 60);
  const Outcome gone = play(toml + fault("tier_down", "dram", 0, 0), 60);
  for (const Outcome* out : {&healthy, &gap, &gone}) {
    EXPECT_EQ(out->lost, "");
    EXPECT_EQ(out->completed, 200);
  }
  EXPECT_LT(gap.cached, healthy.cached);
  EXPECT_LT(gone.cached, gap.cached);
}

TEST(WorldFaults, ADeadCacheNodeHoldsNobodyUp) {
  const std::string dram = "[cache]\ntiers = [ { kind = \"dram\", gib_per_node = 1 } ]\n";
  for (const double for_s : {0.0, 0.05}) {
    const Outcome out =
        play(head("[router]\ndetection_s = 0.005\n") + load(200, 500) + pool("unified", 4) + dram +
             fault("instance_down", "cache/0", 0.1, for_s));
    EXPECT_EQ(out.lost, "");
    EXPECT_EQ(out.completed, 200);
    EXPECT_TRUE(out.drained);
  }
}

}  // namespace
}  // namespace weft
