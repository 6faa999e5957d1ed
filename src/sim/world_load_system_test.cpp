// Load: full pools, priorities, deadlines, policies, conversations, closed loops and the steady
// state.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "sim/world_testing.h"

namespace weft {
namespace {

std::string head(const std::string& more = "") {
  return "model = \"" + tiny_dense_model() + "\"\nhardware = \"h100-8\"\n" + more;
}

std::string made(const std::string& arrivals, int requests, const std::string& more = "") {
  return fmt::format(
      "[workload]\narrivals = {{ {} }}\ninput_tokens = {{ dist = \"uniform\", min = 50, max = 400 "
      "}}\n"
      "output_tokens = {{ dist = \"uniform\", min = 5, max = 50 }}\nrequests = {}\n{}",
      arrivals, requests, more);
}

constexpr char kPoisson[] = "process = \"poisson\", rate = 1000";

class WorldLoad : public testing::Test {
 protected:
  // Plays the scenario; every request must have ended once and every block be free.
  void play(const std::string& toml, int64_t blocks = 2000) {
    auto deployment = deploy_text(toml);
    ASSERT_TRUE(deployment.ok()) << deployment.error().message;
    deployment_ = std::make_unique<Deployment>(std::move(*deployment));
    set_blocks(*deployment_, blocks);
    asked_ = workload_of(toml);
    world_ = std::make_unique<TestWorld>(*deployment_, toml);
    const Status ran = world_->run();
    ASSERT_TRUE(ran.ok()) << ran.error().message;
    EXPECT_EQ(lost_requests(*world_, asked_), "");
    EXPECT_TRUE(world_->world().drained());
  }
  [[nodiscard]] const RunLog& log() const { return world_->log(); }

  std::unique_ptr<Deployment> deployment_;
  std::unique_ptr<TestWorld> world_;
  std::vector<Arrival> asked_;
};

TEST_F(WorldLoad, AFullDecodePoolLosesNothing) {
  const std::string pools =
      "[[prefill]]\ndevices = 1\n[[decode]]\ndevices = 1\nmax_batch_per_device = 2\n";
  play(head() + made(kPoisson, 100) + pools, 60);
  EXPECT_EQ(log().count(RequestEnd::kCompleted), 100);
  // With 27 blocks of 16 tokens the largest requests never fit; the others wait and are moved.
  play(head() + made(kPoisson, 100) + pools, 27);
  EXPECT_GT(log().count(RequestEnd::kRejected), 0);
  EXPECT_EQ(log().count(RequestEnd::kRejected) + log().count(RequestEnd::kCompleted), 100);
}

TEST_F(WorldLoad, AFullQueueRejectsAndCounts) {
  play(head("[router]\nmax_pending = 5\nmax_outstanding = 2\n") + made(kPoisson, 100) +
       "[[unified]]\ndevices = 1\n");
  EXPECT_GT(log().count(RequestEnd::kRejected), 0);
  EXPECT_GT(log().count(RequestEnd::kCompleted), 0);
}

TEST_F(WorldLoad, AShortQueueInAnInstanceSendsBackToTheRouter) {
  for (const char* pools :
       {"[[unified]]\ndevices = 1\nmax_waiting = 1\nmax_batch_per_device = 2\n",
        "[[prefill]]\ndevices = 1\nmax_waiting = 1\n[[decode]]\ndevices = 1\nmax_waiting = 1\n"}) {
    play(head() + made("process = \"poisson\", rate = 20000", 100) + pools, 60);
    EXPECT_EQ(log().count(RequestEnd::kCompleted), 100);
  }
}

// The place that a rejected request leaves is taken by the next one in line.
TEST_F(WorldLoad, WhoWaitsBehindARequestThatNeverFitsGoesOn) {
  play(head("[router]\nmax_outstanding = 1\n") +
           "[workload]\narrivals = { process = \"poisson\", rate = 1e6 }\n"
           "input_tokens = { dist = \"empirical\", values = [100, 5000] }\n"
           "output_tokens = { dist = \"fixed\", value = 5 }\nrequests = 40\n"
           "[[unified]]\ndevices = 1\n",
       60);
  const int64_t rejected = log().count(RequestEnd::kRejected);
  EXPECT_GT(rejected, 0);
  EXPECT_EQ(log().count(RequestEnd::kCompleted), 40 - rejected);
}

TEST_F(WorldLoad, UrgentRequestsOvertake) {
  play(head("[router]\nmax_outstanding = 4\n") + made(kPoisson, 300, "priorities = [0.8, 0.2]\n") +
       "[[unified]]\ndevices = 1\nmax_batch_per_device = 4\n");
  std::map<int64_t, int> priority;  // by instant of arrival
  for (const Arrival& a : asked_) priority[a.at.ns()] = a.priority;
  double ttft[2] = {0, 0};
  double count[2] = {0, 0};
  for (const RequestRecord& r : log().records) {
    const int p = priority.at(r.arrival.ns());
    ttft[p] += to_seconds(r.first_token - r.arrival);
    ++count[p];
  }
  ASSERT_GT(count[1], 0);
  EXPECT_LT(ttft[1] / count[1], 0.3 * ttft[0] / count[0]);
}

TEST_F(WorldLoad, WhoseDeadlineHasPassedIsDroppedAndCounted) {
  play(head("[router]\nmax_outstanding = 4\n") + made(kPoisson, 300, "deadline_s = 0.05\n") +
       "[[unified]]\ndevices = 1\nmax_batch_per_device = 4\n");
  const int64_t expired = log().count(RequestEnd::kExpired);
  EXPECT_GT(expired, 10);
  EXPECT_EQ(log().count(RequestEnd::kCompleted), 300 - expired);
  for (const RequestRecord& r : log().records) {
    if (r.end != RequestEnd::kCompleted) continue;
    EXPECT_LT(to_seconds(r.first_token - r.arrival), 0.05 + 0.02);  // started in time
  }
}

TEST_F(WorldLoad, RoutingByPrefixFindsMoreThanTakingTurns) {
  const std::string load = made("process = \"poisson\", rate = 300", 400,
                                "prefix_reuse = 0.8\nprefixes = 24\nprefix_skew = 0.5\n");
  std::map<std::string, int64_t> cached;
  for (const char* policy : {"round_robin", "least_tokens", "prefix_aware"}) {
    play(head(fmt::format("[router]\npolicy = \"{}\"\n", policy)) + load +
             "[[unified]]\ninstances = 6\ndevices = 1\n",
         150);
    cached[policy] = log().cached();
  }
  EXPECT_GT(cached["prefix_aware"], cached["round_robin"] * 3 / 2);
  EXPECT_GT(cached["prefix_aware"], cached["least_tokens"]);
}

TEST_F(WorldLoad, ConversationsKeepTheirOrder) {
  play(head() + made(kPoisson, 200, "conversations = { turns = 6, think_s = 0.001 }\n") +
       "[[unified]]\ninstances = 2\ndevices = 1\n");
  std::map<std::pair<int64_t, int64_t>, const RequestRecord*> found;  // by prompt and output
  for (const RequestRecord& r : log().records) found[{r.prompt, r.output}] = &r;
  ASSERT_EQ(found.size(), asked_.size()) << "no two turns have equal lengths";
  std::map<uint64_t, const RequestRecord*> last;
  int64_t followed = 0;
  for (const Arrival& a : asked_) {
    const RequestRecord* turn = found.at({a.prompt.count(), a.output.count()});
    if (const RequestRecord* before = last[a.conversation]) {
      EXPECT_GT(turn->arrival, before->last_token);
      ++followed;
    }
    last[a.conversation] = turn;
  }
  EXPECT_GT(followed, 100);
  EXPECT_GT(log().cached(), 0);  // a turn's prompt begins with the one before
}

TEST_F(WorldLoad, AClosedLoopKeepsItsNumberInFlight) {
  play(head("[router]\nmessage_latency_us = 0\n") + made("concurrency = 12", 200) +
       "[[unified]]\ninstances = 2\ndevices = 1\n");
  std::map<int64_t, int64_t> change;  // at an instant
  int64_t last_arrival = 0;
  for (const RequestRecord& r : log().records) {
    ++change[r.arrival.ns()];
    --change[r.last_token.ns()];
    last_arrival = std::max(last_arrival, r.arrival.ns());
  }
  int64_t in_flight = 0;
  for (const auto& [at, by] : change) {
    in_flight += by;
    if (at > last_arrival) break;
    EXPECT_EQ(in_flight, 12) << at;
  }
}

// What the cost model says of one step, the world delivers at length.
TEST_F(WorldLoad, TheSteadyStateIsTheCostModels) {
  constexpr int64_t kBatch = 64;
  constexpr int64_t kPrompt = 16;
  constexpr int64_t kOutput = 2000;
  for (const int draft : {0, 1}) {
    play(head() +
             fmt::format("[workload]\narrivals = {{ concurrency = {} }}\n"
                         "input_tokens = {{ dist = \"fixed\", value = {} }}\n"
                         "output_tokens = {{ dist = \"fixed\", value = {} }}\nrequests = {}\n"
                         "[[unified]]\ndevices = 1\nmax_batch_per_device = {}\ndraft_tokens = {}\n"
                         "acceptance = 1.0\n",
                         kBatch, kPrompt, kOutput, 4 * kBatch, kBatch, draft),
         kBatch * 130);
    const DeployedGroup& group = deployment_->groups.front();
    const StepModel model(deployment_->model, deployment_->systems.front(), group.config.layout,
                          deployment_->engine.spec);
    RankLoad load;
    load.decode_sequences = load.sampled = kBatch;
    load.decode_tokens = kBatch * (1 + draft);
    load.decode_context = kBatch * (kPrompt + kOutput / 2);
    const double expected =
        static_cast<double>(kBatch * (1 + draft)) / to_seconds(model.time({&load, 1}));
    const double found =
        static_cast<double>(4 * kBatch * kOutput) / world_->world().last_end().seconds();
    EXPECT_NEAR(found / expected, 1, 0.03) << "draft tokens " << draft;
  }
}

}  // namespace
}  // namespace weft
