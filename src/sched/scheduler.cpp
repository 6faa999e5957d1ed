// Events in: sequences arrive, their KV arrives, they are let go. Planning and applying a step are
// in scheduler_plan.cpp and scheduler_apply.cpp.
#include "sched/scheduler.h"

#include <algorithm>

#include "base/check.h"

namespace weft {

Scheduler::Scheduler(const SchedulerConfig& config)
    : config_(config), lookahead_(config.role == Role::kPrefill ? 0 : 1 + config.draft_tokens) {
  CHECK(config.ranks > 0 && config.blocks_per_rank > 0 && config.block > Tokens{0});
  CHECK(config.max_tokens_per_rank > 0 && config.max_sequences_per_rank > 0);
  const auto ranks = static_cast<size_t>(config.ranks);
  pools_.reserve(ranks);
  for (size_t i = 0; i < ranks; ++i) {
    pools_.emplace_back(static_cast<uint32_t>(config.blocks_per_rank));
  }
  ranks_.resize(ranks);
  loads_.resize(ranks);
}

// Priority first, then the nearer deadline, then arrival. Orders are unique.
bool Scheduler::Waiting::operator<(const Waiting& o) const {
  if (priority != o.priority) return priority < o.priority;
  if (deadline != o.deadline) return deadline > o.deadline;
  return order > o.order;
}

int64_t Scheduler::blocks_for(int64_t tokens) const {
  return ceil_div(tokens, config_.block.count());
}

int64_t Scheduler::capacity(const SequenceWork& work) const {
  return static_cast<int64_t>(work.table.size()) * config_.block.count();
}

uint32_t Scheduler::new_slot() {
  if (free_slots_.empty()) {
    sequences_.emplace_back();
    return static_cast<uint32_t>(sequences_.size() - 1);
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

void Scheduler::free_slot(uint32_t slot) {
  Sequence& sequence = sequences_[slot];
  by_request_.erase(sequence.request.id.value());
  sequence.state = State::kFree;
  sequence.table.clear();
  free_slots_.push_back(slot);
}

void Scheduler::push_waiting(uint32_t slot) {
  Sequence& sequence = sequences_[slot];
  sequence.state = State::kWaiting;
  const Request& request = sequence.request;
  waiting_.push_back({request.priority, request.deadline, sequence.order, slot});
  std::push_heap(waiting_.begin(), waiting_.end());
}

void Scheduler::pop_waiting() {
  std::pop_heap(waiting_.begin(), waiting_.end());
  waiting_.pop_back();
}

Scheduler::Add Scheduler::add(const Request& request, int64_t generated, int64_t outside) {
  const bool decode = config_.role == Role::kDecode;
  const int64_t last = config_.role == Role::kPrefill
                           ? request.prompt.count() + generated
                           : request.prompt.count() + request.max_output.count() + lookahead_;
  if (blocks_for(last) > config_.blocks_per_rank) return Add::kNeverFits;
  if (waiting() >= config_.max_waiting) return Add::kFull;

  const uint32_t slot = new_slot();
  CHECK(by_request_.insert(request.id.value(), slot).second, "a request is added once");
  Sequence& sequence = sequences_[slot];
  sequence.request = request;
  sequence.cancelled = false;
  sequence.generated = generated;
  sequence.target = request.prompt.count() + generated - (decode ? 1 : 0);
  sequence.outside = decode ? sequence.target : outside * config_.block.count();
  sequence.context = 0;
  sequence.found = 0;
  sequence.cached = -1;
  sequence.order = next_order_++;
  push_waiting(slot);
  return Add::kAccepted;
}

bool Scheduler::loaded(RequestId request, int64_t tokens, Effects& effects) {
  const uint32_t* at = by_request_.find(request.value());
  if (at == nullptr || sequences_[*at].state != State::kLoading) return false;
  const uint32_t slot = *at;
  Sequence& sequence = sequences_[slot];
  if (sequence.cancelled) {
    leave_rank(sequence);
    free_slot(slot);
    return true;
  }
  if (config_.role == Role::kDecode && tokens < sequence.target) {
    leave_rank(sequence);
    finish(slot, SequenceEvent::kEvicted, effects);
    return true;
  }
  const int64_t before = sequence.context;
  sequence.context = std::max(before, std::min(tokens, sequence.target));
  if (config_.role != Role::kDecode) publish_blocks(sequence, before, sequence.context);
  sequence.state = State::kReady;
  ready_.push_back(slot);
  return true;
}

bool Scheduler::release(RequestId request) {
  const uint32_t* at = by_request_.find(request.value());
  if (at == nullptr || sequences_[*at].state != State::kHeld) return false;
  const uint32_t slot = *at;
  pools_[sequences_[slot].rank].release(sequences_[slot].table);
  ranks_[sequences_[slot].rank].tokens -= sequences_[slot].target;
  --held_;
  free_slot(slot);
  return true;
}

void Scheduler::lend(RequestId request, int64_t first, int64_t end, std::vector<BlockId>& blocks) {
  const uint32_t* at = by_request_.find(request.value());
  CHECK(at != nullptr, "only what is here can be lent");
  const Sequence& sequence = sequences_[*at];
  const auto count = static_cast<size_t>(end - first);
  const auto part = std::span(sequence.table).subspan(static_cast<size_t>(first), count);
  pools_[sequence.rank].hold(part);
  blocks.insert(blocks.end(), part.begin(), part.end());
  ranks_[sequence.rank].lent += end - first;
}

void Scheduler::take_back(uint32_t rank, std::span<const BlockId> blocks) {
  pools_[rank].release(blocks);
  ranks_[rank].lent -= static_cast<int64_t>(blocks.size());
}

bool Scheduler::cancel(RequestId request) {
  const uint32_t* at = by_request_.find(request.value());
  if (at == nullptr) return false;
  const uint32_t slot = *at;
  Sequence& sequence = sequences_[slot];
  switch (sequence.state) {
    case State::kHeld:
      return release(request);
    case State::kWaiting:
      std::erase_if(waiting_, [slot](const Waiting& w) { return w.slot == slot; });
      std::make_heap(waiting_.begin(), waiting_.end());
      break;
    case State::kReady:
      std::erase(ready_, slot);
      leave_rank(sequence);
      break;
    case State::kLoading:
      return sequence.cancelled = true;
    case State::kRunning:
      if (stepping_) running_[sequence.position].watch = 0;
      if (stepping_) return sequence.cancelled = true;
      if (work_[sequence.position].decode) leave_decode(work_[sequence.position]);
      if (!work_[sequence.position].decode) --prefilling_;
      std::erase(grow_, slot);
      remove_from_batch(sequence.position);
      leave_rank(sequence);
      break;
    case State::kFree:
      return false;
  }
  free_slot(slot);
  return true;
}

// Gives back the rank's slot, tokens and blocks.
void Scheduler::leave_rank(Sequence& sequence) {
  Rank& rank = ranks_[sequence.rank];
  --rank.sequences;
  rank.tokens -= sequence.target;
  pools_[sequence.rank].release(sequence.table);
  sequence.table.clear();
}

void Scheduler::leave_decode(const SequenceWork& work) {
  RankLoad& load = loads_[work.rank];
  --load.decode_sequences;
  --load.sampled;
  load.decode_tokens -= work.tokens;
  load.decode_context -= work.context.count();
  decode_tokens_ -= work.tokens;
}

void Scheduler::emit(SequenceEvent kind, const Sequence& sequence, Effects& effects) {
  const int64_t new_block = sequence.found / config_.block.count();
  const int64_t cached = std::max<int64_t>(sequence.cached, 0);
  effects.events.push_back(
      {kind, sequence.request, sequence.rank, sequence.generated, cached, new_block});
}

void Scheduler::finish(uint32_t slot, SequenceEvent kind, Effects& effects) {
  emit(kind, sequences_[slot], effects);
  free_slot(slot);
}

int64_t Scheduler::lent() const {
  int64_t sum = 0;
  for (const Rank& rank : ranks_) sum += rank.lent;
  return sum;
}

int64_t Scheduler::blocks_in_use() const {
  int64_t sum = 0;
  for (const BlockPool& pool : pools_) sum += pool.in_use();
  return sum;
}

void Scheduler::check_integrity(bool deep) const {
  std::vector<RankLoad> sums(loads_.size());
  int64_t prefilling = 0;
  for (size_t i = 0; i < work_.size(); ++i) {
    const SequenceWork& work = work_[i];
    const Sequence& sequence = sequences_[work.slot];
    CHECK(sequence.state == State::kRunning && sequence.position == i, "the batch knows its slots");
    CHECK(work.table.size() == sequence.table.size(), "the batch sees the whole table");
    CHECK(work.context.count() <= capacity(work), "the context fits its blocks");
    if (!work.decode) ++prefilling;
    if (!work.decode) continue;
    Running expected = running_[i];
    set_watch(work, expected);
    CHECK(sequence.cancelled || running_[i].watch == expected.watch, "an end or a growth is seen");
    RankLoad& sum = sums[work.rank];
    ++sum.decode_sequences;
    sum.decode_tokens += work.tokens;
    sum.decode_context += work.context.count();
  }
  CHECK(prefilling == prefilling_, "the count of prefilling sequences is right");
  for (size_t r = 0; r < sums.size(); ++r) {
    const RankLoad& load = paused_.empty() ? loads_[r] : paused_[r];
    CHECK(sums[r].decode_sequences == load.decode_sequences);
    CHECK(sums[r].decode_tokens == (paused_.empty() ? load.decode_tokens : 0));
    CHECK(sums[r].decode_context == load.decode_context);
    CHECK(ranks_[r].sequences <= config_.max_sequences_per_rank, "a rank is within its limit");
    CHECK(ranks_[r].tokens >= 0 && ranks_[r].sequences >= 0);
  }
  if (!deep) return;
  std::vector<int64_t> tokens(ranks_.size());
  std::vector<int64_t> references(ranks_.size());
  size_t live = 0;
  for (const Sequence& sequence : sequences_) {
    if (sequence.state == State::kFree) continue;
    ++live;
    if (sequence.state == State::kWaiting) CHECK(sequence.table.empty(), "waiting holds no blocks");
    if (sequence.state == State::kWaiting) continue;
    tokens[sequence.rank] += sequence.target;
    references[sequence.rank] += static_cast<int64_t>(sequence.table.size());
  }
  CHECK(live == by_request_.size() && live + free_slots_.size() == sequences_.size());
  for (size_t r = 0; r < pools_.size(); ++r) {
    CHECK(tokens[r] == ranks_[r].tokens, "a rank knows what it holds");
    CHECK(references[r] + ranks_[r].lent == pools_[r].references(), "a reference has its reason");
    pools_[r].check_integrity();
  }
}

}  // namespace weft
