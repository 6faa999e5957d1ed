// InstanceNode: one instance of any role as a peer: a scheduler, a device, and the messages between
// them and the others. The same on both clocks. Destroying it is a crash.
#pragma once

#include <memory>
#include <vector>

#include "base/flat_map.h"
#include "ports/device.h"
#include "ports/transport.h"
#include "runtime/loop.h"
#include "sched/scheduler.h"

namespace weft {

struct InstanceConfig {
  NodeId id;
  NodeId router;
  SchedulerConfig scheduler;
  double kv_bytes_per_token = 0;     // that travel for one token of context, all dies of a rank
  double kv_bytes_per_sequence = 0;  // that travel whatever the length
  std::vector<NodeId> caches;        // cache nodes that hold prompts' KV, ascending; may be empty
};

// A step that is done: what it computed and what came of it, before the scheduler takes it in.
struct StepReport {
  NodeId node;
  Instant start;
  Duration took;
  const Batch& batch;
  std::span<const SequenceOutput> outputs;
};

class InstanceNode {
 public:
  // `step_done` hears of every step and with it of every token.
  InstanceNode(Loop& loop, Transport& transport, std::unique_ptr<Device> device,
               const InstanceConfig& config, Callback<const StepReport&> step_done);
  ~InstanceNode();
  InstanceNode(const InstanceNode&) = delete;
  InstanceNode& operator=(const InstanceNode&) = delete;

  [[nodiscard]] const Scheduler& scheduler() const { return scheduler_; }
  [[nodiscard]] Device& device() { return *device_; }
  void check_integrity(bool deep) const;
  // Counts what happened to it: while it stands still, so does everything that is checked.
  [[nodiscard]] uint64_t changes() const { return changes_; }

 private:
  // A prompt whose blocks are being looked up in the cache nodes.
  struct Lookup {
    Request request;
    int64_t generated = 0;
    int64_t open = 0;            // answers that are missing
    std::vector<int64_t> found;  // by stripe
    std::vector<NodeId> asked;   // by stripe; the answer is missing while set
  };
  // KV on its way from cache nodes.
  struct Fetch {
    Request request;
    int64_t first_block = 0;
    int64_t tokens = 0;
    int64_t open = 0;
    std::vector<int64_t> wanted;
    std::vector<int64_t> found;
    std::vector<NodeId> asked;
  };
  struct Source {
    NodeId node;
    uint32_t rank = 0;
    enum class Pull : uint8_t { kNotYet, kUnderWay, kDone } pull = Pull::kNotYet;
    bool cancelled = false;
  };
  // Blocks of a prompt that stay as they are while copies of them are on their way to cache nodes.
  // They go back together, so that the pool sees a table, whose tail it gives away first.
  struct Loan {
    uint32_t rank = 0;
    int64_t open = 0;  // copies that are not done
    std::vector<BlockId> blocks;
  };
  // One of the copies.
  struct Save {
    NodeId to;
    size_t loan = 0;
    std::vector<BlockHash> blocks;
  };

  void receive(const Message& message);
  void peer_changed(NodeId node, PeerEvent event);
  void on_prefill(const Message& message);
  void on_decode(const Message& message);
  void on_cancel(const Message& message);
  void on_found(const Message& message);
  void on_fetched(const Message& message);
  void add(const Request& request, int64_t generated, int64_t outside);
  void finish_lookup(uint64_t id);
  void finish_fetch(uint64_t id);

  void want_step();
  void start_step();
  void step_done(uint64_t tag, const StepOutput& output);
  void carry_out();
  void start_load(const Load& load);
  void start_pull(const Load& load);
  void pulled(uint64_t request, bool ok);
  void release_source(uint64_t request, NodeId source);
  void handle(const Event& event);
  void save_blocks(const Event& event);
  void save_stripe(size_t loan, std::span<const BlockHash> stripe, NodeId to);
  void saved(uint64_t job, bool ok);
  void tell_router(MessageKind kind, const Event& event);
  [[nodiscard]] Bytes kv_bytes(int64_t tokens) const;

  Loop& loop_;
  Transport& transport_;
  std::unique_ptr<Device> device_;
  InstanceConfig config_;
  Callback<const StepReport&> step_done_;
  Scheduler scheduler_;
  Effects effects_;
  Effects spare_;  // keeps its memory for the next round
  std::vector<NodeId> live_caches_;
  FlatMap<Lookup> lookups_;        // by request
  FlatMap<Fetch> fetches_;         // by request
  std::vector<uint64_t> looking_;  // requests in lookups_ and fetches_, in order
  FlatMap<Source> sources_;        // decode: where a request's KV lies
  std::vector<Loan> loans_;
  std::vector<size_t> free_loans_;
  std::vector<Save> saves_;
  std::vector<size_t> free_saves_;
  const Batch* batch_ = nullptr;
  Instant step_start_;
  uint64_t changes_ = 0;
  Timer wake_;
  Lifetime lifetime_;
};

}  // namespace weft
