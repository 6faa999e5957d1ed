// Player: plays a workload into a router: open loop at the workload's instants, closed loop as
// requests end; turns of a conversation one after the other.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "base/flat_map.h"
#include "node/router.h"
#include "runtime/loop.h"
#include "sim/workload.h"

namespace weft {

class Player {
 public:
  // `block` and `seed` make the prompts' block hashes.
  Player(Loop& loop, Workload& workload, Tokens block, uint64_t seed);

  // Arms the first arrivals. The router is given here because it needs ended() to be made.
  void start(Router& router);
  // To be called with every record of the router: frees the place, sends what waited for it.
  void ended(const RequestRecord& record);

  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] int64_t sent() const { return sent_; }

 private:
  void fire();
  bool fetch();
  void send_next();
  void send(const Arrival& arrival);
  void top_up();

  Loop& loop_;
  Workload& workload_;
  Tokens block_;
  uint64_t seed_;
  Router* router_ = nullptr;
  Arrival next_;
  bool have_next_ = false;
  bool topping_up_ = false;
  int64_t sent_ = 0;
  int64_t in_flight_ = 0;  // sent and not ended
  int64_t held_ = 0;       // turns that wait for the one before them
  std::optional<Error> error_;
  std::vector<BlockHash> hashes_;
  std::vector<uint64_t> conversation_of_;  // by tag
  std::vector<uint64_t> free_tags_;
  FlatMap<std::deque<Arrival>> conversations_;  // in flight: the turns that wait
  Timer timer_;
};

}  // namespace weft
