// ServeGen's mixtures: the two files of a client, the merge of clients, rates and spans.
#include "sim/servegen.h"

#include <fmt/format.h>

#include <map>

#include "sim/trace_testing.h"
#include "sim/workload_testing.h"

namespace weft {
namespace {

std::string dataset(const std::string& first, const std::string& second) {
  return "{\"0\": {" + first + "},\n \"200\": {" + second + "}}\n";
}

std::string lengths(const std::string& input, const std::string& output) {
  return fmt::format(
      R"("input_tokens": "{{{}}}", "output_tokens": "{{{}}}", "reason_ratio": "{{}}")", input,
      output);
}

// Windows of 100 s; client 0 sends prompts of 10 and 11 tokens, client 7 of 20, twice as often.
void write_clients(const TemporaryFolder& folder) {
  folder.write("data/chunk-0-trace.csv",
               "0,1.0,1.0,Gamma,1.0,1.0\n100,0,0,,0,0\n"
               "200,2.0,2.0,Gamma,0.25,2.0\n300,0.5,1,,0,0\n");
  folder.write("data/chunk-0-dataset.json",
               dataset(lengths("10: 0.5, 11: 0.5", "5: 1.0"), lengths("12: 1.0", "6: 1.0")));
  folder.write("data/chunk-7-trace.csv",
               "0,2.0,1.0,Weibull,0.6,1.0\n100,0,0,,0,0\n"
               "200,4.0,2.0,Gamma,0.25,2.0\n300,1.0,1,Gamma,1,1\n");
  folder.write("data/chunk-7-dataset.json", dataset(lengths("20: 1.0", "5: 1.0"), lengths("", "")));
  folder.write("data/README.md", "not a client");
}

std::vector<Arrival> play(const TemporaryFolder& folder, const std::string& keys,
                          uint64_t seed = 1) {
  return arrivals_of("servegen = \"data\"\n" + keys, seed, folder.path());
}

TEST(Servegen, EveryWindowHasItsRateAndItsLengths) {
  TemporaryFolder folder;
  write_clients(folder);
  const auto all = play(folder, "");
  std::map<int, int> by_window, by_prompt;
  Instant last;
  for (const Arrival& arrival : all) {
    EXPECT_GE(arrival.at, last);
    last = arrival.at;
    ++by_window[static_cast<int>(arrival.at.seconds() / 100)];
    ++by_prompt[static_cast<int>(arrival.prompt.count())];
    EXPECT_EQ(arrival.prompt.count() == 12, arrival.output.count() == 6);
  }
  EXPECT_EQ(by_window, (std::map<int, int>{{0, 300}, {2, 600}, {3, 150}}));
  EXPECT_EQ(by_prompt[20], 700) << "an empty part of the day keeps the lengths before it";
  EXPECT_EQ(by_prompt[12], 250);
  EXPECT_EQ(by_prompt[10] + by_prompt[11], 100);
}

TEST(Servegen, RateClientsSpeedupAndSpan) {
  TemporaryFolder folder;
  write_clients(folder);
  EXPECT_NEAR(static_cast<double>(play(folder, "rate = 10").size()), 4000, 8);
  const auto busiest = play(folder, "clients = 1");
  EXPECT_EQ(busiest.size(), 700u);
  for (const Arrival& arrival : busiest) EXPECT_EQ(arrival.prompt.count(), 20);
  const auto fast = play(folder, "speedup = 10\nstart_s = 200\nend_s = 300");
  EXPECT_NEAR(static_cast<double>(fast.size()), 600, 2);
  EXPECT_LE(fast.back().at.seconds(), 10.0);
  EXPECT_LE(play(folder, "duration_s = 100").back().at.seconds(), 100.0);
  EXPECT_NEAR(static_cast<double>(play(folder, "duration_s = 800").size()), 2100, 4) << "two days";
}

TEST(Servegen, AClientDrawsTheSameBesideOthersOrAlone) {
  TemporaryFolder folder;
  write_clients(folder);
  std::vector<Instant> beside, alone;
  for (const Arrival& arrival : play(folder, "")) {
    if (arrival.prompt.count() == 20) beside.push_back(arrival.at);
  }
  for (const Arrival& arrival : play(folder, "clients = 1")) alone.push_back(arrival.at);
  EXPECT_EQ(beside, alone);
}

TEST(Servegen, OneSeedGivesOneStream) {
  TemporaryFolder folder;
  write_clients(folder);
  EXPECT_EQ(digest_of(play(folder, "rate = 5", 3)), digest_of(play(folder, "rate = 5", 3)));
  EXPECT_NE(digest_of(play(folder, "rate = 5", 3)), digest_of(play(folder, "rate = 5", 4)));
}

TEST(Servegen, BrokenClientsAreErrorsThatNameTheFile) {
  struct Case {
    const char* file;
    const char* bytes;
    const char* expected;
  };
  const Case cases[] = {
      {"data/chunk-0-trace.csv", "0,1,1,Gamma,1,1\n",
       "chunk-0-trace.csv: found 1 windows, expected at least 2"},
      {"data/chunk-0-trace.csv", "0,1,1,Gamma,1,1\n100,1\n",
       "chunk-0-trace.csv:2: found \"100,1\", expected six"},
      {"data/chunk-0-trace.csv", "0,1,1,Gamma,1,1\n100,1,1,Pareto,1,1\n",
       "chunk-0-trace.csv:2: found"},
      {"data/chunk-0-trace.csv", "0,1,1,Gamma,0,1\n100,1,1,Gamma,1,1\n", "with a shape"},
      {"data/chunk-0-trace.csv", "0,-1,1,,1,1\n100,1,1,,1,1\n", "chunk-0-trace.csv:1: found"},
      {"data/chunk-0-trace.csv", "0,1,1,,1,1\n100,1,1,,1,1\n300,1,1,,1,1\n",
       "found a window at 300 s, expected 200 s"},
      {"data/chunk-0-trace.csv", "0,1,1,,1,1\n100,1,1,,1,1\n", "expected 2 as in the others"},
      {"data/chunk-0-dataset.json", "{", "chunk-0-dataset.json: found"},
      {"data/chunk-0-dataset.json", "{\"x\": {}}", "expected seconds, with input_tokens"},
      {"data/chunk-0-dataset.json", R"({"0": {"input_tokens": "{1: x}", "output_tokens": "{}"}})",
       "input_tokens: found \"{1: x}\""},
      {"data/chunk-0-dataset.json", R"({"0": {"input_tokens": "{-1: 1}", "output_tokens": "{}"}})",
       "input_tokens: found"},
      {"data/chunk-0-dataset.json", "{}",
       "found no lengths in chunk-0-dataset.json for the window at 0 s"},
      {"data/chunk-9-trace.csv", "0,1,1,,1,1\n100,1,1,,1,1\n", "found no chunk-9-dataset.json"},
      {"data/b/chunk-0-trace.csv", "0,1,1,,1,1\n100,1,1,,1,1\n", "found a second one"},
  };
  for (const Case& broken : cases) {
    TemporaryFolder folder;
    write_clients(folder);
    folder.write(broken.file, broken.bytes);
    const std::string error = error_of("servegen = \"data\"", folder.path());
    EXPECT_NE(error.find(broken.expected), std::string::npos)
        << error << "\n  expected: " << broken.expected;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
  TemporaryFolder empty;
  empty.write("data/x", "");
  EXPECT_NE(error_of("servegen = \"data\"", empty.path()).find("found no chunk-N-trace.csv"),
            std::string::npos);
}

}  // namespace
}  // namespace weft
