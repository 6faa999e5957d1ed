// From messages to steps and back.
#include "node/instance_node.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"
#include "cache/placement.h"

namespace weft {

InstanceNode::InstanceNode(Loop& loop, Transport& transport, std::unique_ptr<Device> device,
                           const InstanceConfig& config, Callback<const StepReport&> step_done)
    : loop_(loop),
      transport_(transport),
      device_(std::move(device)),
      config_(config),
      step_done_(step_done),
      scheduler_(config.scheduler),
      live_caches_(config.caches),
      wake_(loop, Callback<>::to<&InstanceNode::start_step>(this)) {
  transport_.attach(config_.id,
                    {Callback<const Message&>::to<&InstanceNode::receive>(this),
                     Callback<NodeId, PeerEvent>::to<&InstanceNode::peer_changed>(this)});
}

InstanceNode::~InstanceNode() { transport_.detach(config_.id); }

void InstanceNode::receive(const Message& message) {
  ++changes_;
  switch (message.kind) {
    case MessageKind::kPrefill:
      return on_prefill(message);
    case MessageKind::kDecode:
      return on_decode(message);
    case MessageKind::kCancel:
      return on_cancel(message);
    case MessageKind::kRelease:
      if (scheduler_.release(message.request.id)) want_step();
      return;
    case MessageKind::kFound:
      return on_found(message);
    case MessageKind::kFetched:
      return on_fetched(message);
    default:
      CHECK(false, "an instance gets only messages for instances");
  }
}

Bytes InstanceNode::kv_bytes(int64_t tokens) const {
  const double bytes =
      static_cast<double>(tokens) * config_.kv_bytes_per_token + config_.kv_bytes_per_sequence;
  return Bytes(static_cast<int64_t>(std::ceil(bytes)));
}

// Asks the owners of the prompt's stripes first, when there are any.
void InstanceNode::on_prefill(const Message& message) {
  const Request& request = message.request;
  const auto blocks = request.blocks;
  if (live_caches_.empty() || blocks.empty()) return add(request, message.generated, 0);
  const int64_t stripes = ceil_div(static_cast<int64_t>(blocks.size()), kStripeBlocks);
  auto [lookup, fresh] = lookups_.insert(request.id.value(), Lookup{});
  CHECK(fresh, "a request is looked up once");
  looking_.push_back(request.id.value());
  lookup->request = request;
  lookup->generated = message.generated;
  lookup->open = stripes;
  for (int64_t i = 0; i < stripes; ++i) {
    const size_t first = static_cast<size_t>(i * kStripeBlocks);
    const NodeId to = live_caches_[owner(blocks[first], live_caches_)];
    lookup->found.push_back(0);
    lookup->asked.push_back(to);
    Message ask;
    ask.kind = MessageKind::kLookup;
    ask.from = config_.id;
    ask.to = to;
    ask.request.id = request.id;
    ask.tag = i;
    ask.blocks = blocks.subspan(first, std::min<size_t>(kStripeBlocks, blocks.size() - first));
    transport_.send(ask);
  }
}

void InstanceNode::on_found(const Message& message) {
  const uint64_t id = message.request.id.value();
  Lookup* lookup = lookups_.find(id);
  if (lookup == nullptr) return;
  const auto stripe = static_cast<size_t>(message.tag);
  if (lookup->asked[stripe] != message.from) return;
  lookup->asked[stripe] = NodeId{};
  lookup->found[stripe] = message.count;
  if (--lookup->open == 0) finish_lookup(id);
}

void InstanceNode::finish_lookup(uint64_t id) {
  const Lookup lookup = *lookups_.find(id);
  lookups_.erase(id);
  std::erase(looking_, id);
  int64_t outside = 0;
  for (const int64_t found : lookup.found) {
    outside += found;
    if (found < kStripeBlocks) break;
  }
  add(lookup.request, lookup.generated, outside);
}

void InstanceNode::add(const Request& request, int64_t generated, int64_t outside) {
  const Scheduler::Add added = scheduler_.add(request, generated, outside);
  if (added == Scheduler::Add::kAccepted) return want_step();
  sources_.erase(request.id.value());
  Message refusal;
  refusal.kind = MessageKind::kRefused;
  refusal.from = config_.id;
  refusal.to = config_.router;
  refusal.request.id = request.id;
  refusal.count = added == Scheduler::Add::kNeverFits ? 1 : 0;
  transport_.send(refusal);
}

void InstanceNode::on_decode(const Message& message) {
  *sources_.insert(message.request.id.value(), {}).first = {.node = message.peer,
                                                            .rank = message.rank};
  add(message.request, message.generated, 0);
}

// What it is not known for has ended here, and the router will hear of that.
void InstanceNode::on_cancel(const Message& message) {
  const uint64_t id = message.request.id.value();
  if (lookups_.find(id) != nullptr) {
    lookups_.erase(id);
    std::erase(looking_, id);
  } else if (!scheduler_.cancel(message.request.id)) {
    return;
  }
  if (Source* source = sources_.find(id); source != nullptr) {
    source->cancelled = true;
    if (source->pull == Source::Pull::kNotYet) release_source(id, source->node);
    if (source->pull != Source::Pull::kUnderWay) sources_.erase(id);
  }
  Event event;
  event.request.id = message.request.id;
  tell_router(MessageKind::kCancelled, event);
  want_step();
}

void InstanceNode::release_source(uint64_t request, NodeId source) {
  Message release;
  release.kind = MessageKind::kRelease;
  release.from = config_.id;
  release.to = source;
  release.request.id = RequestId(request);
  transport_.send(release);
}

// One planning per turn, after everything that arrived at this instant.
void InstanceNode::want_step() {
  if (batch_ == nullptr && !wake_.armed()) wake_.arm(loop_.now());
}

void InstanceNode::start_step() {
  if (batch_ != nullptr) return;
  ++changes_;
  batch_ = scheduler_.plan(loop_.now(), effects_);
  if (batch_ != nullptr) {
    step_start_ = loop_.now();
    device_->submit(
        *batch_,
        StepDone(lifetime_,
                 Callback<uint64_t, const StepOutput&>::to<&InstanceNode::step_done>(this)));
  }
  carry_out();
}

void InstanceNode::step_done(uint64_t, const StepOutput& output) {
  ++changes_;
  step_done_({config_.id, step_start_, loop_.now() - step_start_, *batch_, output.outputs});
  scheduler_.apply(output, effects_);
  batch_ = nullptr;
  carry_out();
  start_step();
}

// Effects are carried out after the scheduler has returned. Carrying one out may ask the scheduler
// again (a load with nobody to load from), so the list is taken out first.
void InstanceNode::carry_out() {
  if (effects_.loads.empty() && effects_.events.empty()) return;
  Effects doing = std::exchange(effects_, std::move(spare_));
  for (const Load& load : doing.loads) {
    if (config_.scheduler.role == Role::kDecode) {
      start_pull(load);
    } else {
      start_load(load);
    }
  }
  for (const Event& event : doing.events) handle(event);
  doing.clear();
  spare_ = std::move(doing);
  carry_out();
}

void InstanceNode::start_pull(const Load& load) {
  Source* source = sources_.find(load.request.id.value());
  CHECK(source != nullptr, "a decode request knows where its KV lies");
  source->pull = Source::Pull::kUnderWay;
  transport_.submit({{source->node, source->rank}, {config_.id, load.rank}, kv_bytes(load.tokens)},
                    CopyDone(lifetime_, Callback<uint64_t, bool>::to<&InstanceNode::pulled>(this),
                             load.request.id.value()));
}

void InstanceNode::pulled(uint64_t request, bool ok) {
  ++changes_;
  Source* source = sources_.find(request);
  source->pull = Source::Pull::kDone;
  if (ok) release_source(request, source->node);
  if (source->cancelled) sources_.erase(request);
  const int64_t all = std::numeric_limits<int64_t>::max();
  scheduler_.loaded(RequestId(request), ok ? all : 0, effects_);
  carry_out();
  want_step();
}

// Brings cached prompt blocks in from their owners, stripe by stripe.
void InstanceNode::start_load(const Load& load) {
  const uint64_t id = load.request.id.value();
  auto [fetch, fresh] = fetches_.insert(id, Fetch{});
  CHECK(fresh, "a request is fetched once");
  looking_.push_back(id);
  fetch->request = load.request;
  fetch->first_block = load.first_block;
  fetch->tokens = load.tokens;
  const int64_t end = load.first_block + load.blocks;
  for (int64_t i = load.first_block; i < end;) {
    const int64_t stripe = i / kStripeBlocks * kStripeBlocks;
    const int64_t stop = std::min(end, stripe + kStripeBlocks);
    const BlockHash first = load.request.blocks[static_cast<size_t>(stripe)];
    const bool any = !live_caches_.empty();
    const NodeId to = any ? live_caches_[owner(first, live_caches_)] : NodeId{};
    fetch->wanted.push_back(stop - i);
    fetch->found.push_back(0);
    fetch->asked.push_back(to);
    if (any) {
      Message ask;
      ask.kind = MessageKind::kFetch;
      ask.from = config_.id;
      ask.to = to;
      ask.request.id = load.request.id;
      ask.rank = load.rank;
      ask.tag = static_cast<int64_t>(fetch->wanted.size()) - 1;
      ask.blocks =
          load.request.blocks.subspan(static_cast<size_t>(i), static_cast<size_t>(stop - i));
      ++fetch->open;
      transport_.send(ask);
    }
    i = stop;
  }
  if (fetch->open == 0) finish_fetch(id);
}

void InstanceNode::on_fetched(const Message& message) {
  const uint64_t id = message.request.id.value();
  Fetch* fetch = fetches_.find(id);
  if (fetch == nullptr) return;
  const auto stripe = static_cast<size_t>(message.tag);
  if (fetch->asked[stripe] != message.from) return;
  fetch->asked[stripe] = NodeId{};
  fetch->found[stripe] = message.count;
  if (--fetch->open == 0) finish_fetch(id);
}

// Only an unbroken run from the first block counts.
void InstanceNode::finish_fetch(uint64_t id) {
  const Fetch fetch = *fetches_.find(id);
  fetches_.erase(id);
  std::erase(looking_, id);
  int64_t blocks = fetch.first_block;
  for (size_t i = 0; i < fetch.found.size(); ++i) {
    blocks += fetch.found[i];
    if (fetch.found[i] < fetch.wanted[i]) break;
  }
  const int64_t tokens = std::min(fetch.tokens, blocks * config_.scheduler.block.count());
  scheduler_.loaded(RequestId(id), tokens, effects_);
  carry_out();
  want_step();
}

void InstanceNode::handle(const Event& event) {
  switch (event.kind) {
    case SequenceEvent::kFirst:
      return save_blocks(event);
    case SequenceEvent::kPrefilled:
      save_blocks(event);
      return tell_router(MessageKind::kPrefilled, event);
    case SequenceEvent::kFinished:
      sources_.erase(event.request.id.value());
      return tell_router(MessageKind::kFinished, event);
    case SequenceEvent::kEvicted:
      sources_.erase(event.request.id.value());
      return tell_router(MessageKind::kLost, event);
    case SequenceEvent::kExpired:
      sources_.erase(event.request.id.value());
      return tell_router(MessageKind::kExpired, event);
  }
}

void InstanceNode::tell_router(MessageKind kind, const Event& event) {
  Message message;
  message.kind = kind;
  message.from = config_.id;
  message.to = config_.router;
  message.request.id = event.request.id;
  message.generated = event.generated;
  message.rank = event.rank;
  message.cached = event.cached;
  transport_.send(message);
}

// Prompt blocks that were computed here go to their owners, in the background.
void InstanceNode::save_blocks(const Event& event) {
  const auto blocks = event.request.blocks;
  const int64_t end = static_cast<int64_t>(blocks.size());
  if (live_caches_.empty() || event.new_block >= end) return;
  if (free_loans_.empty()) {
    free_loans_.push_back(loans_.size());
    loans_.emplace_back();
  }
  const size_t loan = free_loans_.back();
  free_loans_.pop_back();
  loans_[loan].rank = event.rank;
  scheduler_.lend(event.request.id, event.new_block, end, loans_[loan].blocks);
  for (int64_t i = event.new_block; i < end;) {
    const int64_t stripe = i / kStripeBlocks * kStripeBlocks;
    const int64_t stop = std::min(end, stripe + kStripeBlocks);
    save_stripe(loan, blocks.subspan(static_cast<size_t>(i), static_cast<size_t>(stop - i)),
                live_caches_[owner(blocks[static_cast<size_t>(stripe)], live_caches_)]);
    i = stop;
  }
}

void InstanceNode::save_stripe(size_t loan, std::span<const BlockHash> stripe, NodeId to) {
  if (free_saves_.empty()) {
    free_saves_.push_back(saves_.size());
    saves_.emplace_back();
  }
  const size_t job = free_saves_.back();
  free_saves_.pop_back();
  saves_[job].to = to;
  saves_[job].loan = loan;
  saves_[job].blocks.assign(stripe.begin(), stripe.end());
  ++loans_[loan].open;
  const auto blocks = static_cast<int64_t>(stripe.size());
  const double bytes =
      static_cast<double>(blocks * config_.scheduler.block.count()) * config_.kv_bytes_per_token;
  transport_.submit(
      {{config_.id, loans_[loan].rank}, {to, 0}, Bytes(static_cast<int64_t>(std::ceil(bytes)))},
      CopyDone(lifetime_, Callback<uint64_t, bool>::to<&InstanceNode::saved>(this), job));
}

// With the last copy of a loan its blocks may go, and somebody may wait for them.
void InstanceNode::saved(uint64_t job, bool ok) {
  ++changes_;
  if (ok) {
    Message message;
    message.kind = MessageKind::kSave;
    message.from = config_.id;
    message.to = saves_[job].to;
    message.blocks = saves_[job].blocks;
    transport_.send(message);
  }
  free_saves_.push_back(job);
  Loan& loan = loans_[saves_[job].loan];
  if (--loan.open > 0) return;
  scheduler_.take_back(loan.rank, loan.blocks);
  loan.blocks.clear();
  free_loans_.push_back(saves_[job].loan);
  if (scheduler_.waiting() > 0) want_step();
}

// A cache node that is gone owns nothing and answers nothing.
void InstanceNode::peer_changed(NodeId node, PeerEvent event) {
  ++changes_;
  const bool cache =
      std::find(config_.caches.begin(), config_.caches.end(), node) != config_.caches.end();
  if (!cache) return;
  std::erase(live_caches_, node);
  if (event == PeerEvent::kUp) {
    live_caches_.insert(std::lower_bound(live_caches_.begin(), live_caches_.end(), node), node);
    return;
  }
  for (const uint64_t id : std::vector<uint64_t>(looking_)) {
    if (Lookup* lookup = lookups_.find(id)) {
      for (NodeId& asked : lookup->asked) {
        if (asked == node) asked = NodeId{}, --lookup->open;
      }
      if (lookup->open == 0) finish_lookup(id);
    } else if (Fetch* fetch = fetches_.find(id)) {
      for (NodeId& asked : fetch->asked) {
        if (asked == node) asked = NodeId{}, --fetch->open;
      }
      if (fetch->open == 0) finish_fetch(id);
    }
  }
}

void InstanceNode::check_integrity(bool deep) const {
  scheduler_.check_integrity(deep);
  int64_t lent = 0;
  for (const Loan& loan : loans_) {
    CHECK(loan.blocks.empty() == (loan.open == 0), "blocks are lent as long as they are copied");
    lent += static_cast<int64_t>(loan.blocks.size());
  }
  CHECK(lent == scheduler_.lent(), "what is lent is being copied");
}

}  // namespace weft
