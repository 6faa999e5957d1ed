// Routing policies: the property of each, and the table of their names.
#include "sched/routing.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace weft {
namespace {

Request request_of(int64_t prompt) {
  Request request;
  request.id = RequestId(1);
  request.prompt = Tokens(prompt);
  request.max_output = Tokens(10);
  return request;
}

// Candidates as a router would have them: last_used differs except where it is 0.
std::vector<Candidate> draw_candidates(int64_t prompt) {
  const auto count = *rc::gen::inRange<size_t>(1, 9);
  std::vector<Candidate> out;
  for (size_t i = 0; i < count; ++i) {
    Candidate candidate;
    candidate.node = NodeId(static_cast<uint32_t>(i + 1));
    candidate.outstanding_tokens = *rc::gen::inRange<int64_t>(0, 5000);
    candidate.cached_tokens = *rc::gen::inRange<int64_t>(0, prompt + 1);
    candidate.packages = *rc::gen::inRange<int64_t>(1, 5);
    candidate.last_used = *rc::gen::inRange<uint64_t>(0, 3) * 10 + i;
    out.push_back(candidate);
  }
  return out;
}

RC_GTEST_PROP(Routing, RoundRobinTakesTheOneChosenLongestAgo, ()) {
  const Request request = request_of(100);
  const auto candidates = draw_candidates(100);
  const size_t chosen = route_round_robin({request, candidates, 0});
  for (const Candidate& other : candidates) {
    RC_ASSERT(candidates[chosen].last_used <= other.last_used);
  }
}

RC_GTEST_PROP(Routing, LeastTokensTakesTheLeastLoadPerPackage, ()) {
  const Request request = request_of(100);
  const auto candidates = draw_candidates(100);
  const Candidate& chosen = candidates[route_least_tokens({request, candidates, 0})];
  for (const Candidate& other : candidates) {
    RC_ASSERT(chosen.outstanding_tokens * other.packages <=
              other.outstanding_tokens * chosen.packages);
  }
}

RC_GTEST_PROP(Routing, PrefixAwareTakesTheLeastWorkLeftPerPackage, ()) {
  const int64_t prompt = 2000;
  const Request request = request_of(prompt);
  const auto candidates = draw_candidates(prompt);
  const auto work = [](const Candidate& c) {
    return c.outstanding_tokens + prompt - c.cached_tokens;
  };
  const Candidate& chosen = candidates[route_prefix_aware({request, candidates, 0})];
  for (const Candidate& other : candidates) {
    RC_ASSERT(work(chosen) * other.packages <= work(other) * chosen.packages);
  }
}

TEST(Routing, AmongEqualsTheOneChosenLongestAgo) {
  const Request request = request_of(100);
  std::vector<Candidate> candidates(3);
  candidates[0].last_used = 7;
  candidates[1].last_used = 3;
  candidates[2].last_used = 5;
  for (const RoutingPolicyEntry& policy : routing_policies()) {
    EXPECT_EQ(policy.choose({request, candidates, 0}), 1u) << policy.name;
  }
}

TEST(Routing, RoundRobinVisitsAllInTurn) {
  const Request request = request_of(100);
  std::vector<Candidate> candidates(4);
  std::vector<size_t> order;
  for (uint64_t turn = 1; turn <= 8; ++turn) {
    order.push_back(route_round_robin({request, candidates, turn}));
    candidates[order.back()].last_used = turn;
  }
  EXPECT_EQ(order, (std::vector<size_t>{0, 1, 2, 3, 0, 1, 2, 3}));
}

TEST(Routing, PrefixAwareLeavesTheCachedPrefixWhenItsQueueIsTooLong) {
  const Request request = request_of(1000);
  std::vector<Candidate> candidates(2);
  candidates[0].cached_tokens = 800;
  candidates[0].outstanding_tokens = 799;
  EXPECT_EQ(route_prefix_aware({request, candidates, 0}), 0u);
  candidates[0].outstanding_tokens = 801;
  EXPECT_EQ(route_prefix_aware({request, candidates, 0}), 1u);
}

TEST(Routing, PoliciesAreFoundByNameAndOthersAreNot) {
  std::set<std::string> names;
  for (const RoutingPolicyEntry& policy : routing_policies()) {
    EXPECT_TRUE(names.insert(std::string(policy.name)).second);
    EXPECT_EQ(find_routing_policy(policy.name), &policy);
    EXPECT_FALSE(policy.summary.empty());
    EXPECT_NE(policy.choose, nullptr);
  }
  for (const char* name : {"round_robin", "least_tokens", "prefix_aware"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  for (const char* name : {"", "Round_robin", "round_robin ", "random"}) {
    EXPECT_EQ(find_routing_policy(name), nullptr) << name;
  }
  EXPECT_TRUE(find_routing_policy("prefix_aware")->wants_prefixes);
  EXPECT_FALSE(find_routing_policy("least_tokens")->wants_prefixes);
}

}  // namespace
}  // namespace weft
