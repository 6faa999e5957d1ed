// Scheduler: what one instance computes next. Continuous batching with chunked prefill, paged KV
// with prefix reuse, preemption when blocks run out; one batch per data-parallel rank, planned
// together because the slowest rank sets the step. Pure: events in, a batch and effects out. The
// same object serves real requests and simulated ones.
#pragma once

#include <span>
#include <vector>

#include "base/flat_map.h"
#include "cache/block_pool.h"
#include "model/batch.h"
#include "model/request.h"
#include "sched/scheduler_config.h"

namespace weft {

// KV that must be brought in before a sequence can run; answer with Scheduler::loaded().
struct Load {
  Request request;
  uint32_t rank = 0;
  int64_t first_block = 0;  // of the sequence's table
  int64_t blocks = 0;
  int64_t tokens = 0;  // context once they have arrived
};

enum class SequenceEvent : uint8_t {
  kFirst,      // prefill is done and it goes on here (unified)
  kPrefilled,  // prefill is done, its KV is held until release() (prefill role)
  kFinished,   // its last token is out
  kEvicted,    // blocks ran out; its KV is gone and must be computed elsewhere (decode role)
  kExpired,    // its deadline passed while it waited
};

struct Event {
  SequenceEvent kind = SequenceEvent::kFirst;
  Request request;
  uint32_t rank = 0;
  int64_t generated = 0;  // output tokens so far
  int64_t cached = 0;     // prompt tokens that were not computed here
  int64_t new_block = 0;  // first block of the prompt that was computed here
};

// What a call of the scheduler wants done. The caller clears it.
struct Effects {
  std::vector<Load> loads;
  std::vector<Event> events;
  void clear() {
    loads.clear();
    events.clear();
  }
};

class Scheduler {
 public:
  explicit Scheduler(const SchedulerConfig& config);

  enum class Add { kAccepted, kFull, kNeverFits };
  // A new sequence of which `generated` output tokens are known. Decode role: the KV of everything
  // but the last of them lies outside. Other roles: the first `outside` blocks of the prompt can be
  // loaded.
  Add add(const Request& request, int64_t generated, int64_t outside);
  // A Load is done and `tokens` of context are in place (fewer than asked for: the rest is
  // computed; decode role: 0 means lost, and the sequence is evicted). False: no longer known.
  bool loaded(RequestId request, int64_t tokens, Effects& effects);
  // The KV of a prefilled sequence was pulled. False: not held here.
  bool release(RequestId request);
  // Somebody reads the blocks [first, end) of a request's table, which hold its prompt: they are
  // appended to `blocks`, and stay as they are until take_back(), whatever becomes of the request.
  void lend(RequestId request, int64_t first, int64_t end, std::vector<BlockId>& blocks);
  void take_back(uint32_t rank, std::span<const BlockId> blocks);
  // Forgets a request in whatever state. One in the running step leaves when the step ends, one
  // whose KV is being brought in when that has ended (loaded()): until then its blocks are written.
  // False: not known.
  bool cancel(RequestId request);

  // The next step, or null when there is nothing to compute. Requires that none is under way.
  const Batch* plan(Instant now, Effects& effects);
  // The step planned last is done.
  void apply(const StepOutput& output, Effects& effects);

  [[nodiscard]] int64_t waiting() const { return static_cast<int64_t>(waiting_.size()); }
  [[nodiscard]] int64_t running() const { return static_cast<int64_t>(work_.size()); }
  [[nodiscard]] int64_t held() const { return held_; }
  [[nodiscard]] int64_t lent() const;  // blocks, each as often as it is lent
  [[nodiscard]] int64_t sequences() const { return static_cast<int64_t>(by_request_.size()); }
  [[nodiscard]] int64_t preemptions() const { return preemptions_; }
  [[nodiscard]] int64_t blocks_in_use() const;
  [[nodiscard]] const SchedulerConfig& config() const { return config_; }
  // Sums, positions and reference counts agree with each other. Deep: walks every block too.
  void check_integrity(bool deep) const;

 private:
  enum class State : uint8_t { kFree, kWaiting, kLoading, kReady, kRunning, kHeld };
  struct Sequence {
    Request request;
    State state = State::kFree;
    bool cancelled = false;
    uint32_t rank = 0;
    uint32_t position = 0;  // in work_, when running
    int64_t generated = 0;
    int64_t target = 0;   // tokens to have in KV before decoding
    int64_t context = 0;  // tokens in KV (running: see work_)
    int64_t outside = 0;  // tokens of context that can be loaded
    int64_t found = 0;    // tokens found in the pool or loaded when it started running
    int64_t cached = -1;  // the fewest of those, all its starts: what was never computed here
    uint64_t order = 0;   // of arrival here; kept through preemption
    std::vector<BlockId> table;
  };
  struct Running {  // hot fields, parallel to work_
    // Decoding: the least context that takes a closer look after a step, because the table is full
    // then, or the sequence has ended or was cancelled.
    int64_t watch = 0;
    int64_t max_output = 0;
  };
  struct Waiting {
    int priority;
    Instant deadline;
    uint64_t order;
    uint32_t slot;
    bool operator<(const Waiting& o) const;  // a heap's order: the greatest is next
  };
  struct Rank {
    int64_t sequences = 0;  // running or loading
    int64_t tokens = 0;     // targets of all sequences placed here
    int64_t lent = 0;       // blocks
    int64_t budget = 0;     // tokens left in the step being planned
  };

  uint32_t new_slot();
  void free_slot(uint32_t slot);
  void push_waiting(uint32_t slot);
  void pop_waiting();
  [[nodiscard]] int64_t blocks_for(int64_t tokens) const;
  [[nodiscard]] int64_t capacity(const SequenceWork& work) const;  // tokens that its table holds
  [[nodiscard]] std::span<const BlockHash> reusable(const Sequence& sequence) const;
  [[nodiscard]] int64_t hits_if_fits(const Sequence& sequence, int rank) const;  // -1: no room
  [[nodiscard]] int choose_rank(const Sequence& sequence, int64_t& hits) const;

  void set_budgets();
  void grow_tables(Effects& effects);
  [[nodiscard]] uint32_t choose_victim(uint32_t rank) const;
  void preempt(uint32_t slot, Effects& effects);
  void admit_waiting(Instant now, Effects& effects);
  bool admit(uint32_t slot, Effects& effects);
  void start_running(uint32_t slot);
  void start_decoding(SequenceWork& work, Running& running);
  void set_watch(const SequenceWork& work, Running& running) const;
  void plan_chunks();
  void plan_chunk(SequenceWork& work);
  void undo_chunk_load(const SequenceWork& work);
  void pause_decoding();
  void resume_decoding();

  // Both return whether the sequence stays in the batch.
  bool look_closer(SequenceWork& work, const Running& running, const SequenceOutput& output,
                   Effects& effects);
  bool apply_prefill(SequenceWork& work, Running& running, const SequenceOutput& output,
                     Effects& effects);
  void publish_blocks(Sequence& sequence, int64_t from, int64_t to);
  void leave_decode(const SequenceWork& work);
  void leave_rank(Sequence& sequence);
  void finish(uint32_t slot, SequenceEvent kind, Effects& effects);
  void remove_from_batch(uint32_t position);
  void emit(SequenceEvent kind, const Sequence& sequence, Effects& effects);

  SchedulerConfig config_;
  int64_t lookahead_ = 0;  // tokens that a decode step may write beyond the context
  std::vector<BlockPool> pools_;
  std::vector<Rank> ranks_;
  std::vector<Sequence> sequences_;  // by slot
  std::vector<uint32_t> free_slots_;
  FlatMap<uint32_t> by_request_;  // request → slot
  std::vector<Waiting> waiting_;  // a heap
  std::vector<uint32_t> ready_;   // loaded, to join the next step
  std::vector<uint32_t> grow_;    // decoding, and their table is full

  std::vector<SequenceWork> work_;  // the running batch, in order of admission
  std::vector<Running> running_;
  std::vector<RankLoad> loads_;   // decode sums are kept, prefill sums are the step's
  int64_t prefilling_ = 0;        // entries of work_ that still prefill
  int64_t decode_tokens_ = 0;     // of a step, all ranks
  std::vector<RankLoad> paused_;  // loads_ as they were before the step left decoding out; or empty
  int64_t held_ = 0;
  Batch batch_;
  bool stepping_ = false;
  uint64_t next_order_ = 1;
  int64_t preemptions_ = 0;
};

}  // namespace weft
