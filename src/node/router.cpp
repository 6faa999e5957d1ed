// A request's way: pending → prefilling → (pending decode → decoding) → ended; deaths send it back.
#include "node/router.h"

#include <algorithm>

#include "base/check.h"

namespace weft {

namespace {

// A request id is the entry's index and a serial number, so that finding it needs no map.
constexpr int kIndexBits = 24;
constexpr uint64_t kIndexMask = (uint64_t{1} << kIndexBits) - 1;

}  // namespace

bool Router::Pending::operator<(const Pending& o) const {
  if (priority != o.priority) return priority < o.priority;
  if (deadline != o.deadline) return deadline > o.deadline;
  return order > o.order;
}

Router::Router(Loop& loop, Transport& transport, const RouterConfig& config,
               Callback<const RequestRecord&> ended)
    : loop_(loop),
      transport_(transport),
      config_(config),
      policy_(find_routing_policy(config.policy)),
      decode_policy_(find_routing_policy(config.decode_policy)),
      ended_(ended),
      prefixes_(policy_ != nullptr && policy_->wants_prefixes ? config.prefix_view_blocks : 1) {
  CHECK(policy_ != nullptr && decode_policy_ != nullptr, "the policy was checked when it was read");
  for (const PeerConfig& peer : config.peers) {
    CHECK(peers_.empty() || peers_.back().config.id < peer.id, "peers come by ascending id");
    peers_.push_back({.config = peer});
    list(peers_.back());
  }
  transport_.attach(config_.id, {Callback<const Message&>::to<&Router::receive>(this),
                                 Callback<NodeId, PeerEvent>::to<&Router::peer_changed>(this)});
}

Router::~Router() { transport_.detach(config_.id); }

int64_t Router::pending() const {
  return static_cast<int64_t>(pending_[0].size() + pending_[1].size());
}

size_t Router::new_entry() {
  if (!free_.empty()) {
    const size_t index = free_.back();
    free_.pop_back();
    return index;
  }
  CHECK(entries_.size() < kIndexMask, "request ids hold 16 million requests in flight");
  entries_.emplace_back();
  progress_.emplace_back();
  return entries_.size() - 1;
}

Router::Entry* Router::find(RequestId id) {
  const size_t index = id.value() & kIndexMask;
  if (index >= entries_.size() || progress_[index].id != id) return nullptr;
  return entries_[index].state == State::kFree ? nullptr : &entries_[index];
}

size_t Router::index_of(const Entry& entry) const {
  return static_cast<size_t>(&entry - entries_.data());
}

RequestId Router::submit(const NewRequest& request) {
  ++changes_;
  const size_t index = new_entry();
  Entry& entry = entries_[index];
  const uint64_t order = next_order_++;
  entry.blocks.assign(request.blocks.begin(), request.blocks.end());
  entry.request = {RequestId(order << kIndexBits | index),
                   loop_.now(),
                   request.prompt,
                   request.max_output,
                   request.priority,
                   request.deadline,
                   entry.blocks};
  entry.state = State::kPending;
  entry.cancelled = false;
  entry.retries = 0;
  entry.cached = -1;
  entry.order = order;
  entry.tag = request.tag;
  progress_[index] = {entry.request.id, {}, {}, 0, request.max_output.count()};
  ++in_flight_;
  const bool full = static_cast<int64_t>(pending_[0].size()) >= config_.max_pending;
  const bool waits = full && (!pending_[0].empty() || !choose(entry, false));
  const RequestId id = entry.request.id;
  if (waits) {
    end(index, RequestEnd::kRejected);
    return id;
  }
  queue(index, false);
  dispatch(false);
  return id;
}

void Router::queue(size_t index, bool decode) {
  Entry& entry = entries_[index];
  entry.state = decode ? State::kPendingDecode : State::kPending;
  auto& heap = pending_[decode ? 1 : 0];
  heap.push_back({entry.request.priority, entry.request.deadline, entry.order, index});
  std::push_heap(heap.begin(), heap.end());
}

// Sends what waits, in order, until the next one finds no instance that may take it.
void Router::dispatch(bool decode) {
  auto& heap = pending_[decode ? 1 : 0];
  while (!heap.empty()) {
    const size_t index = heap.front().index;
    const Entry& entry = entries_[index];
    const bool started = progress_[index].generated > 0;
    const bool expired = !started && entry.request.deadline < loop_.now();
    std::optional<size_t> peer;
    if (!expired && !(peer = choose(entry, decode))) return;
    std::pop_heap(heap.begin(), heap.end());
    heap.pop_back();
    if (expired) {
      end(index, RequestEnd::kExpired);
    } else {
      send(index, *peer, decode);
    }
  }
}

void Router::send(size_t index, size_t peer_index, bool decode) {
  Entry& entry = entries_[index];
  Peer& peer = peers_[peer_index];
  const int64_t generated = progress_[index].generated;
  entry.state = decode ? State::kDecoding : State::kPrefilling;
  entry.peer = peer_index;
  // Its prompt was computed by an instance that died before it could say how much of it.
  if (generated > 0 && entry.cached < 0) entry.cached = 0;
  entry.charged = entry.request.prompt.count() + generated;
  peer.outstanding_tokens += entry.charged;
  ++peer.outstanding_requests;
  peer.last_used = ++turns_;
  list(peer);
  if (!decode && policy_->wants_prefixes) prefixes_.sent(entry.blocks, peer.config.id);
  digest_.add(entry.order);
  digest_.add(uint64_t{peer.config.id.value()});
  Message message;
  message.kind = decode ? MessageKind::kDecode : MessageKind::kPrefill;
  message.from = config_.id;
  message.to = peer.config.id;
  message.request = entry.request;
  message.generated = generated;
  message.peer = entry.kv_node;
  message.rank = entry.kv_rank;
  transport_.send(message);
}

void Router::uncharge(Entry& entry) {
  Peer& peer = peers_[entry.peer];
  peer.outstanding_tokens -= entry.charged;
  --peer.outstanding_requests;
  peer.full = false;
  entry.charged = 0;
  list(peer);
}

// Sequences of one batch mostly gained their last token together, a step ago: their gaps are
// counted in runs.
void Router::on_step(const StepReport& report) {
  const Instant now = loop_.now();
  const auto work = report.batch.work;
  Instant before;    // the run's last token
  int64_t run = 0;   // gaps from there to now
  int64_t more = 0;  // tokens that came with another
  int64_t tokens = 0;
  for (size_t i = 0; i < work.size(); ++i) {
    Progress& progress = progress_[work[i].request.value() & kIndexMask];
    const int64_t left = progress.max_output - progress.generated;
    const int64_t gained = std::min<int64_t>(report.outputs[i].tokens, left);
    if (gained <= 0 || progress.id != work[i].request) continue;
    more += gained - 1;
    if (progress.generated == 0) {
      progress.first = now;
    } else if (progress.last == before) {
      ++run;
    } else {
      if (run > 0) token_gaps_.add(now - before, run);
      before = progress.last;
      run = 1;
    }
    progress.last = now;
    progress.generated += gained;
    tokens += gained;
  }
  if (run > 0) token_gaps_.add(now - before, run);
  if (more > 0) token_gaps_.add(Duration{}, more);
  output_tokens_ += tokens;
  digest_.add(uint64_t{report.node.value()} << 32 ^ work.size());
  digest_.add(now.ns());
  digest_.add(report.batch.tokens);
}

void Router::receive(const Message& message) {
  ++changes_;
  switch (message.kind) {
    case MessageKind::kPrefilled:
      return on_prefilled(message);
    case MessageKind::kRefused:
      return on_refused(message);
    case MessageKind::kLost:
      return on_lost(message);
    case MessageKind::kFinished:
    case MessageKind::kExpired:
    case MessageKind::kCancelled:
      break;
    default:
      CHECK(false, "the router gets only messages for routers");
  }
  Entry* entry = find(message.request.id);
  if (entry == nullptr) return;
  const bool decode = entry->state == State::kDecoding;
  uncharge(*entry);
  const bool finished = message.kind == MessageKind::kFinished;
  if (!decode && finished) note_cached(*entry, message.cached);
  const bool cancelled = message.kind == MessageKind::kCancelled;
  end(index_of(*entry), finished    ? RequestEnd::kCompleted
                        : cancelled ? RequestEnd::kCancelled
                                    : RequestEnd::kExpired);
  dispatch(decode);
}

void Router::cancel(RequestId request) {
  Entry* entry = find(request);
  if (entry == nullptr || entry->cancelled) return;
  ++changes_;
  entry->cancelled = true;
  const size_t index = index_of(*entry);
  if (entry->state == State::kPending || entry->state == State::kPendingDecode) {
    leave_queue(index);
    if (entry->state == State::kPendingDecode) release_kv(*entry);
    return end(index, RequestEnd::kCancelled);
  }
  Message message;
  message.kind = MessageKind::kCancel;
  message.from = config_.id;
  message.to = peers_[entry->peer].config.id;
  message.request.id = request;
  transport_.send(message);
}

void Router::leave_queue(size_t index) {
  auto& heap = pending_[entries_[index].state == State::kPendingDecode ? 1 : 0];
  std::erase_if(heap, [index](const Pending& p) { return p.index == index; });
  std::make_heap(heap.begin(), heap.end());
}

// What was computed once and is found again when the KV was lost was still computed.
void Router::note_cached(Entry& entry, int64_t tokens) {
  entry.cached = entry.cached < 0 ? tokens : std::min(entry.cached, tokens);
}

void Router::on_prefilled(const Message& message) {
  Entry* entry = find(message.request.id);
  if (entry == nullptr) return;
  uncharge(*entry);
  entry->kv_node = message.from;
  entry->kv_rank = message.rank;
  note_cached(*entry, message.cached);
  if (entry->cancelled) {
    release_kv(*entry);
    end(index_of(*entry), RequestEnd::kCancelled);
  } else {
    queue(index_of(*entry), true);
    dispatch(true);
  }
  dispatch(false);
}

// Full: wait here for the next that leaves an instance. Never fits: rejected.
void Router::on_refused(const Message& message) {
  Entry* entry = find(message.request.id);
  if (entry == nullptr) return;
  const bool decode = entry->state == State::kDecoding;
  uncharge(*entry);
  const size_t index = index_of(*entry);
  if (message.count != 0 || entry->cancelled) {
    if (decode) release_kv(*entry);
    end(index, entry->cancelled ? RequestEnd::kCancelled : RequestEnd::kRejected);
    return dispatch(decode);
  }
  Peer& peer = peers_[entry->peer];
  peer.full = peer.outstanding_requests > 0;
  list(peer);
  const bool full = peer.full;
  queue(index, decode);
  if (!full) dispatch(decode);
}

// The KV is gone: the prompt and what was generated are computed again.
void Router::on_lost(const Message& message) {
  Entry* entry = find(message.request.id);
  if (entry == nullptr) return;
  uncharge(*entry);
  release_kv(*entry);
  if (entry->cancelled) {
    end(index_of(*entry), RequestEnd::kCancelled);
  } else {
    queue(index_of(*entry), false);
    dispatch(false);
  }
  dispatch(true);
}

void Router::peer_changed(NodeId node, PeerEvent event) {
  ++changes_;
  const auto at = std::find_if(peers_.begin(), peers_.end(),
                               [node](const Peer& p) { return p.config.id == node; });
  if (at == peers_.end()) return;
  at->up = event == PeerEvent::kUp;
  at->full = false;
  list(*at);
  if (!at->up) {
    prefixes_.forget(node);
    const auto peer = static_cast<size_t>(at - peers_.begin());
    std::vector<std::pair<uint64_t, size_t>> hit;  // by order of arrival
    for (size_t i = 0; i < entries_.size(); ++i) {
      const Entry& entry = entries_[i];
      const bool there = (entry.state == State::kPrefilling || entry.state == State::kDecoding) &&
                         entry.peer == peer;
      const bool kv_there = entry.state == State::kPendingDecode && entry.kv_node == node;
      if (there || kv_there) hit.emplace_back(entry.order, i);
    }
    std::sort(hit.begin(), hit.end());
    for (const auto& [order, index] : hit) {
      const Entry& entry = entries_[index];
      if (entry.order == order && entry.state != State::kFree) retry(index);
    }
  }
  dispatch(true);
  dispatch(false);
}

// Where the request was is gone, and with it what was computed there.
void Router::retry(size_t index) {
  Entry& entry = entries_[index];
  if (entry.state == State::kPendingDecode) {
    leave_queue(index);
  } else {
    if (entry.state == State::kDecoding) release_kv(entry);
    uncharge(entry);
  }
  if (entry.cancelled) return end(index, RequestEnd::kCancelled);
  if (++entry.retries > config_.max_retries) return end(index, RequestEnd::kFailed);
  queue(index, false);
}

// The instance that keeps the KV for a decode instance need not any longer.
void Router::release_kv(const Entry& entry) {
  Message release;
  release.kind = MessageKind::kRelease;
  release.from = config_.id;
  release.to = entry.kv_node;
  release.request.id = entry.request.id;
  transport_.send(release);
}

void Router::give_up() {
  ++changes_;
  for (auto& heap : pending_) {
    while (!heap.empty()) {
      const size_t index = heap.front().index;
      std::pop_heap(heap.begin(), heap.end());
      heap.pop_back();
      if (entries_[index].state == State::kPendingDecode) release_kv(entries_[index]);
      end(index, RequestEnd::kFailed);
    }
  }
}

void Router::end(size_t index, RequestEnd how) {
  Entry& entry = entries_[index];
  const Progress& progress = progress_[index];
  const RequestRecord record{entry.tag,
                             how,
                             entry.request.arrival,
                             progress.first,
                             progress.last,
                             entry.request.prompt.count(),
                             progress.generated,
                             std::max<int64_t>(entry.cached, 0),
                             entry.retries};
  digest_.add(entry.order);
  digest_.add(static_cast<uint64_t>(how));
  digest_.add(progress.first.ns());
  digest_.add(progress.last.ns());
  digest_.add(progress.generated);
  entry.state = State::kFree;
  progress_[index].id = RequestId{};
  free_.push_back(index);
  --in_flight_;
  ended_(record);
}

void Router::check_integrity() const {
  std::vector<int64_t> tokens(peers_.size());
  std::vector<int64_t> requests(peers_.size());
  int64_t live = 0;
  for (const Entry& entry : entries_) {
    if (entry.state == State::kFree) continue;
    ++live;
    if (entry.state != State::kPrefilling && entry.state != State::kDecoding) continue;
    tokens[entry.peer] += entry.charged;
    ++requests[entry.peer];
  }
  CHECK(live == in_flight_, "every request in flight has an entry");
  size_t listed[2] = {0, 0};
  for (size_t i = 0; i < peers_.size(); ++i) {
    CHECK(
        tokens[i] == peers_[i].outstanding_tokens && requests[i] == peers_[i].outstanding_requests,
        "a peer is charged with what it was sent");
    if (!peers_[i].open()) continue;
    const size_t stage = peers_[i].config.role == Role::kDecode ? 1 : 0;
    CHECK(listed[stage] < candidates_[stage].size(), "every open peer is a candidate");
    const Candidate& candidate = candidates_[stage][listed[stage]++];
    CHECK(candidate.node == peers_[i].config.id && candidate.outstanding_tokens == tokens[i] &&
              candidate.outstanding_requests == requests[i],
          "a candidate is what its peer is");
  }
  CHECK(listed[0] == candidates_[0].size() && listed[1] == candidates_[1].size(),
        "only open peers are candidates");
}

}  // namespace weft
