// EngineTiming: seconds of prompts and decode steps of an instance on made-up tokens, without a
// scheduler: what `weft bench engine` prints and --calibrate fits.
#pragma once

#include <cstdint>
#include <vector>

#include "apps/local_model.h"

namespace weft {

struct EngineTimingConfig {
  int64_t prompt = 512;  // tokens before the first decode step
  std::vector<int64_t> batches = {1};
  int64_t steps = 32;     // decode steps of each batch
  int64_t longest = 512;  // of any prompt that is timed
};

// Seconds of one step, of several that were timed.
struct StepSeconds {
  double median = 0;
  double quick = 0;    // a fifth of them took no longer: what others on the machine take shows less
  double tokens = 0;   // that a step gained, mean
  double context = 0;  // decode: tokens before a sequence's last, mean
};

class EngineTiming {
 public:
  // `local` outlives it.
  EngineTiming(const LocalModel& local, const EngineTimingConfig& config);

  // One prompt of so many tokens, computed at once; `repeats` times after a first one that does not
  // count. Requires tokens <= config.longest.
  StepSeconds prompt(int64_t tokens, int repeats);
  // Steps of `batch` sequences, one of config.batches, after their prompts.
  StepSeconds decode(int64_t batch);

  [[nodiscard]] const KvLayout& kv_layout() { return instance_.kv().layout(); }
  // Of all blocks that it keeps.
  [[nodiscard]] int64_t kv_bytes();
  // Of the first prompt of all, before anything was warm.
  [[nodiscard]] double first_prompt_seconds() const { return first_prompt_seconds_; }

 private:
  void start(int64_t batch, int64_t prompt);
  void prefill(size_t sequence);
  int64_t decode_step();

  const LocalModel& local_;
  EngineTimingConfig config_;
  EngineInstance instance_;
  std::vector<TokenSequence> sequences_;
  std::vector<std::vector<BlockId>> tables_;
  std::vector<EnginePart> parts_;
  double first_prompt_seconds_ = 0;
};

// Monotonic.
[[nodiscard]] double now_seconds();
// The value that `share` of the values do not exceed. Requires values.
[[nodiscard]] double quantile(std::vector<double> values, double share);

}  // namespace weft
