// Two lanes of a modelled disk.
#include "sim/model_store.h"

#include <algorithm>

#include "base/check.h"

namespace weft {

ModelStore::Lane::Lane(Loop& on, double bytes_per_second)
    : loop(on), rate(bytes_per_second), timer(on, Callback<>::to<&Lane::fire>(this)) {
  CHECK(rate > 0, "a disk has a bandwidth");
}

void ModelStore::Lane::fire() {
  const StoreDone done = std::move(queue.front().done);
  queue.pop_front();
  if (!queue.empty()) timer.arm(queue.front().at);
  done(true);
}

ModelStore::ModelStore(Loop& loop, const ModelStoreConfig& config)
    : loop_(loop),
      config_(config),
      reads_(loop, config.read_bandwidth),
      writes_(loop, config.write_bandwidth) {}

void ModelStore::submit(StoreAction action, std::span<const BlockHash> blocks, StoreDone done) {
  Lane& lane = action == StoreAction::kRead ? reads_ : writes_;
  const double bytes = static_cast<double>(blocks.size()) * config_.block.as_double();
  lane.free_at = std::max(lane.free_at, loop_.now()) + seconds(bytes / lane.rate);
  lane.queue.push_back({lane.free_at + config_.latency, std::move(done)});
  if (!lane.timer.armed()) lane.timer.arm(lane.queue.front().at);
}

}  // namespace weft
