// A run of the engine on the wall clock, recorded, and played again.
#include "apps/replay.h"

#include <gtest/gtest.h>

#include "apps/command_testing.h"
#include "engine/cpu_model.h"
#include "model/random_checkpoint.h"
#include "real/cpu_cluster.h"

namespace weft {
namespace {

// Cancels one request on the news of its third token, another from outside, and stops at the end.
struct Front {
  void hear(const TokenNews& news) {
    if (news.tag == 1 && news.sequence.generated() == 3) cluster->cancel(1);
    if (news.tag == 3 && news.sequence.generated() == 5) post([this] { cluster->cancel(2); });
    if (news.record != nullptr && --left == 0) loop->stop();
  }
  void post(std::function<void()> run) {
    loop->inbox().post({.owner = {}, .run = std::move(run), .is_unowned = true});
  }
  Loop* loop = nullptr;
  CpuCluster* cluster = nullptr;
  int left = 5;
};

class Replays : public CommandTest {
 protected:
  // Five requests, of which the last finds no room to wait.
  void record(const std::string& file) {
    const auto like = architecture_by_name("qwen3");
    RandomCheckpoint wanted;
    wanted.config = preset_config(*like, "tiny", {}).value();
    ASSERT_TRUE(write_random_checkpoint(path("model"), wanted).ok());
    Workers workers(1, false);
    auto model = CpuModel::load(Checkpoint::open(path("model")).value(), {}, best_isa(), workers);
    ASSERT_TRUE(model.ok());
    auto recorder = RunRecorder::create(file).value();
    CpuClusterConfig config;
    config.instance.blocks = 16;
    config.instance.max_tokens = 64;
    config.instance.max_sequences = 1;
    config.max_waiting = 2;
    config.recorder = recorder.get();
    recorder->begin(record_settings(config));
    RecordingClock clock(recorder.get());
    Loop loop(clock);
    Front front;
    CpuCluster cluster(loop, *model, config, Callback<const TokenNews&>::to<&Front::hear>(&front));
    front.loop = &loop;
    front.cluster = &cluster;
    for (uint64_t tag = 1; tag <= 5; ++tag) {
      front.post([&cluster, tag] {
        TokenSequence sequence;
        sequence.tokens.assign(40, static_cast<int32_t>(tag / 2));
        sequence.max_output = 12;
        cluster.submit(std::move(sequence), tag);
      });
    }
    loop.run(true);
    recorder->end(cluster.cluster().router().digest(), cluster.cluster().router().submitted());
  }
};

TEST_F(Replays, EveryDecisionIsTheRecordedOne) {
  for (int round = 0; round < 10; ++round) {
    fs::remove_all(path("model"));
    record(path("run.rec"));
    const auto played = replay_run(path("run.rec"));
    ASSERT_TRUE(played.ok()) << played.error().message;
    EXPECT_TRUE(played->is_identical());
    EXPECT_EQ(played->requests, 5u);
    EXPECT_GT(played->steps, 0u);
  }
}

TEST_F(Replays, AnotherRecordIsSeenAsSuch) {
  record(path("run.rec"));
  const std::string text = read(path("run.rec"));
  const auto replayed = [&](const std::string& changed) {
    write("changed.rec", changed);
    return replay_run(path("changed.rec"));
  };
  // A step that ends later, a shorter answer, a step too many, an end that is missing.
  std::string other = text;
  const size_t last_step = text.rfind("\ns ");
  other.insert(other.find('\n', other.rfind("\nt ", last_step) + 1), "0");
  EXPECT_FALSE(replayed(other)->is_identical());
  other = text;
  other.replace(other.find("\na 3 40 12 ") + 8, 2, "11");
  const auto shorter = replayed(other);
  EXPECT_FALSE(shorter.ok() && shorter->is_identical());
  other = text;
  other.insert(other.find("\nt ", other.find("\na 5 ")), "\ns 1 1 1");
  EXPECT_NE(replayed(other).error().message.find("planned another step"), std::string::npos);
  const auto cut = replayed(text.substr(0, text.size() / 2));
  EXPECT_TRUE(cut.ok() && !cut->has_digest);
}

TEST_F(Replays, WhatIsNoRecordIsOneLine) {
  write("bad.rec", "weft-record 1 instances=x\n");
  expect_refused(run("simulate --replay " + path("bad.rec")), {"bad.rec:1", "instances=x"});
  expect_refused(run("simulate --replay /no/such"), {"/no/such"});
}

}  // namespace
}  // namespace weft
