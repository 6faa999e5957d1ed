// weft simulate as a person or a script runs it: results, exit codes, one line for each mistake,
// and nothing half-written.
#include "apps/command_testing.h"

#include <nlohmann/json.hpp>

namespace weft {
namespace {

constexpr char kScenario[] =
    "model = \"llama-3.1-8b\"\nhardware = \"h100-8\"\n"
    "[workload]\narrivals = { process = \"poisson\", rate = 50.0 }\n"
    "input_tokens = { dist = \"lognormal\", mean = 500, sigma = 0.5 }\n"
    "output_tokens = { dist = \"fixed\", value = 30 }\nrequests = 60\nprefix_reuse = 0.3\n"
    "[slo]\nttft_ms = 500\ntpot_ms = 20\n"
    "[[prefill]]\ndevices = 1\n[[decode]]\ndevices = 1\n"
    "[cache]\ntiers = [ { kind = \"dram\", gib_per_node = 10 } ]\n";

class SimulateCommand : public CommandTest {
 protected:
  SimulateCommand() { write("s.toml", kScenario); }

  [[nodiscard]] Ended simulate(const std::string& options) const {
    return run("simulate " + path("s.toml") + " " + options);
  }
};

TEST_F(SimulateCommand, PrintsATableAndNothingElse) {
  const Ended ended = simulate("");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(ended.err, "");
  for (const char* words : {"60 arrived, 60 completed", "TTFT", "prefill", "decode", "digest"}) {
    EXPECT_NE(ended.out.find(words), std::string::npos) << words;
  }
  EXPECT_EQ(ended.out.find('\r'), std::string::npos) << "no progress bar in a pipe";
}

// The keys of the contract, which scripts depend on.
TEST_F(SimulateCommand, JsonOnStandardOutputIsPure) {
  const Ended ended = simulate("--json -");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  const auto json = nlohmann::json::parse(ended.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << ended.out;
  for (const char* key : {"arrived", "completed", "rejected", "failed"}) {
    EXPECT_TRUE(json["requests"][key].is_number_integer()) << key;
  }
  for (const char* spread : {"ttft_ms", "tpot_ms", "itl_ms", "e2e_ms"}) {
    for (const char* key : {"mean", "p50", "p90", "p99"}) {
      EXPECT_TRUE(json[spread][key].is_number()) << spread << key;
    }
    EXPECT_LE(json[spread]["p50"], json[spread]["p99"]);
  }
  for (const char* key : {"simulated_s", "wall_s", "output_tokens_per_s",
                          "prefill_tokens_per_s_per_device", "decode_tokens_per_s_per_device",
                          "goodput_rps", "slo_attainment", "energy_j", "cost_usd"}) {
    EXPECT_TRUE(json[key].is_number()) << key;
  }
  EXPECT_TRUE(json["utilization"]["prefill"].is_number());
  EXPECT_TRUE(json["utilization"]["decode"].is_number());
  EXPECT_TRUE(json["cache"]["token_hit_rate"].is_number());
  ASSERT_EQ(json["cache"]["tiers"].size(), 1u);
  EXPECT_EQ(json["cache"]["tiers"][0]["kind"], "dram");
  EXPECT_TRUE(json["cache"]["tiers"][0]["hit_rate"].is_number());
  EXPECT_TRUE(json["cache"]["tiers"][0]["used_bytes"].is_number());
  EXPECT_TRUE(json["digest"].is_string());
  EXPECT_EQ(json["requests"]["completed"], 60);
}

TEST_F(SimulateCommand, SeedsAndSettingsDecideTheDigest) {
  const auto digest = [this](const std::string& options) {
    const auto json = nlohmann::json::parse(simulate("--json - " + options).out, nullptr, false);
    return json.is_object() ? json["digest"].get<std::string>() : "";
  };
  const std::string first = digest("");
  EXPECT_NE(first, "");
  EXPECT_EQ(digest("--seed 1"), first);
  EXPECT_EQ(digest("--check 64"), first);
  EXPECT_NE(digest("--seed 2"), first);
  EXPECT_NE(digest("--set workload.requests=59"), first);
}

TEST_F(SimulateCommand, WritesEveryResultWhole) {
  const Ended ended = simulate(fmt::format("--json {} --report {} --timeline {}", path("r.json"),
                                           path("r.html"), path("t.json")));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(nlohmann::json::parse(read(path("r.json")), nullptr, false).is_object());
  const auto trace = nlohmann::json::parse(read(path("t.json")), nullptr, false);
  ASSERT_TRUE(trace.is_object());
  EXPECT_GT(trace["otherData"]["steps"], 60);
  EXPECT_GE(trace["traceEvents"].size(), trace["otherData"]["events"]);
  EXPECT_NE(read(path("r.html")).find("</html>"), std::string::npos);
  EXPECT_EQ(files(), 4u) << "no parts are left";
}

TEST_F(SimulateCommand, WhatCannotBeWrittenIsRefusedBeforeTheRun) {
  for (const char* option : {"--json", "--report", "--timeline"}) {
    const bool json = std::string(option) == "--json";
    expect_refused(simulate(fmt::format("{} {} {} /no/such/folder/x", json ? "--report" : "--json",
                                        path("r"), option)),
                   {"/no/such/folder/x: cannot be written"});
    expect_refused(simulate(fmt::format("{} {}", option, folder_.string())), {"cannot be written"});
  }
  EXPECT_EQ(files(), 1u);
}

TEST_F(SimulateCommand, WrongUsageIsOneLine) {
  expect_refused(run(""), {"--help"});
  expect_refused(run("frobnicate"), {"frobnicate", "simulate"});
  expect_refused(run("simulate"), {"scenario", "--help"});
  expect_refused(simulate("--jsn x"), {"--jsn", "--help"});
  expect_refused(simulate("--seed one"), {"--seed", "one"});
  expect_refused(simulate("--set requests"), {"--set requests: expected key=value"});
}

TEST_F(SimulateCommand, WrongInputIsOneLineAndWritesNothing) {
  const std::string json = " --json " + path("r.json");
  expect_refused(run("simulate /no/such.toml" + json), {"/no/such.toml: cannot be opened"});
  write("bad.toml", "model = \n");
  expect_refused(run("simulate " + path("bad.toml") + json), {"bad.toml:1: not TOML"});
  expect_refused(simulate("--set workload.colour=red" + json), {"workload.colour"});
  expect_refused(simulate("--set router.policy=best" + json), {"found \"best\", expected"});
  expect_refused(simulate("--set model=llama-9" + json), {"llama-9"});
  expect_refused(simulate("--set prefill.0.devices=16" + json), {"s.toml:", "16 devices"});
  expect_refused(simulate("--set model=llama-3.1-70b" + json), {"does not fit", "would fit"});
  expect_refused(simulate("--set slo.ttft_ms=-5" + json), {"found -5"});
  EXPECT_EQ(files(), 2u);
}

TEST_F(SimulateCommand, ABadTraceLineEndsTheRunWithoutResults) {
  write("t.csv", "arrival_s,input_tokens,output_tokens\n0,10,10\n1,20,-3\n");
  write("trace.toml",
        "model = \"llama-3.1-8b\"\nhardware = \"h100-8\"\n[[unified]]\ndevices = 1\n"
        "[workload]\ntrace = \"t.csv\"\n");
  const Ended ended = run(fmt::format("simulate {} --json {} --timeline {}", path("trace.toml"),
                                      path("r.json"), path("t.json")));
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_NE(ended.err.find("t.csv:3: "), std::string::npos) << ended.err;
  EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
  EXPECT_FALSE(fs::exists(path("r.json")));
  EXPECT_EQ(files(), 3u) << "nor is a part of the timeline left";
}

TEST_F(SimulateCommand, ADeviceIsWrittenToAndNotReplaced) {
  const Ended ended = simulate("--json /dev/null --timeline /dev/null");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  if (!fs::exists("/dev/full")) return;
  for (const char* option : {"--json", "--timeline"}) {
    const Ended full = simulate(fmt::format("{} /dev/full", option));
    EXPECT_EQ(full.exit_code, 2);
    EXPECT_EQ(full.err.find("weft: /dev/full: cannot be written: No space"), 0u) << full.err;
  }
}

TEST_F(SimulateCommand, HelpHasAnExample) {
  const Ended ended = run("simulate --help");
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_NE(ended.out.find("weft simulate scenarios/hello.toml"), std::string::npos);
}

}  // namespace
}  // namespace weft
