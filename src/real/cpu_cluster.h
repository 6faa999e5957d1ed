// CpuCluster: a router and instances of one model on this machine's processors, in one process, and
// the tokens that go through them.
#pragma once

#include <vector>

#include "base/flat_map.h"
#include "engine/cpu_model.h"
#include "engine/instance.h"
#include "engine/token_book.h"
#include "node/cluster.h"
#include "real/local_transport.h"
#include "real/run_recorder.h"
#include "runtime/loop.h"

namespace weft {

struct CpuClusterConfig {
  EngineInstanceConfig instance;
  int instances = 1;
  int64_t max_waiting = 4096;  // requests that wait for an instance; one more is rejected
  uint64_t hash_salt = 0;      // of block hashes: nobody outside can make two prompts share one
  RunRecorder* recorder = nullptr;  // of what happens, or null
};

// Router and instances as a config asks for them: what a recorded run is played on, too.
ClusterConfig cluster_config(const CpuClusterConfig& config);
// What RunRecorder::begin() writes of it.
std::string record_settings(const CpuClusterConfig& config);

// What a sequence gained in a step, or that it has ended. `sequence` stays until the call returns;
// it is an empty one where a request was cancelled amid a step, which still writes to the true one.
struct TokenNews {
  uint64_t tag = 0;
  const TokenSequence& sequence;
  int64_t tokens = 0;                     // the last so many of its output are new
  const RequestRecord* record = nullptr;  // the last news of a request
};

class CpuCluster {
 public:
  // `model` outlives the cluster. `news` is called on the loop.
  CpuCluster(Loop& loop, const CpuModel& model, const CpuClusterConfig& config,
             Callback<const TokenNews&> news);

  // Takes a sequence in; its prompt is not empty. The caller's `tag` comes back in the news.
  // A request that is rejected ends before this returns. Higher priorities go first.
  void submit(TokenSequence sequence, uint64_t tag, int priority = 0);
  // Nobody waits for it any longer; its last news still comes. Passed over when it has ended.
  void cancel(uint64_t tag);

  [[nodiscard]] Cluster& cluster() { return cluster_; }

 private:
  void step_done(const StepReport& report);
  void tell(const TokenNews& news);
  void ended(const RequestRecord& record);

  Loop& loop_;
  const CpuModel& model_;
  CpuClusterConfig config_;
  Callback<const TokenNews&> news_;
  TokenBook book_;
  LocalTransport transport_;
  FlatMap<uint64_t> tag_of_;      // by request
  FlatMap<uint64_t> request_of_;  // by tag
  TokenSequence* submitted_ = nullptr;
  const TokenSequence nothing_;
  std::vector<BlockHash> hashes_;
  uint64_t news_count_ = 0;  // told so far
  bool tells_ = false;       // right now
  Cluster cluster_;
};

// Chained hashes of the full blocks of a prompt: equal hashes, equal tokens up to there.
void hash_blocks(std::span<const int32_t> tokens, int64_t block, uint64_t salt,
                 std::vector<BlockHash>& out);

}  // namespace weft
