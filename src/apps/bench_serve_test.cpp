// weft bench serve as a script runs it, against a scripted API on loopback.
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/command_testing.h"
#include "apps/fake_openai.h"

namespace weft {

namespace {

class BenchServe : public CommandTest {
 protected:
  [[nodiscard]] Ended bench(const std::string& url, const std::string& options) const {
    return run(fmt::format("bench serve --url {} {}", url, options));
  }
  // In a shell that sends SIGINT after a while.
  [[nodiscard]] Ended run_interrupted(const std::string& url) const {
    const std::string command = fmt::format(
        "timeout --preserve-status -s INT 0.6 {} bench serve --url {} --concurrency 3 --requests "
        "100 --output-tokens 2 >{} 2>{} </dev/null",
        WEFT_PROGRAM, url, path("out"), path("err"));
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(path("out")), read(path("err"))};
  }
};

const auto kAnswerAll = [](FakeExchange& exchange, const nlohmann::json& body, int) {
  FakeOpenAi::answer_all(exchange, body);
};

TEST_F(BenchServe, OpenLoopFillsTheContractsKeys) {
  FakeOpenAi api(kAnswerAll);
  const Ended ended = bench(api.url(),
                            "--rate 400 --requests 60 --input-tokens 50 --output-tokens 9 "
                            "--slo-ttft-ms 60000 --slo-tpot-ms 60000 --json " +
                                path("out.json"));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  const auto json = nlohmann::json::parse(read(path("out.json")));
  EXPECT_EQ(json["requests"]["arrived"], 60);
  EXPECT_EQ(json["requests"]["completed"], 60);
  EXPECT_EQ(json["output_tokens"], 540);
  EXPECT_EQ(json["prompt_tokens"], 60 * 50) << "words are scaled by what /tokenize says";
  EXPECT_EQ(json["model"], "fake-1");
  EXPECT_EQ(json["slo_attainment"], 1.0);
  EXPECT_GT(json["goodput_rps"], 0);
  EXPECT_GE(json["lateness_ms"]["max"], 0);
  EXPECT_EQ(json["failures"].size(), 0u);
  for (const char* word : {"60 completed", "TTFT", "sent late", "goodput", "fake-1"}) {
    EXPECT_NE(ended.out.find(word), std::string::npos) << word << " in\n" << ended.out;
  }
}

TEST_F(BenchServe, ClosedLoopWithChatAndASharedPrefix) {
  FakeOpenAi api(kAnswerAll);
  const Ended ended = bench(api.url(),
                            "--concurrency 4 --requests 20 --endpoint chat --input-tokens 65 "
                            "--output-tokens 3 --shared-prefix 60 --model m --json -");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  const auto json = nlohmann::json::parse(ended.out);
  EXPECT_EQ(json["requests"]["completed"], 20);
  EXPECT_EQ(json["prompt_tokens"], 20 * 125);
  EXPECT_TRUE(json["lateness_ms"].is_null());
  EXPECT_LE(json["client"]["most_in_flight"], 4);
  std::set<std::string> beginnings;
  std::set<std::string> prompts;
  for (const auto& body : api.bodies()) {
    if (body["max_tokens"] != 3) continue;  // a probe
    const std::string text = body["messages"][0]["content"];
    beginnings.insert(text.substr(0, 60));
    prompts.insert(text);
  }
  EXPECT_EQ(beginnings.size(), 1u);
  EXPECT_EQ(prompts.size(), 20u);
}

TEST_F(BenchServe, TracesAndWorkloadFilesArePlayed) {
  FakeOpenAi api(kAnswerAll);
  write("trace.csv", "arrival_s,input_tokens,output_tokens\n0,10,2\n0.02,30,3\n0.04,20,4\n");
  const Ended trace =
      bench(api.url(), "--token-ids --json - --speedup 2 --trace " + path("trace.csv"));
  EXPECT_EQ(trace.exit_code, 0) << trace.err;
  const auto json = nlohmann::json::parse(trace.out);
  EXPECT_EQ(json["prompt_tokens"], 60) << "token ids are exact";
  EXPECT_EQ(json["output_tokens"], 9);
  write("load.toml",
        "model = \"any\"\n[slo]\nttft_ms = 5000\n[workload]\narrivals = { rate = 200 }\n"
        "input_tokens = 12\noutput_tokens = { dist = \"uniform\", min = 1, max = 3 }\n"
        "requests = 10\n");
  const Ended file = bench(api.url(), "--json - --workload " + path("load.toml"));
  EXPECT_EQ(file.exit_code, 0) << file.err;
  EXPECT_EQ(nlohmann::json::parse(file.out)["requests"]["completed"], 10);
  EXPECT_EQ(nlohmann::json::parse(file.out)["slo"]["ttft_ms"], 5000);
}

TEST_F(BenchServe, RejectionsAndFailuresAreCountedByKind) {
  FakeOpenAi api([](FakeExchange& exchange, const nlohmann::json& body, int number) {
    switch (number < 1 ? 0 : number % 5) {
      case 1:
        return exchange.reply(429, "application/json", R"({"error":{"message":"full"}})",
                              "Retry-After: 2\r\n");
      case 2:
        return exchange.reply(500, "text/plain", "oops");
      case 3:
        exchange.begin_stream();
        exchange.token("x");
        return exchange.hang_up();
      case 4:
        exchange.begin_stream();
        return exchange.piece("data: <garbage>\n\n");
      default:
        FakeOpenAi::answer_all(exchange, body);
    }
  });
  const Ended ended =
      bench(api.url(), "--concurrency 1 --requests 25 --output-tokens 2 --json " + path("j"));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  const auto json = nlohmann::json::parse(read(path("j")));
  EXPECT_EQ(json["requests"]["arrived"], 25);
  EXPECT_EQ(json["requests"]["completed"], 5);
  EXPECT_EQ(json["requests"]["rejected"], 5);
  EXPECT_EQ(json["requests"]["failed"], 15);
  EXPECT_EQ(json["retry_after_s"]["mean"], 2.0);
  std::map<std::string, int> kinds;
  for (const auto& failure : json["failures"]) kinds[failure["kind"]] = failure["count"];
  EXPECT_EQ(kinds,
            (std::map<std::string, int>{{"bad reply", 5}, {"connection", 5}, {"status 500", 5}}));
  EXPECT_NE(ended.out.find("5 x status 500: status 500: oops"), std::string::npos) << ended.out;
}

TEST_F(BenchServe, FieldsThatAServerRefusesAreLeftOut) {
  FakeOpenAi api([](FakeExchange& exchange, const nlohmann::json& body, int) {
    for (const char* field : {"ignore_eos", "stream_options"}) {
      if (!body.contains(field)) continue;
      return exchange.reply(400, "application/json",
                            fmt::format(R"({{"error":{{"message":"unknown: {}"}}}})", field));
    }
    exchange.begin_stream();
    exchange.token("x");
    exchange.end_stream();
  });
  const Ended ended =
      bench(api.url(), "--concurrency 1 --requests 3 --output-tokens 2 --input-tokens 11 --json -");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  for (const char* word :
       {"ignore_eos", "stream_options", "a chunk counts as one token", "answers ended early"}) {
    EXPECT_NE(ended.err.find(word), std::string::npos) << word << " in\n" << ended.err;
  }
}

TEST_F(BenchServe, BadUsageIsOneLine) {
  FakeOpenAi api(kAnswerAll);
  expect_refused(bench("localhost:8000", "--rate 1"), {"url", "localhost:8000", "http://"});
  expect_refused(bench("https://h", "--rate 1"), {"https://h", "TLS"});
  expect_refused(bench(api.url(), ""), {"--rate", "--concurrency"});
  expect_refused(bench(api.url(), "--rate 1 --speedup 2"), {"--speedup"});
  expect_refused(bench(api.url(), "--rate 1 --token-ids --endpoint chat"), {"--token-ids"});
  expect_refused(bench(api.url(), "--rate 1 --token-ids --token-range 9 9"), {"9 9"});
  expect_refused(bench(api.url(), "--trace nowhere.csv"), {"nowhere.csv"});
  EXPECT_EQ(bench(api.url(), "--rate 1 --concurrency 1").exit_code, 2);
  EXPECT_EQ(bench(api.url(), "--rate 0").exit_code, 2);
  EXPECT_EQ(api.completions(), 0);
}

TEST_F(BenchServe, AServerThatIsNoneOrAnotherIsOneLine) {
  std::string nobody;
  {
    nobody = FakeServer([](FakeExchange&) {}).url();
  }
  const Ended refused = bench(nobody, "--rate 1");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("refused"), std::string::npos) << refused.err;
  EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), 1) << refused.err;

  FakeServer website([](FakeExchange& e) { e.reply(404, "text/html", "<h1>Not here</h1>"); });
  expect_refused(bench(website.url(), "--rate 1"), {"/v1/models", "404", "Not here", "OpenAI"});
  expect_refused(bench(website.url(), "--rate 1 --model m"), {"/v1/completions", "404"});
  FakeServer page([](FakeExchange& e) { e.reply(200, "text/html", "<h1>Hello</h1>"); });
  expect_refused(bench(page.url(), "--rate 1"), {"Hello", "list of models"});
  expect_refused(bench(page.url(), "--rate 1 --model m"), {"text/html", "text/event-stream"});
  FakeServer mail([](FakeExchange& e) {
    e.write("220 mail ready\r\n");
    e.hang_up();
  });
  expect_refused(bench(mail.url(), "--rate 1"), {"220 mail", "expected HTTP"});
}

TEST_F(BenchServe, NothingCompletedIsAFailedRun) {
  FakeOpenAi api([](FakeExchange& exchange, const nlohmann::json& body, int number) {
    if (number == 0) return FakeOpenAi::answer_all(exchange, body);
    exchange.reply(503, "text/plain", "no");
  });
  const Ended ended = bench(api.url(), "--concurrency 2 --requests 5 --json " + path("j"));
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_NE(ended.err.find("none of 5 requests"), std::string::npos) << ended.err;
  EXPECT_EQ(nlohmann::json::parse(read(path("j")))["requests"]["failed"], 5);
}

TEST_F(BenchServe, AnInterruptPrintsWhatThereIs) {
  FakeOpenAi api([](FakeExchange& exchange, const nlohmann::json& body, int number) {
    if (number < 10) return FakeOpenAi::answer_all(exchange, body);
    exchange.begin_stream();
    exchange.token("x");  // and never again
  });
  const Ended ended = run_interrupted(api.url());
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_NE(ended.out.find("9 completed"), std::string::npos) << ended.out << ended.err;
  EXPECT_NE(ended.out.find("interrupted, 3 unfinished"), std::string::npos) << ended.out;
}

}  // namespace

}  // namespace weft
