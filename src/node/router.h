// Router: takes requests in, keeps them until they have ended, and sends them to prefill, decode or
// unified instances by a policy. It knows of its peers only what it sent them and heard back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/histogram.h"
#include "base/result.h"
#include "model/role.h"
#include "node/instance_node.h"
#include "ports/transport.h"
#include "runtime/loop.h"
#include "sched/prefix_view.h"
#include "sched/routing.h"

namespace weft {

struct PeerConfig {
  NodeId id;
  Role role = Role::kUnified;
  int packages = 1;
  int64_t max_outstanding = 0;  // requests sent and not yet answered for; the rest wait here
};

struct RouterConfig {
  NodeId id;
  std::string policy = "least_tokens";  // for the instance that prefills
  std::string decode_policy = "least_tokens";
  int64_t max_pending = 65536;  // waiting here for an instance; one more is rejected
  int max_retries = 3;          // after instances died; then the request fails
  int64_t prefix_view_blocks = 1 << 20;
  std::vector<PeerConfig> peers;  // by ascending id
};

// A request as it comes in. `blocks` is copied.
struct NewRequest {
  Tokens prompt;
  Tokens max_output;
  int priority = 0;
  Instant deadline = Instant::never();
  std::span<const BlockHash> blocks;
  uint64_t tag = 0;  // the caller's own; comes back in the record
};

enum class RequestEnd : uint8_t { kCompleted, kRejected, kExpired, kFailed, kCancelled };

struct RequestRecord {
  uint64_t tag = 0;
  RequestEnd end = RequestEnd::kCompleted;
  Instant arrival;
  Instant first_token;  // completed requests
  Instant last_token;
  int64_t prompt = 0;
  int64_t output = 0;  // tokens that went out
  int64_t cached = 0;  // prompt tokens that were not computed
  int retries = 0;
};

class Router {
 public:
  // `ended` is called once for every request, in a turn after its submission or, for a rejection,
  // inside submit().
  Router(Loop& loop, Transport& transport, const RouterConfig& config,
         Callback<const RequestRecord&> ended);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  RequestId submit(const NewRequest& request);
  // Nobody wants it any longer. It ends as cancelled, in this call where it waits here, otherwise
  // when the instance it is at has let go of it; as what it became, if that comes first. An id that
  // has ended is passed over.
  void cancel(RequestId request);
  // Tokens that an instance made; called by the instance at the end of each step.
  void on_step(const StepReport& report);
  // Ends everything that still waits here as failed: no instance will ever take it. What that frees
  // on other nodes may let the rest go on.
  void give_up();

  [[nodiscard]] const Histogram& token_gaps() const { return token_gaps_; }
  [[nodiscard]] uint64_t digest() const { return digest_.value(); }
  [[nodiscard]] int64_t in_flight() const { return in_flight_; }
  [[nodiscard]] int64_t pending() const;
  [[nodiscard]] int64_t output_tokens() const { return output_tokens_; }
  [[nodiscard]] uint64_t submitted() const { return next_order_ - 1; }
  void check_integrity() const;
  // Counts what happened to it: while it stands still, so does everything that is checked.
  [[nodiscard]] uint64_t changes() const { return changes_; }

 private:
  enum class State : uint8_t { kFree, kPending, kPrefilling, kPendingDecode, kDecoding };
  struct Entry {
    Request request;
    State state = State::kFree;
    bool cancelled = false;
    int retries = 0;
    size_t peer = 0;      // where it is, when sent
    int64_t charged = 0;  // tokens counted as outstanding there
    NodeId kv_node;       // where its KV waits (pending decode)
    uint32_t kv_rank = 0;
    int64_t cached = -1;  // prompt tokens that nobody computed for it; -1: not known yet
    uint64_t order = 0;
    uint64_t tag = 0;
    std::vector<BlockHash> blocks;
  };
  // What changes with every token, kept close together; parallel to entries_.
  struct Progress {
    RequestId id;
    Instant first;
    Instant last;
    int64_t generated = 0;
    int64_t max_output = 0;
  };
  struct Peer {
    PeerConfig config;
    bool up = true;
    bool full = false;  // refused the last one, and has let go of none since
    int64_t outstanding_requests = 0;
    int64_t outstanding_tokens = 0;
    uint64_t last_used = 0;
    [[nodiscard]] bool open() const {
      return up && !full && outstanding_requests < config.max_outstanding;
    }
  };
  struct Pending {
    int priority;
    Instant deadline;
    uint64_t order;
    size_t index;
    bool operator<(const Pending& o) const;
  };

  void receive(const Message& message);
  void peer_changed(NodeId node, PeerEvent event);
  size_t new_entry();
  [[nodiscard]] Entry* find(RequestId id);
  [[nodiscard]] size_t index_of(const Entry& entry) const;
  void list(const Peer& peer);
  void queue(size_t index, bool decode);
  void dispatch(bool decode);
  [[nodiscard]] std::optional<size_t> choose(const Entry& entry, bool decode);
  void send(size_t index, size_t peer, bool decode);
  void uncharge(Entry& entry);
  static void note_cached(Entry& entry, int64_t tokens);
  void on_prefilled(const Message& message);
  void on_refused(const Message& message);
  void on_lost(const Message& message);
  void retry(size_t index);
  void leave_queue(size_t index);
  void release_kv(const Entry& entry);
  void end(size_t index, RequestEnd how);

  Loop& loop_;
  Transport& transport_;
  RouterConfig config_;
  const RoutingPolicyEntry* policy_;
  const RoutingPolicyEntry* decode_policy_;
  Callback<const RequestRecord&> ended_;
  std::vector<Peer> peers_;
  std::vector<Entry> entries_;
  std::vector<Progress> progress_;
  std::vector<size_t> free_;
  std::vector<Pending> pending_[2];  // heaps: for prefill or unified, and for decode
  // Peers that may take one more, by ascending node: for prefill or unified, and for decode.
  std::vector<Candidate> candidates_[2];
  PrefixView prefixes_;
  Histogram token_gaps_;
  Digest digest_;
  uint64_t next_order_ = 1;
  uint64_t turns_ = 0;
  uint64_t changes_ = 0;
  int64_t in_flight_ = 0;
  int64_t output_tokens_ = 0;
};

}  // namespace weft
