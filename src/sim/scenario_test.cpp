// What is wrong with a scenario, in one line that names file, line and key, what was found and what
// was expected.
#include "sim/scenario.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sim/world_testing.h"

namespace weft {
namespace {

constexpr char kWorkload[] =
    "[workload]\n"
    "arrivals = { process = \"poisson\", rate = 1.0 }\n"
    "input_tokens = { dist = \"fixed\", value = 10 }\n"
    "output_tokens = { dist = \"fixed\", value = 10 }\n"
    "requests = 3\n";

constexpr char kUnified[] = "[[unified]]\ndevices = 1\n";

std::string head(const std::string& model = "llama-3.1-8b",
                 const std::string& hardware = "h100-8") {
  return "model = \"" + model + "\"\nhardware = \"" + hardware + "\"\n";
}

// The head's two lines, then `more`, then what a scenario needs.
std::string with(const std::string& more) { return head() + more + kWorkload + kUnified; }

// One line that contains each of the words.
void expect_error(const std::string& toml, const std::vector<std::string>& words) {
  const std::string message = scenario_error(toml);
  EXPECT_FALSE(message.empty()) << toml;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  for (const std::string& word : words) {
    EXPECT_NE(message.find(word), std::string::npos) << "no \"" << word << "\" in: " << message;
  }
}

TEST(Scenario, AWholeOneIsRead) {
  auto scenario = parse_scenario(
      "title = \"t\"\nseed = 9\n" + with("[slo]\nttft_ms = 100\n") +
          "[[fault]]\nkind = \"link_slow\"\ntarget = \"unified/0\"\nat_s = 3\nfactor = 0.5\n",
      "s.toml", {});
  ASSERT_TRUE(scenario.ok()) << scenario.error().message;
  EXPECT_EQ(scenario->title, "t");
  EXPECT_EQ(scenario->seed, 9u);
  EXPECT_EQ(scenario->slo.ttft_ms, 100);
  ASSERT_EQ(scenario->faults.size(), 1u);
  EXPECT_EQ(scenario->faults[0].kind, FaultKind::kLinkSlow);
  EXPECT_EQ(scenario->faults[0].at, Instant{} + seconds(3));
  EXPECT_EQ(scenario->faults[0].factor, 0.5);
}

TEST(Scenario, SetAndSeedOverride) {
  auto scenario =
      parse_scenario("seed = 9\n" + with(""), "s.toml",
                     {{"workload.requests=5", "unified.0.instances=2", "slo.tpot_ms=7"}, 11});
  ASSERT_TRUE(scenario.ok()) << scenario.error().message;
  EXPECT_EQ(scenario->seed, 11u);
  EXPECT_EQ(scenario->workload->expected_requests(), 5u);
  EXPECT_EQ(scenario->deployment.groups[0].instances, 2);
  EXPECT_EQ(scenario->slo.tpot_ms, 7);
}

TEST(Scenario, AMissingFileIsNamed) {
  auto scenario = load_scenario("no/such/file.toml", {});
  ASSERT_FALSE(scenario.ok());
  EXPECT_EQ(scenario.error().message,
            "no/such/file.toml: cannot be opened; expected a readable TOML file");
}

TEST(Scenario, BrokenTomlNamesItsLine) {
  expect_error(head() + "[workload\n", {"s.toml:3: not TOML: "});
}

TEST(Scenario, UnknownKeysAreErrorsAtEveryLevel) {
  expect_error(with("modle = 1\n"), {"s.toml:3: modle: "});
  expect_error(with("[router]\npolicey = \"x\"\n"), {"s.toml:4: router.policey: "});
  expect_error(with("") + "device = 2\n", {"s.toml:10: unified[0].device: "});
  expect_error(with("") + "parallel = { tp = 1, xp = 2 }\n", {"s.toml:10: ", "parallel.xp: "});
  expect_error(with("[cache]\ntiers = [ { kind = \"dram\", gib_per_node = 1, tib = 2 } ]\n"),
               {"s.toml:4: ", "tib: "});
  expect_error(head() + kWorkload + "request = 4\n" + kUnified, {"s.toml:8: workload.request: "});
}

TEST(Scenario, WrongTypesAndRangesSayWhatWasFoundAndExpected) {
  expect_error(with("seed = \"x\"\n"), {"s.toml:3: seed: found \"x\", expected a whole number"});
  expect_error(with("seed = -1\n"), {"found -1, expected a whole number of at least 0"});
  expect_error(with("[slo]\nttft_ms = \"2 s\"\n"),
               {"s.toml:4: slo.ttft_ms: found \"2 s\", expected a number of at least 0"});
  expect_error(with("") + "instances = 1.5\n",
               {"unified[0].instances: found 1.5, expected a whole"});
  expect_error(with("") + "memory_share = 92\n", {"unified[0].memory_share: found 92"});
  expect_error(with("[precision]\nweights = \"bf32\"\n"),
               {"precision.weights: found \"bf32\", expected bf16"});
  expect_error(head() + "[workload]\narrivals = { process = \"poisson\", rate = -4 }\n" + kUnified,
               {"s.toml:4: ", "rate: found -4, expected a number"});
}

TEST(Scenario, NegativeLengthsAreRefused) {
  for (const char* key : {"input_tokens", "output_tokens"}) {
    const std::string other = std::string(key) == "input_tokens" ? "output_tokens" : "input_tokens";
    expect_error(head() + "[workload]\narrivals = { process = \"poisson\", rate = 1 }\n" + key +
                     " = { dist = \"fixed\", value = -10 }\n" + other +
                     " = { dist = \"fixed\", value = 10 }\nrequests = 1\n" + kUnified,
                 {"s.toml:5: ", fmt::format("{}.value: found -10, expected", key)});
  }
}

TEST(Scenario, UnknownNamesListWhatThereIs) {
  expect_error(with("[router]\npolicy = \"fastest\"\n"),
               {"router.policy: found \"fastest\", expected ", "round_robin", "least_tokens",
                "prefix_aware"});
  expect_error(head("llama-9") + kWorkload + kUnified, {"s.toml", "llama-9"});
  expect_error(head("llama-3.1-8b", "h9000-8") + kWorkload + kUnified, {"s.toml", "h9000-8"});
  expect_error(with("") + "hardware = \"a9-node\"\n", {"s.toml:8: ", "a9-node"});
  expect_error(with("[cache]\ntiers = [ { kind = \"tape\", gib_per_node = 1 } ]\n"),
               {"s.toml:4: ", "kind: found \"tape\", expected dram or ssd"});
  expect_error(with("[cache]\ntiers = [ { kind = \"dram\", gib_per_node = 1 },"
                    " { kind = \"ssd\", gib_per_node = 9, part = \"floppy\" } ]\n"),
               {"floppy"});
  expect_error(with("[cache]\ntiers = [ { kind = \"ssd\", gib_per_node = 9, part = \"evs\" } ]\n"),
               {"cache.tiers: the nearest tier is dram"});
}

TEST(Scenario, PoolsNeedEachOther) {
  expect_error(head() + kWorkload, {"[[prefill]] and [[decode]], or [[unified]]"});
  expect_error(head() + kWorkload + "[[prefill]]\ndevices = 1\n",
               {"decode: missing; [[prefill]] and [[decode]] need each other"});
  expect_error(head() + kWorkload + "[[decode]]\ndevices = 1\n", {"prefill: missing"});
  expect_error(head() + kUnified, {"workload: missing"});
}

TEST(Scenario, FaultsNeedATargetThatIsThere) {
  const auto fault = [](const std::string& kind, const std::string& target) {
    const std::string toml =
        with("") + "[[fault]]\nkind = \"" + kind + "\"\nat_s = 1\ntarget = \"" + target + "\"\n";
    auto scenario = parse_scenario(toml, "s.toml", {});
    if (!scenario) return scenario.error().message;
    auto deployment = deploy_text(toml);
    VirtualClock clock;
    auto world = World::make(clock, *deployment, *scenario, {});
    return world ? std::string() : world.error().message;
  };
  EXPECT_EQ(fault("instance_down", "unified/0"), "");
  EXPECT_EQ(fault("instance_down", "decode/0"),
            "s.toml:10: fault.target: found \"decode/0\", expected unified/0");
  EXPECT_EQ(fault("die_slow", "cache/0"),
            "s.toml:10: fault.target: found \"cache/0\", expected unified/0");
  EXPECT_EQ(fault("tier_down", "ssd"),
            "s.toml:10: fault.target: found \"ssd\", expected a tier of [cache]: there is none");
  EXPECT_NE(fault("meteor", "unified/0").find("kind: found \"meteor\", expected instance_down"),
            std::string::npos);
}

TEST(Scenario, AModelThatDoesNotFitSaysByHowMuchAndWhatWould) {
  expect_error(head("llama-3.1-70b") + kWorkload + kUnified,
               {"s.toml:8: llama-3.1-70b does not fit", "GiB per die of weights", "GiB too few",
                "would fit"});
  expect_error(head("deepseek-r1") + kWorkload + kUnified, {"does not fit", "GiB too few"});
}

TEST(Scenario, DegreesThatDoNotDivideSaySo) {
  const auto unified = [](int devices, const std::string& parallel) {
    return head() + kWorkload +
           fmt::format("[[unified]]\ndevices = {}\nparallel = {{ {} }}\n", devices, parallel);
  };
  expect_error(unified(4, "tp = 2"), {"s.toml:8: dp*tp*pp = 2, but 4 devices of 1 die are 4"});
  expect_error(unified(3, "tp = 3"), {"tp = 3 does not divide the 32 attention heads"});
  expect_error(unified(8, "tp = 8, sp = 3"), {"sp = 3", "does not divide tp = 8"});
  expect_error(unified(2, "dp = 2, ep = 2"), {"ep = 2, but llama-3.1-8b has no experts"});
  expect_error(unified(1, "tp = 0"), {"parallel.tp: found 0, expected a whole number from 1"});
  expect_error(unified(1, "tp = 1") + "draft_tokens = 1\n", {"draft_tokens", "no MTP"});
}

TEST(Scenario, TooFewPackagesSayWhichClusterWouldDo) {
  expect_error(
      with("") + "instances = 9\n",
      {"s.toml: hardware: h100-8 has 8 packages but the instances need 9", "\"2xh100-8\""});
}

TEST(Scenario, ATraceLineThatDoesNotParseIsNamedWhenItIsPlayed) {
  const TemporaryFolder folder;
  const std::string trace = folder.write("t.csv",
                                         "arrival_s,input_tokens,output_tokens\n"
                                         "0,10,10\n1,ten,10\n2,10,10\n");
  const std::string toml = head() + "[workload]\ntrace = \"" + trace + "\"\n" + kUnified;
  auto deployment = deploy_text(toml);
  ASSERT_TRUE(deployment.ok()) << deployment.error().message;
  TestWorld world(*deployment, toml);
  const Status ran = world.run();
  ASSERT_FALSE(ran.ok());
  EXPECT_EQ(ran.error().code, ErrorCode::kBadInput);
  EXPECT_NE(ran.error().message.find("t.csv:3: "), std::string::npos) << ran.error().message;
  EXPECT_NE(ran.error().message.find("ten"), std::string::npos) << ran.error().message;
}

TEST(Scenario, AMissingTraceIsNamedWithTheKey) {
  expect_error(head() + "[workload]\ntrace = \"no-such.jsonl\"\n" + kUnified,
               {"s.toml:4: workload.trace: found no file no-such.jsonl"});
}

}  // namespace
}  // namespace weft
