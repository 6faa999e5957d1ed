// RunRecorder: what happened to a cluster on the wall clock, line by line, so that it can be played
// again (apps/replay.h). The scheduler's own decisions are not written but for a digest of them:
// they follow from the rest.
#pragma once

#include <cstdio>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "model/batch.h"
#include "model/request.h"
#include "node/router.h"
#include "real/wall_clock.h"

namespace weft {

// A line begins with its kind:
//   weft-record 1 KEY=VALUE ...          first: what the cluster is made of
//   t NS                                 a turn of the loop begins at this instant
//   a TAG PROMPT OUTPUT PRIORITY HASH... a request arrives
//   c TAG                                nobody waits for it any longer
//   s NODE COUNT OUTPUT...               a step is done: tokens of each, "e": ended
//   n COUNT TAG                          TAG: cancelled amid the COUNT-th news
//   e DIGEST REQUESTS                    last
class RunRecorder {
 public:
  // Creates or empties the file. kBadInput when it cannot be written.
  static Result<std::unique_ptr<RunRecorder>> create(const std::string& path);
  ~RunRecorder();
  RunRecorder(const RunRecorder&) = delete;
  RunRecorder& operator=(const RunRecorder&) = delete;

  // First: "KEY=VALUE KEY=VALUE".
  void begin(const std::string& settings);
  void turn(Instant now);
  void arrived(const NewRequest& request);
  void cancelled(uint64_t tag);
  void cancelled_on_news(uint64_t news, uint64_t tag);
  void step(NodeId node, std::span<const SequenceOutput> outputs);
  // Last.
  void end(uint64_t digest, uint64_t requests);
  // False once a write has failed: the disk is full, say.
  [[nodiscard]] bool ok() const { return std::ferror(file_) == 0; }

 private:
  explicit RunRecorder(std::FILE* file) : file_(file) {}
  std::FILE* file_;
  std::string line_;
};

// The wall clock, whose turns are written down.
class RecordingClock final : public Clock {
 public:
  // The recorder outlives it; null: nothing is written.
  explicit RecordingClock(RunRecorder* recorder) : recorder_(recorder) {}
  [[nodiscard]] Instant now() const override {
    const Instant now = clock_.now();
    if (recorder_ != nullptr) recorder_->turn(now);
    return now;
  }
  void wait_until(Instant deadline, Inbox& inbox) override { clock_.wait_until(deadline, inbox); }

 private:
  WallClock clock_;
  RunRecorder* recorder_;
};

}  // namespace weft
