// Timeline: trace events that a viewer can read, and memory that has a bound.
#include "report/timeline.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "report/report_testing.h"

namespace weft {
namespace {

using nlohmann::json;

std::vector<json> events(const json& trace, const std::string& phase) {
  std::vector<json> out;
  for (const json& event : trace.at("traceEvents")) {
    if (event.at("ph") == phase) out.push_back(event);
  }
  return out;
}

// A timeline and the trace that it has written so far.
struct Written {
  explicit Written(const Deployment& deployment, int64_t events_per_scale = 1000)
      : timeline(deployment, Callback<std::string_view>::to<&Written::append>(this),
                 events_per_scale) {}
  void append(std::string_view piece) {
    text += piece;
    largest = std::max(largest, piece.size());
  }
  json finish() {
    timeline.finish_trace();
    return json::parse(text);
  }
  std::string text;
  size_t largest = 0;
  Timeline timeline;
};

// Back to back, in turns on `instances` instances; 10 prompt and `decode` decode tokens each.
void play(Timeline& timeline, size_t instances, int64_t steps, int32_t decode = 3) {
  Random random(1);
  std::vector<Instant> free(instances);
  for (int64_t i = 0; i < steps; ++i) {
    const size_t instance = random.below(instances);
    const Duration took = microseconds(1 + static_cast<int64_t>(random.below(1000)));
    timeline.step_done(TestStep(instance, free[instance], took, 10, decode).report());
    free[instance] = free[instance] + took + microseconds(1);
  }
}

TEST(Timeline, EveryStepIsACompleteEventOfItsInstance) {
  const Deployment deployment = test_deployment(0, 2, 1);
  Written written(deployment);
  Timeline& timeline = written.timeline;
  timeline.step_done(TestStep(0, Instant(1'500), microseconds(2), 64, 0).report());
  timeline.step_done(TestStep(2, Instant(3'000'001), milliseconds(5), 0, 7).report());
  const json trace = written.finish();
  const auto steps = events(trace, "X");
  ASSERT_EQ(steps.size(), 2U);
  EXPECT_EQ(steps[0].at("name"), "prefill");
  EXPECT_EQ(steps[0].at("ts"), 1.5);
  EXPECT_EQ(steps[0].at("dur"), 2.0);
  EXPECT_EQ(steps[0].at("args").at("tokens"), 64);
  EXPECT_EQ(steps[0].at("args").at("sequences"), 1);
  EXPECT_EQ(steps[1].at("name"), "decode");
  EXPECT_EQ(steps[1].at("ts"), 3000.001);
  EXPECT_EQ(steps[1].at("args").at("decode_tokens"), 7);
  EXPECT_EQ(steps[1].at("args").at("output_tokens"), 7);
  EXPECT_EQ(trace.at("otherData").at("steps"), 2);
  EXPECT_EQ(trace.at("otherData").at("max_steps_per_event"), 1);
}

TEST(Timeline, ThreadsAreNamedAsFaultsNameInstances) {
  const Deployment deployment = test_deployment(1, 2, 1);
  Written written(deployment);
  play(written.timeline, 4, 40);
  const json trace = written.finish();
  std::map<std::pair<int, int>, std::string> threads;
  std::map<int, std::string> processes;
  for (const json& event : events(trace, "M")) {
    const std::string name = event.at("args").at("name");
    if (event.at("name") == "process_name") processes[event.at("pid")] = name;
    if (event.at("name") == "thread_name") threads[{event.at("pid"), event.at("tid")}] = name;
  }
  for (const json& event : events(trace, "X")) {
    const std::string thread = threads.at({event.at("pid"), event.at("tid")});
    EXPECT_EQ(thread.substr(0, thread.find('/')), processes.at(event.at("pid")));
  }
  EXPECT_EQ(threads.at({1, 2}), "prefill/0");
  EXPECT_EQ(threads.at({1, 3}), "prefill/1");
  EXPECT_EQ(threads.at({2, 4}), "decode/0");
  EXPECT_EQ(threads.at({3, 1}), "unified/0");
}

TEST(Timeline, TooManyStepsAreMergedAndSaidToBe) {
  const Deployment deployment = test_deployment(3, 0, 0);
  for (const int64_t scale : {1, 10, 100, 1000, 10000}) {
    Written written(deployment, scale);
    play(written.timeline, 3, 5000);
    const json trace = written.finish();
    const auto steps = events(trace, "X");
    const double doublings = std::log2(1.0 + 5000.0 / static_cast<double>(scale));
    EXPECT_LE(static_cast<double>(steps.size()), static_cast<double>(scale) * doublings + 3 + 3);
    int64_t tokens = 0;
    int64_t count = 0;
    std::map<int, double> end;
    for (const json& step : steps) {
      tokens += step.at("args").at("tokens").get<int64_t>();
      const int64_t here = step.at("args").value("steps", 1);
      count += here;
      EXPECT_LE(here, trace.at("otherData").at("max_steps_per_event").get<int64_t>());
      EXPECT_NEAR(step.at("args").at("sequences").get<double>(), 4.0, 1e-9);
      EXPECT_GE(step.at("ts").get<double>(), end[step.at("tid")]);
      end[step.at("tid")] = step.at("ts").get<double>() + step.at("dur").get<double>() - 1e-6;
    }
    EXPECT_EQ(tokens, 5000 * 13);
    EXPECT_EQ(count, 5000);
    EXPECT_EQ(trace.at("otherData").at("steps"), 5000);
    EXPECT_EQ(trace.at("otherData").at("events"), steps.size());
    const std::string note = trace.at("otherData").at("note");
    EXPECT_EQ(note.find("consecutive") != std::string::npos, scale < 5000);
  }
}

TEST(Timeline, IsWrittenAsItGoesInSmallPieces) {
  const Deployment deployment = test_deployment(2, 0, 0);
  Written written(deployment, 1 << 20);
  play(written.timeline, 2, 5000);
  const size_t before = written.text.size();
  EXPECT_GT(before, size_t{5000 * 150}) << "nearly all of it is out before the end";
  written.finish();
  EXPECT_LT(written.text.size() - before, size_t{1 << 18});
  EXPECT_LT(written.largest, size_t{1 << 17});
}

TEST(Timeline, RequestsInFlightAreCountedAndEndAtNone) {
  const Deployment deployment = test_deployment(1, 0, 0);
  Written written(deployment);
  Timeline& timeline = written.timeline;
  play(timeline, 1, 100);
  for (int i = 0; i < 5; ++i) {
    timeline.request_ended(
        completed(Instant() + milliseconds(10 * i), milliseconds(20), milliseconds(1), 30));
  }
  timeline.request_ended(unserved(Instant() + milliseconds(30), RequestEnd::kRejected));
  double most = 0;
  double last = -1;
  for (const json& event : events(written.finish(), "C")) {
    if (event.at("name") != "requests in flight") continue;
    last = event.at("args").at("requests in flight");
    most = std::max(most, last);
  }
  EXPECT_EQ(last, 0);
  EXPECT_GE(most, 4);
  EXPECT_LE(most, 6);
}

TEST(Timeline, MarksKeepTheirTextAndEndWithTheRun) {
  const Deployment deployment = test_deployment(1, 0, 0);
  Written written(deployment);
  Timeline& timeline = written.timeline;
  timeline.step_done(TestStep(0, Instant(), milliseconds(8), 1, 0).report());
  timeline.add_mark({Instant() + milliseconds(2), Instant::never(), "\"decode/0\"\n<down>"});
  const json mark = events(written.finish(), "X").back();
  EXPECT_EQ(mark.at("name"), "\"decode/0\"\n<down>");
  EXPECT_EQ(mark.at("ts"), 2000.0);
  EXPECT_EQ(mark.at("dur"), 6000.0);
}

TEST(Timeline, ARunInWhichNothingHappenedIsATrace) {
  const Deployment deployment = test_deployment(0, 1, 1);
  const json trace = Written(deployment).finish();
  EXPECT_TRUE(events(trace, "X").empty());
  EXPECT_FALSE(events(trace, "M").empty());
  EXPECT_EQ(trace.at("otherData").at("steps"), 0);
}

}  // namespace
}  // namespace weft
