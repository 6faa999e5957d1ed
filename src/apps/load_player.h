// LoadPlayer: plays a workload against a server through a LoadClient. Open loop: requests are sent
// at their planned instants whatever is outstanding. Closed loop: as many as there are users, each
// sending again when it has its answer. Twin of sim/player.h outside the simulator.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apps/load_prompts.h"
#include "apps/serve_metrics.h"
#include "base/flat_map.h"
#include "real/load_client.h"
#include "sim/workload.h"

namespace weft {

struct LoadPlayerConfig {
  int64_t shared_prefix = 0;       // tokens in front of every prompt that are the same in all
  bool interrupts = false;         // SIGINT and SIGTERM end the run, with what there is
  std::function<void()> progress;  // about four times a second
};

class LoadPlayer {
 public:
  // Everything outlives the player. One player for a client.
  LoadPlayer(LoadClient& client, Workload& workload, const LoadPrompts& prompts,
             ServeMetrics& metrics, LoadPlayerConfig config);

  // To the end of the workload and of its last reply. The workload's own error ends it early.
  Status run();

  [[nodiscard]] bool interrupted() const { return interrupted_; }
  [[nodiscard]] int64_t sent() const { return sent_; }
  [[nodiscard]] int64_t most_in_flight() const { return most_in_flight_; }

 private:
  struct Planned {
    Arrival arrival;
    std::string body;  // made before its instant comes
  };
  struct Slot {
    ServeRecord record;
    uint64_t conversation = 0;
    Instant any_first;  // chunk with a choice, with content or not: tokens may have no text
    Instant any_last;
    bool busy = false;
  };

  void chunk(const ReplyChunk& chunk);
  void ended(const ReplyEnd& end);
  void close(Slot& slot, const ReplyEnd& end);
  void wake();
  void interrupt();
  bool fetch();
  void send_due();
  void top_up();
  void give(Planned planned);
  void send(Planned planned, Instant at);
  void arm();
  void maybe_stop();

  LoadClient& client_;
  Workload& workload_;
  const LoadPrompts& prompts_;
  ServeMetrics& metrics_;
  LoadPlayerConfig config_;
  bool closed_loop_;
  Instant start_;  // instant 0 of the workload on the client's clock
  Instant next_progress_;
  Planned next_;
  bool have_next_ = false;
  bool at_end_ = false;  // of the workload
  bool interrupted_ = false;
  std::optional<Error> error_;
  std::vector<Slot> slots_;  // by tag
  std::vector<uint64_t> free_;
  FlatMap<std::deque<Planned>> conversations_;  // in flight: the turns that wait
  int64_t held_ = 0;
  int64_t in_flight_ = 0;
  int64_t most_in_flight_ = 0;
  int64_t sent_ = 0;
};

}  // namespace weft
