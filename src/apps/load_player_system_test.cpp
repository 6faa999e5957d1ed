// The player against a server with known delays: latencies are the server's own, nobody who waits
// is left out, and turns wait for answers. The server keeps the times, so a slow machine shifts
// both sides of a comparison alike.
#include "apps/load_player.h"

#include <gtest/gtest.h>

#include <map>

#include "apps/fake_openai.h"
#include "apps/serve_report.h"

namespace weft {

namespace {

using std::chrono::milliseconds;

double ms_between(TestClock::time_point from, TestClock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

struct Played {
  ServeSummary summary;
  int64_t most_in_flight = 0;
};

Played play(const std::string& url, WorkloadSpec spec, LoadPlayerConfig config = {},
            bool token_ids = true) {
  auto client = LoadClient::make({*parse_http_url(url), "", seconds(30)});
  CHECK(client.ok());
  auto workload = Workload::from_spec(spec, 1);
  CHECK(workload.ok());
  LoadPromptsConfig prompts_config;
  if (token_ids) prompts_config.token_ids = TokenRange{};
  const LoadPrompts prompts(prompts_config);
  ServeMetrics metrics({}, workload->concurrency() == 0);
  LoadPlayer player(**client, *workload, prompts, metrics, std::move(config));
  EXPECT_TRUE(player.run().ok());
  return {metrics.summarize(), player.most_in_flight()};
}

LengthSpec fixed(double tokens) {
  LengthSpec out;
  out.mean = tokens;
  return out;
}

WorkloadSpec load_of(uint64_t requests, double rate, int concurrency) {
  WorkloadSpec out;
  out.arrivals = ArrivalSpec{};
  out.arrivals->process =
      concurrency > 0 ? ArrivalSpec::Process::kClosed : ArrivalSpec::Process::kFixed;
  out.arrivals->rate = rate;
  out.arrivals->concurrency = concurrency;
  out.input = fixed(8);
  out.output = fixed(5);
  out.requests = requests;
  return out;
}

TEST(LoadPlayer, LatenciesAreThoseOfTheServer) {
  std::mutex mutex;
  double first_ms = 0;
  double span_ms = 0;
  int64_t requests = 0;
  FakeOpenAi api([&](FakeExchange& exchange, const nlohmann::json&, int) {
    const auto came = TestClock::now();
    std::this_thread::sleep_for(milliseconds(40));
    exchange.begin_stream();
    const auto first = TestClock::now();
    exchange.token("x");
    for (int i = 0; i < 4; ++i) {
      std::this_thread::sleep_for(milliseconds(10));
      exchange.token("x");
    }
    const auto last = TestClock::now();
    exchange.usage(8, 9);  // some chunks held two tokens
    exchange.end_stream();
    const std::lock_guard lock(mutex);
    first_ms += ms_between(came, first);
    span_ms += ms_between(first, last);
    ++requests;
  });
  const ServeSummary s = play(api.url(), load_of(8, 0, 2)).summary;
  const std::lock_guard lock(mutex);
  const auto n = static_cast<double>(requests);
  ASSERT_EQ(s.completed, 8);
  EXPECT_GE(s.ttft_ms.mean, first_ms / n);
  EXPECT_NEAR(s.ttft_ms.mean, first_ms / n, 20);
  EXPECT_NEAR(s.tpot_ms.mean, span_ms / n / 8, 4);
  EXPECT_NEAR(s.itl_ms.mean, span_ms / n / 4, 8);
  EXPECT_NEAR(s.e2e_ms.mean - s.ttft_ms.mean, span_ms / n, 20);
  EXPECT_EQ(s.output_tokens, 8 * 9);
}

// The server stands still for 400 ms. In those come 40 requests, and each waits for what is left.
// A closed loop of one user sends one of them, and would call the server quick.
TEST(LoadPlayer, AStallIsChargedWithEveryoneWhoCameInIt) {
  const auto stalling = [](auto& first, auto& mutex) {
    return [&](FakeExchange& exchange, const nlohmann::json& body, int) {
      TestClock::time_point until;
      {
        const std::lock_guard lock(mutex);
        if (first == TestClock::time_point{}) first = TestClock::now();
        until = first + milliseconds(400);
      }
      std::this_thread::sleep_until(until);
      FakeOpenAi::answer_all(exchange, body);
    };
  };
  std::mutex mutex;
  TestClock::time_point first{};
  FakeOpenAi open_api(stalling(first, mutex));
  const Played open = play(open_api.url(), load_of(50, 100, 0));
  TestClock::time_point first_closed{};
  FakeOpenAi closed_api(stalling(first_closed, mutex));
  const Played closed = play(closed_api.url(), load_of(50, 0, 1));
  ASSERT_EQ(open.summary.completed, 50);
  ASSERT_EQ(closed.summary.completed, 50);
  // Planned k x 10 ms after the start: 400, 390, … 10, then none. Half wait 150 ms or more.
  EXPECT_GE(open.summary.ttft_ms.p50, 130);
  EXPECT_GE(open.summary.ttft_ms.p90, 320);
  EXPECT_GE(open.most_in_flight, 30);
  EXPECT_GE(open.summary.wall_s, 0.48);
  EXPECT_LT(closed.summary.ttft_ms.p50, 130);
  EXPECT_GE(closed.summary.ttft_ms.p99, 390);
}

TEST(LoadPlayer, ItsOwnLatenessIsMeasured) {
  FakeOpenAi api([](FakeExchange& exchange, const nlohmann::json& body, int) {
    FakeOpenAi::answer_all(exchange, body);
  });
  bool spun = false;
  LoadPlayerConfig config;
  config.progress = [&spun] {  // as a client does that has no processor
    const auto until = TestClock::now() + milliseconds(spun ? 0 : 200);
    while (TestClock::now() < until) {
    }
    spun = true;
  };
  const ServeSummary s = play(api.url(), load_of(40, 100, 0), config).summary;
  EXPECT_EQ(s.completed, 40);
  EXPECT_GE(s.most_lateness_ms, 170);
  EXPECT_GE(s.ttft_ms.p99, s.lateness_ms.p50) << "latencies count from the plan";
  EXPECT_GE(s.ttft_ms.p90, 100);
  ASSERT_FALSE(serve_warnings(s, {}).empty());
  EXPECT_NE(serve_warnings(s, {})[0].find("this client sent"), std::string::npos);
}

TEST(LoadPlayer, TurnsWaitForTheAnswerBeforeAndContinueItsPrompt) {
  std::mutex mutex;
  std::map<std::string, int> in_flight;  // by the conversation's first words
  int overlaps = 0;
  FakeOpenAi api([&](FakeExchange& exchange, const nlohmann::json& body, int) {
    const std::string begin = body["prompt"].get<std::string>().substr(0, 60);
    {
      const std::lock_guard lock(mutex);
      if (++in_flight[begin] > 1) ++overlaps;
    }
    std::this_thread::sleep_for(milliseconds(20));
    {
      const std::lock_guard lock(mutex);
      --in_flight[begin];
    }
    FakeOpenAi::answer_all(exchange, body);
  });
  WorkloadSpec spec = load_of(40, 400, 0);
  spec.input = fixed(30);
  spec.conversations = ConversationSpec{4, 0.001, 4096};
  const ServeSummary s = play(api.url(), spec, {}, false).summary;
  EXPECT_EQ(s.completed, 40);
  const std::lock_guard lock(mutex);
  EXPECT_EQ(overlaps, 0);
  EXPECT_LT(in_flight.size(), 30u) << "conversations have several turns";
  EXPECT_GT(in_flight.size(), 1u);
}

}  // namespace

}  // namespace weft
