// Made loads: the moments of the processes and distributions, conversations, determinism.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "sim/workload_testing.h"

namespace weft {
namespace {

const std::string kLengths =
    "input_tokens = { dist = \"fixed\", value = 100 }\n"
    "output_tokens = { dist = \"fixed\", value = 10 }\n";

struct Moments {
  double mean = 0, cv = 0;
};

Moments moments(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) {
    sum += value;
    squares += value * value;
  }
  const double mean = sum / count;
  return {mean, std::sqrt(std::max(0.0, squares / count - mean * mean)) / mean};
}

Moments gaps_of(const std::string& arrivals) {
  const auto all = arrivals_of("arrivals = " + arrivals + "\nrequests = 100000\n" + kLengths);
  std::vector<double> gaps;
  for (size_t i = 1; i < all.size(); ++i) gaps.push_back(to_seconds(all[i].at - all[i - 1].at));
  return moments(gaps);
}

TEST(MadeArrivals, GapsHaveTheMeanAndVariationAskedFor) {
  const Moments poisson = gaps_of("{ process = \"poisson\", rate = 40.0 }");
  EXPECT_NEAR(poisson.mean, 0.025, 0.025 * 0.015);
  EXPECT_NEAR(poisson.cv, 1.0, 0.02);
  for (const double cv : {0.5, 2.0, 4.0}) {
    const Moments gamma = gaps_of(fmt::format("{{ process = \"gamma\", rate = 8, cv = {} }}", cv));
    EXPECT_NEAR(gamma.mean, 0.125, 0.125 * 0.015 * cv);
    EXPECT_NEAR(gamma.cv, cv, 0.04 * cv);
  }
  // Weibull of shape 1/2: the variation is sqrt(5) (its second moment is 4! / 2!^2 of the mean's).
  const Moments weibull = gaps_of("{ process = \"weibull\", rate = 8, shape = 0.5 }");
  EXPECT_NEAR(weibull.mean, 0.125, 0.125 * 0.04);
  EXPECT_NEAR(weibull.cv, std::sqrt(5.0), 0.15);
}

TEST(MadeArrivals, PoissonCountsHaveTheVarianceOfTheirMean) {
  const auto all = arrivals_of("arrivals = { rate = 10 }\nduration_s = 20000\n" + kLengths);
  std::vector<double> counts(20'000);
  for (const Arrival& arrival : all) ++counts[static_cast<size_t>(arrival.at.seconds())];
  const Moments found = moments(counts);
  EXPECT_NEAR(found.mean, 10, 0.1);
  EXPECT_NEAR(found.cv * found.cv * found.mean, 1.0, 0.04);
}

TEST(MadeArrivals, FixedOnesDoNotDrift) {
  const auto all =
      arrivals_of("arrivals = { process = \"fixed\", rate = 3 }\nduration_s = 1000\n" + kLengths);
  ASSERT_EQ(all.size(), 3000u);
  EXPECT_EQ(all[0].at, Instant());
  EXPECT_EQ(all[2999].at.ns(), 999'666'666'667);
}

TEST(MadeArrivals, AClosedLoopHasNoInstants) {
  auto workload = workload_from("arrivals = { concurrency = 512 }\nrequests = 1000\n" + kLengths);
  ASSERT_TRUE(workload.ok());
  EXPECT_EQ(workload->concurrency(), 512);
  EXPECT_EQ(workload->expected_requests(), 1000u);
  Arrival arrival;
  uint64_t count = 0;
  for (; workload->next(arrival).value(); ++count) EXPECT_EQ(arrival.at, Instant());
  EXPECT_EQ(count, 1000u);
  EXPECT_EQ(workload->progress(), 1.0);
}

std::vector<double> lengths_of(const std::string& dist) {
  const auto all = arrivals_of(
      "arrivals = { rate = 1 }\nrequests = 100000\noutput_tokens = { value = 1 }\n"
      "input_tokens = " +
      dist);
  std::vector<double> out;
  out.reserve(all.size());
  for (const Arrival& arrival : all) out.push_back(arrival.prompt.as_double());
  return out;
}

TEST(MadeLengths, HaveTheMomentsAskedFor) {
  EXPECT_EQ(moments(lengths_of("{ dist = \"fixed\", value = 4096 }")).mean, 4096);
  const auto uniform = lengths_of("{ dist = \"uniform\", min = 10, max = 20 }");
  EXPECT_NEAR(moments(uniform).mean, 15, 0.05);
  EXPECT_EQ(*std::min_element(uniform.begin(), uniform.end()), 10);
  EXPECT_EQ(*std::max_element(uniform.begin(), uniform.end()), 20);
  const Moments lognormal =
      moments(lengths_of("{ dist = \"lognormal\", mean = 256, sigma = 0.7 }"));
  EXPECT_NEAR(lognormal.mean, 256, 2.5);
  EXPECT_NEAR(lognormal.cv, std::sqrt(std::exp(0.49) - 1), 0.02);
  const Moments exponential = moments(lengths_of("{ dist = \"exponential\", mean = 300 }"));
  EXPECT_NEAR(exponential.mean, 300, 4);
  EXPECT_NEAR(exponential.cv, 1, 0.02);
}

TEST(MadeLengths, ClampsHold) {
  const auto all =
      lengths_of("{ dist = \"lognormal\", mean = 256, sigma = 2, min = 100, max = 1000 }");
  EXPECT_EQ(*std::min_element(all.begin(), all.end()), 100);
  EXPECT_EQ(*std::max_element(all.begin(), all.end()), 1000);
}

TEST(MadeLengths, EmpiricalOnesFollowTheirWeights) {
  std::map<double, double> share;
  for (const double value :
       lengths_of("{ dist = \"empirical\", values = [5, 7, 9, 11], weights = [1, 0, 3, 0] }")) {
    share[value] += 1e-5;
  }
  EXPECT_EQ(share.size(), 2u);
  EXPECT_NEAR(share[5], 0.25, 0.01);
  EXPECT_NEAR(share[9], 0.75, 0.01);
  EXPECT_NEAR(moments(lengths_of("{ dist = \"empirical\", values = [1, 2, 3] }")).mean, 2, 0.02);
}

TEST(MadeLengths, EachPurposeHasItsOwnStream) {
  const std::string front = "arrivals = { rate = 5 }\nrequests = 100\n";
  const auto a = arrivals_of(front + kLengths);
  const auto b = arrivals_of(front +
                             "input_tokens = { dist = \"exponential\", mean = 9 }\n"
                             "output_tokens = { dist = \"fixed\", value = 10 }\n");
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].at, b[i].at);
}

const std::string kConversations =
    "arrivals = { rate = 20 }\nprefix_reuse = 0.5\n"
    "conversations = { turns = 5, think_s = 3 }\n"
    "input_tokens = { dist = \"exponential\", mean = 80 }\n"
    "output_tokens = { dist = \"exponential\", mean = 120 }\n";

TEST(Conversations, ATurnIsTheFormerPromptItsAnswerAndANewMessage) {
  std::map<uint64_t, Arrival> former;
  uint64_t followed = 0;
  for (const Arrival& arrival : arrivals_of("requests = 6000\n" + kConversations)) {
    ASSERT_NE(arrival.conversation, 0u);
    int64_t known = 0;
    for (const Segment& segment : arrival.segments) known += segment.tokens.count();
    EXPECT_EQ(known, arrival.prompt.count());
    const auto [at, first] = former.try_emplace(arrival.conversation, arrival);
    if (first) continue;
    const Arrival& last = at->second;
    ++followed;
    EXPECT_GE(arrival.at, last.at);
    EXPECT_GT(arrival.prompt, last.prompt + last.output);
    // Block size 1: the whole former prompt is a prefix of this one, token for token.
    std::vector<BlockHash> hashes, last_hashes;
    hash_blocks(arrival, Tokens(1), 1, hashes);
    hash_blocks(last, Tokens(1), 1, last_hashes);
    EXPECT_EQ(hashes[last_hashes.size() - 1], last_hashes.back());
    at->second = arrival;
  }
  EXPECT_NEAR(static_cast<double>(followed + former.size()) / static_cast<double>(former.size()), 5,
              0.4);
}

TEST(Conversations, TheRateIsThatOfRequests) {
  const auto all = arrivals_of("requests = 40000\n" + kConversations);
  const size_t half = all.size() / 2;  // past the start, when conversations are under way
  const double span = to_seconds(all.back().at - all[half].at);
  EXPECT_NEAR(static_cast<double>(all.size() - half) / span, 20, 1);
}

TEST(Conversations, EndBeforeThePromptPassesItsLimit) {
  const auto all = arrivals_of(
      "arrivals = { rate = 20 }\nrequests = 5000\n"
      "conversations = { turns = 1000, think_s = 1, max_tokens = 1000 }\n" +
      kLengths);
  const auto longest = std::max_element(
      all.begin(), all.end(), [](const auto& a, const auto& b) { return a.prompt < b.prompt; });
  EXPECT_EQ(longest->prompt.count(), 980);  // 100 + 8 x 110
}

TEST(Conversations, AClosedLoopKeepsAsManyAlive) {
  const auto all = arrivals_of(
      "arrivals = { concurrency = 8 }\nrequests = 5000\n"
      "conversations = { turns = 6 }\n" +
      kLengths);
  // Among any 8 in a row no conversation comes twice: each of the 8 takes its turn.
  for (size_t i = 0; i + 8 <= all.size(); ++i) {
    std::map<uint64_t, int> seen;
    for (size_t j = i; j < i + 8; ++j) EXPECT_EQ(++seen[all[j].conversation], 1);
  }
}

TEST(Determinism, OneSeedGivesOneStream) {
  for (const std::string& toml : {"requests = 6000\n" + kConversations,
                                  "arrivals = { process = \"gamma\", rate = 9, cv = 2 }\n"
                                  "duration_s = 500\n" +
                                      kLengths}) {
    EXPECT_EQ(digest_of(arrivals_of(toml, 7)), digest_of(arrivals_of(toml, 7)));
    EXPECT_NE(digest_of(arrivals_of(toml, 7)), digest_of(arrivals_of(toml, 8)));
  }
}

// Written down so that a change of the streams, by a compiler or by us, does not go unseen.
TEST(Determinism, TheStreamIsTheOneItWas) {
  const auto digest = [](const std::string& front) {
    return digest_of(
        arrivals_of(front + "requests = 300\n"
                            "input_tokens = { dist = \"lognormal\", mean = 2000, sigma = 0.7 }\n"
                            "output_tokens = { dist = \"exponential\", mean = 300 }\n"
                            "prefix_reuse = 0.5\npriorities = [0.8, 0.2]\n"));
  };
  EXPECT_EQ(digest("arrivals = { rate = 40 }\n"), 11070192908752873979ULL);
  EXPECT_EQ(digest("arrivals = { process = \"gamma\", rate = 40, cv = 3 }\n"),
            1444490794428003610ULL);
  EXPECT_EQ(digest("arrivals = { rate = 40 }\nconversations = { turns = 3, think_s = 10 }\n"),
            7187253960947454072ULL);
}

}  // namespace
}  // namespace weft
