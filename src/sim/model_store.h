// ModelStore: a disk that takes the time its bandwidth says: reads one after the other, writes one
// after the other, both at once. Twin of real/file_store.h.
#pragma once

#include <deque>

#include "ports/store.h"
#include "runtime/loop.h"

namespace weft {

struct ModelStoreConfig {
  Bytes block;
  double read_bandwidth = 0;  // bytes/s
  double write_bandwidth = 0;
  Duration latency;  // of an operation, before its bytes flow
};

class ModelStore final : public Store {
 public:
  ModelStore(Loop& loop, const ModelStoreConfig& config);
  void submit(StoreAction action, std::span<const BlockHash> blocks, StoreDone done) override;

 private:
  struct Operation {
    Instant at;
    StoreDone done;
  };
  // One direction: its operations in order, the next one's end on a timer.
  struct Lane {
    Lane(Loop& loop, double rate);
    void fire();
    Loop& loop;
    double rate;  // bytes/s
    Instant free_at;
    std::deque<Operation> queue;
    Timer timer;
  };

  Loop& loop_;
  ModelStoreConfig config_;
  Lane reads_;
  Lane writes_;
};

}  // namespace weft
