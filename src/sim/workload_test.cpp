// The [workload] table: its keys, their errors, and what applies to every kind of load.
#include "sim/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "sim/trace_paths.h"
#include "sim/trace_testing.h"
#include "sim/workload_testing.h"

namespace weft {
namespace {

const std::string kMade =
    "arrivals = { process = \"poisson\", rate = 40.0 }\n"
    "input_tokens = { dist = \"fixed\", value = 4096 }\n"
    "output_tokens = { dist = \"lognormal\", mean = 256, sigma = 0.7 }\n";

const char* const kCsv =
    "arrival_s,input_tokens,output_tokens,priority,conversation\n"
    "0,10,1,,\n10,11,2,,5\n20,12,3,7,5\n30,13,4,,\n40,14,5,,\n";

std::vector<int64_t> prompts_of(const std::vector<Arrival>& arrivals) {
  std::vector<int64_t> out;
  out.reserve(arrivals.size());
  for (const Arrival& arrival : arrivals) out.push_back(arrival.prompt.count());
  return out;
}

TEST(Workload, CountsItsRequestsFromZero) {
  const auto all = arrivals_of(kMade + "requests = 1000\n");
  ASSERT_EQ(all.size(), 1000u);
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].id, i);
}

TEST(Workload, ErrorsNameLineKeyWhatWasFoundAndWhatWasExpected) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "s.toml:1: workload.arrivals: missing; expected arrivals"},
      {kMade, "workload.requests: missing; expected requests, duration_s or both"},
      {kMade + "requests = 0\n",
       "s.toml:5: workload.requests: found 0, expected a whole number from 1"},
      {kMade + "requests = 5\nspedup = 2\n", "s.toml:6: workload.spedup: unknown key"},
      {kMade + "requests = 5\nspeedup = 2\n",
       "workload.speedup: found in a made workload, expected only in"},
      {kMade + "requests = 5\nprefix_reuse = 1.5\n",
       "workload.prefix_reuse: found 1.5, expected a number from 0 to 1"},
      {kMade + "requests = 5\npriorities = [0.5, 0.4]\n",
       "found shares that add up to 0.9, expected 1"},
      {kMade + "requests = 5\npriorities = [1.5, -0.5]\n", "found -0.5, expected shares"},
      {kMade + "requests = 5\nconversations = { turns = 0.5 }\n",
       "workload.conversations.turns: found 0.5"},
      {kMade + "requests = 5\nconversations = { turns = 2, wait_s = 3 }\n",
       "workload.conversations.wait_s: unknown key"},
      {"arrivals = { process = \"bursty\", rate = 1 }\n",
       "workload.arrivals.process: found \"bursty\", expected poisson, gamma"},
      {"arrivals = { rate = -1 }\n", "workload.arrivals.rate: found -1"},
      {"arrivals = { concurrency = 0 }\n", "workload.arrivals.concurrency: found 0"},
      {"arrivals = { concurrency = 4 }\ninput_tokens = { value = 1 }\noutput_tokens = { value = 1 "
       "}\n",
       "workload.requests: missing; a closed loop ends after so many requests"},
      {"arrivals = { process = \"gamma\", rate = 1 }\n", "workload.arrivals.cv: missing"},
      {"arrivals = { rate = 1 }\ninput_tokens = { dist = \"normal\" }\n",
       "workload.input_tokens.dist: found \"normal\""},
      {"arrivals = { rate = 1 }\ninput_tokens = { value = -5 }\n",
       "workload.input_tokens.value: found -5"},
      {"arrivals = { rate = 1 }\ninput_tokens = { dist = \"uniform\", min = 9, max = 3 }\n",
       "found 3 below min = 9"},
      {"arrivals = { rate = 1 }\ninput_tokens = { dist = \"empirical\", values = [1, 2], weights = "
       "[1] }\n",
       "found 1 for 2 values"},
      {"arrivals = { rate = 1 }\ninput_tokens = { dist = \"empirical\", values = [1], weights = "
       "[0] }\n",
       "found a sum of 0"},
      {"trace = \"none.csv\"\n",
       "s.toml:2: workload.trace: found no file none.csv in the current folder"},
      {"trace = 5\n", "workload.trace: found 5, expected a string"},
      {"trace = \"a\"\nservegen = \"b\"\n", "workload.servegen: found beside trace"},
      {"trace = \"a\"\ninput_tokens = { value = 1 }\n",
       "workload.input_tokens: found in a trace workload"},
      {"servegen = \"none.tar.zst\"\nrepeat = true\n",
       "workload.repeat: found in a servegen workload"},
  };
  for (const auto& [toml, expected] : cases) {
    const std::string error = error_of(toml);
    EXPECT_NE(error.find(expected), std::string::npos) << error << "\n  expected: " << expected;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
}

TEST(Workload, ASpanWithoutARequestIsAnError) {
  const std::string made =
      "arrivals = { rate = 0.001 }\nduration_s = 0.001\ninput_tokens = { value = 1 }\n"
      "output_tokens = { value = 1 }\n";
  EXPECT_NE(error_of(made).find("found no request in the span"), std::string::npos)
      << error_of(made);
  TemporaryFolder folder;
  folder.write("t.csv", kCsv);
  EXPECT_NE(error_of("trace = \"t.csv\"\nstart_s = 50", folder.path()).find("found no request"),
            std::string::npos);
}

TEST(TraceWorkload, IsCutAndSpedUp) {
  TemporaryFolder folder;
  folder.write("t.csv", kCsv);
  const auto play = [&](const std::string& keys) {
    return arrivals_of("trace = \"t.csv\"\n" + keys, 1, folder.path());
  };
  EXPECT_EQ(prompts_of(play("")), (std::vector<int64_t>{10, 11, 12, 13, 14}));
  EXPECT_EQ(prompts_of(play("requests = 2")), (std::vector<int64_t>{10, 11}));
  const auto cut = play("start_s = 10\nend_s = 40\nspeedup = 4");
  EXPECT_EQ(prompts_of(cut), (std::vector<int64_t>{11, 12, 13}));
  EXPECT_EQ(cut[0].at, Instant());
  EXPECT_EQ(cut[2].at.ns(), 5'000'000'000);
  EXPECT_EQ(prompts_of(play("speedup = 2\nduration_s = 10")), (std::vector<int64_t>{10, 11}));
}

TEST(TraceWorkload, TakesOtherArrivalsAndRepeats) {
  TemporaryFolder folder;
  folder.write("t.jsonl",
               R"({"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [1, 2]})"
               "\n"
               R"({"timestamp": 9, "input_length": 512, "output_length": 5, "hash_ids": [1]})"
               "\n");
  const auto all = arrivals_of(
      "trace = \"t.jsonl\"\narrivals = { process = \"fixed\", rate = 10 }\n"
      "repeat = true\nrequests = 5\n",
      1, folder.path());
  ASSERT_EQ(prompts_of(all), (std::vector<int64_t>{600, 512, 600, 512, 600}));
  EXPECT_EQ(all[4].at.ns(), 400'000'000);
  EXPECT_EQ(all[1].segments[0].content, all[0].segments[0].content);
  EXPECT_EQ(all[3].segments[0].content, all[2].segments[0].content);
  EXPECT_NE(all[2].segments[0].content, all[0].segments[0].content)
      << "a pass has its own contents";
  auto closed =
      workload_from("trace = \"t.jsonl\"\narrivals = { concurrency = 3 }", 1, folder.path());
  ASSERT_TRUE(closed.ok()) << closed.error().message;
  EXPECT_EQ(closed->concurrency(), 3);
}

TEST(TraceWorkload, ErrorsOfKeysThatDoNotGoWithTheFile) {
  TemporaryFolder folder;
  folder.write("lengths.csv", "input_tokens,output_tokens\n5,6\n");
  folder.write("t.jsonl",
               R"({"timestamp": 0, "input_length": 6, "output_length": 5, "hash_ids": [1]})");
  folder.write("bad.csv", std::string(kCsv) + "50,x,1,,\n");
  const std::pair<std::string, std::string> cases[] = {
      {"trace = \"lengths.csv\"",
       "lengths.csv: found lengths without arrival times, expected arrivals"},
      {"trace = \"lengths.csv\"\narrivals = { rate = 1 }\nstart_s = 4", "expected no start_s"},
      {"trace = \"t.jsonl\"\nprefix_reuse = 0.5", "expected no prefix_reuse"},
      {"trace = \"t.jsonl\"\nlengths = \"served\"",
       "t.jsonl:1: found JSON lines, expected an APEX CSV"},
      {"trace = \"t.jsonl\"\nrepeat = true", "found without arrivals"},
      {"trace = \"t.jsonl\"\nrepeat = true\narrivals = { rate = 1 }", "found without an end"},
      {"trace = \"t.jsonl\"\nspeedup = 2\narrivals = { rate = 1 }",
       "workload.speedup: found beside arrivals"},
      {"trace = \"t.jsonl\"\nstart_s = 5\nend_s = 5",
       "workload.end_s: found 5, expected more than start_s = 5"},
      {"trace = \"bad.csv\"", "bad.csv:7: found \"x\" in column input_tokens"},
      {"servegen = \"t.jsonl\"", "expected a folder or a tar archive"},
  };
  for (const auto& [toml, expected] : cases) {
    const std::string error = error_of(toml, folder.path());
    EXPECT_NE(error.find(expected), std::string::npos) << error << "\n  expected: " << expected;
  }
}

TEST(TraceWorkload, TellsWhatItLeftOutAndRaised) {
  TemporaryFolder folder;
  folder.write("b.csv", "Timestamp,Request tokens,Response tokens\n1,5,0\n2,0,7\n");
  auto workload = workload_from("trace = \"b.csv\"", 1, folder.path());
  ASSERT_TRUE(workload.ok());
  Arrival arrival;
  while (workload->next(arrival).value()) {
  }
  ASSERT_EQ(workload->notes().size(), 2u);
  EXPECT_NE(workload->notes()[0].find("1 rows without an answer"), std::string::npos);
  EXPECT_NE(workload->notes()[1].find("1 rows have a length of 0"), std::string::npos);
  EXPECT_EQ(workload->progress(), 1.0);
}

TEST(TraceFilesByName, AreFoundNearFirstAndUnderTheTracesFolder) {
  TemporaryFolder base, traces;
  const std::string beside = base.write("a.csv", kCsv);
  const std::string direct = traces.write("b.csv", kCsv);
  const std::string deep = traces.write("one/two/c.csv", kCsv);
  traces.write("three/d.csv", kCsv);
  traces.write("four/d.csv", kCsv);
  const char* before = std::getenv("WEFT_TRACES");
  const std::string saved = before == nullptr ? "" : before;
  setenv("WEFT_TRACES", traces.path().c_str(), 1);
  EXPECT_EQ(find_trace_file("a.csv", base.path()).value(), beside);
  EXPECT_EQ(find_trace_file(beside, "").value(), beside);
  EXPECT_EQ(find_trace_file("b.csv", base.path()).value(), direct);
  EXPECT_EQ(find_trace_file("c.csv", base.path()).value(), deep);
  EXPECT_EQ(find_trace_file("two/c.csv", base.path()).value(), deep);
  EXPECT_FALSE(find_trace_file("wo/c.csv", base.path()).ok()) << "whole names alone";
  EXPECT_TRUE(find_trace_file("four/d.csv", base.path()).ok());
  const auto two = find_trace_file("d.csv", base.path());
  EXPECT_NE(two.error().message.find("found 2 files named d.csv"), std::string::npos);
  EXPECT_EQ(find_trace_file("e.csv", base.path()).error().code, ErrorCode::kNotFound);
  saved.empty() ? unsetenv("WEFT_TRACES") : setenv("WEFT_TRACES", saved.c_str(), 1);
}

TEST(PrefixReuse, IsTheShareOfEveryPromptAndPopularityIsSkewed) {
  const auto all =
      arrivals_of(kMade + "requests = 20000\nprefix_reuse = 0.4\nprefixes = 4\nprefix_skew = 1\n");
  std::map<uint64_t, int> popularity;
  for (const Arrival& arrival : all) {
    ASSERT_EQ(arrival.segments.size(), 1u);
    EXPECT_EQ(arrival.segments[0].tokens.count(), 1638);  // 0.4 x 4096, rounded
    ++popularity[arrival.segments[0].content];
  }
  std::vector<int> counts;
  counts.reserve(popularity.size());
  for (const auto& [content, count] : popularity) counts.push_back(count);
  std::sort(counts.rbegin(), counts.rend());
  ASSERT_EQ(counts.size(), 4u);
  for (size_t k = 0; k < 4; ++k)
    EXPECT_NEAR(counts[k], 20'000 * 12.0 / 25 / static_cast<double>(k + 1), 350);
}

TEST(PrefixReuse, AppliesToTracesWithoutContents) {
  TemporaryFolder folder;
  folder.write("t.csv", kCsv);
  const auto all =
      arrivals_of("trace = \"t.csv\"\nprefix_reuse = 1\nprefixes = 1\n", 1, folder.path());
  for (const Arrival& arrival : all) {
    ASSERT_EQ(arrival.segments.size(), 1u);
    EXPECT_EQ(arrival.segments[0].tokens, arrival.prompt);
  }
}

TEST(Priorities, HaveTheirSharesAndConversationsAgree) {
  const auto all =
      arrivals_of(kMade + "requests = 20000\npriorities = [0.7, 0.2, 0.1]\ndeadline_s = 2.5\n");
  std::vector<double> shares(3);
  for (const Arrival& arrival : all) {
    shares[static_cast<size_t>(arrival.priority)] += 1.0 / 20'000;
    EXPECT_EQ(arrival.deadline, milliseconds(2500));
  }
  EXPECT_NEAR(shares[0], 0.7, 0.01);
  EXPECT_NEAR(shares[2], 0.1, 0.01);
  std::map<uint64_t, int> of;
  for (const Arrival& arrival :
       arrivals_of(kMade + "requests = 2000\npriorities = [0.5, 0.5]\n"
                           "conversations = { turns = 4, think_s = 1 }\n")) {
    EXPECT_EQ(of.try_emplace(arrival.conversation, arrival.priority).first->second,
              arrival.priority);
  }
}

TEST(Priorities, WhatATraceSaysGoesFirst) {
  TemporaryFolder folder;
  folder.write("t.csv", kCsv);
  const auto all = arrivals_of("trace = \"t.csv\"\npriorities = [0, 1]\n", 1, folder.path());
  std::vector<int> priorities;
  priorities.reserve(all.size());
  for (const Arrival& arrival : all) priorities.push_back(arrival.priority);
  EXPECT_EQ(priorities, (std::vector<int>{1, 1, 7, 1, 1}));
}

}  // namespace
}  // namespace weft
