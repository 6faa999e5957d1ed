// EmulatedCluster: a modelled deployment in real time behind the API. When tokens come, queueing,
// cache hits, rejections and faults are the model's; the tokens themselves are made up: words of
// the tokenizer, or, where the answer has to follow a grammar, something that follows it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/flat_map.h"
#include "model/tokenizer.h"
#include "real/cpu_cluster.h"
#include "real/wall_clock.h"
#include "sim/world.h"

namespace weft {

class EmulatedCluster {
 public:
  // Everything given outlives it. `news` is called on the loop.
  static Result<std::unique_ptr<EmulatedCluster>> make(const Deployment& deployment,
                                                       Scenario& scenario,
                                                       const Tokenizer& tokenizer,
                                                       Callback<const TokenNews&> news);

  [[nodiscard]] Loop& loop() { return world_->loop(); }
  [[nodiscard]] Cluster& cluster() { return world_->cluster(); }
  // Tokens of a sequence that every instance has room for.
  [[nodiscard]] int64_t capacity();

  void submit(TokenSequence sequence, uint64_t tag, int priority);
  void cancel(uint64_t tag);

 private:
  struct Open {
    TokenSequence sequence;
    RequestId request;
    bool is_known = false;   // `request` is set
    bool has_ended = false;  // its grammar has, before its length
  };

  EmulatedCluster(const Tokenizer& tokenizer, uint64_t seed, Callback<const TokenNews&> news);
  void request_ended(const RequestRecord& record);
  void step_done(const StepReport& report);
  [[nodiscard]] int32_t next_token(Open& open, uint64_t tag);

  const Tokenizer& tokenizer_;
  uint64_t seed_;
  Callback<const TokenNews&> news_;
  WallClock clock_;
  std::unique_ptr<World> world_;
  int64_t block_ = 0;
  std::vector<int32_t> words_;           // tokens to say
  std::vector<int32_t> ends_;            // quote, brace, bracket
  FlatMap<std::unique_ptr<Open>> open_;  // by tag
  FlatMap<uint64_t> tag_of_;             // by request
  std::vector<BlockHash> hashes_;
};

}  // namespace weft
