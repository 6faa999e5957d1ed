// Planning a step: grow tables (preempting where blocks run out), admit what waits, cut chunks.
#include <algorithm>

#include "base/check.h"
#include "sched/scheduler.h"

namespace weft {

namespace {

// Blocks that admission leaves free, so that running sequences can grow: 1 % of the pool, as vLLM.
int64_t watermark(int64_t blocks) { return blocks / 100; }

}  // namespace

const Batch* Scheduler::plan(Instant now, Effects& effects) {
  CHECK(!stepping_, "one step at a time");
  if (!grow_.empty()) grow_tables(effects);
  batch_.tokens = decode_tokens_;
  const bool settled = ready_.empty() && waiting_.empty() && prefilling_ == 0;
  if (!settled) {
    for (const uint32_t slot : ready_) start_running(slot);
    ready_.clear();
    set_budgets();
    plan_chunks();
    admit_waiting(now, effects);
    if (config_.prefill_first && batch_.tokens > decode_tokens_) pause_decoding();
  }
  if (work_.empty()) return nullptr;
  ++batch_.step;
  batch_.work = work_;
  batch_.loads = loads_;
  stepping_ = true;
  return &batch_;
}

void Scheduler::set_budgets() {
  for (size_t r = 0; r < ranks_.size(); ++r) {
    const int64_t decoding = config_.prefill_first ? 0 : loads_[r].decode_tokens;
    ranks_[r].budget = config_.max_tokens_per_rank - decoding;
  }
}

// Decoding sequences whose next step would write past their table get blocks, if need be from a
// younger or less urgent one.
void Scheduler::grow_tables(Effects& effects) {
  for (size_t i = 0; i < grow_.size(); ++i) {
    const uint32_t slot = grow_[i];
    Sequence& sequence = sequences_[slot];
    while (sequence.state == State::kRunning) {
      SequenceWork& work = work_[sequence.position];
      const int64_t want = blocks_for(work.context.count() + lookahead_);
      const int64_t more = want - static_cast<int64_t>(sequence.table.size());
      if (more <= 0 || pools_[sequence.rank].allocate(more, sequence.table)) {
        work.table = sequence.table;
        set_watch(work, running_[sequence.position]);
        break;
      }
      preempt(choose_victim(sequence.rank), effects);
    }
  }
  grow_.clear();
}

// The least urgent running sequence of a rank, and the youngest of those.
uint32_t Scheduler::choose_victim(uint32_t rank) const {
  const Sequence* victim = nullptr;
  uint32_t slot = 0;
  for (const SequenceWork& work : work_) {
    if (work.rank != rank) continue;
    const Sequence& other = sequences_[work.slot];
    const bool worse =
        victim == nullptr || other.request.priority < victim->request.priority ||
        (other.request.priority == victim->request.priority && other.order > victim->order);
    if (worse) victim = &other, slot = work.slot;
  }
  CHECK(victim != nullptr, "somebody runs on the rank that is out of blocks");
  return slot;
}

void Scheduler::preempt(uint32_t slot, Effects& effects) {
  Sequence& sequence = sequences_[slot];
  const SequenceWork& work = work_[sequence.position];
  ++preemptions_;
  sequence.generated = work.generated;
  if (work.decode) {
    leave_decode(work);
  } else {
    --prefilling_;
  }
  remove_from_batch(sequence.position);
  leave_rank(sequence);
  if (config_.role == Role::kDecode) return finish(slot, SequenceEvent::kEvicted, effects);
  sequence.target = sequence.request.prompt.count() + sequence.generated;
  sequence.context = 0;
  sequence.outside = 0;
  push_waiting(slot);
}

void Scheduler::remove_from_batch(uint32_t position) {
  work_.erase(work_.begin() + position);
  running_.erase(running_.begin() + position);
  for (size_t i = position; i < work_.size(); ++i) {
    sequences_[work_[i].slot].position = static_cast<uint32_t>(i);
  }
}

// Full blocks of the prompt that may be found in a pool; the last token is always computed, for
// it makes the next one.
std::span<const BlockHash> Scheduler::reusable(const Sequence& sequence) const {
  if (!config_.prefix_caching || config_.role == Role::kDecode) return {};
  const int64_t most = (sequence.target - 1) / config_.block.count();
  const auto known = static_cast<int64_t>(sequence.request.blocks.size());
  return sequence.request.blocks.first(static_cast<size_t>(std::min(most, known)));
}

int64_t Scheduler::hits_if_fits(const Sequence& sequence, int rank) const {
  const BlockPool& pool = pools_[static_cast<size_t>(rank)];
  const auto hashes = reusable(sequence);
  const int64_t hits = pool.match(hashes);
  const int64_t need = blocks_for(sequence.target + lookahead_) - hits;
  const int64_t taken = pool.unreferenced(hashes.first(static_cast<size_t>(hits)));
  const bool alone = pool.in_use() == 0;
  const int64_t spare = alone ? 0 : watermark(pool.blocks());
  return need + taken + spare <= pool.available() ? hits : -1;
}

// The rank with room that has the least to hold once the prefix it already has is counted out.
int Scheduler::choose_rank(const Sequence& sequence, int64_t& hits) const {
  int best = -1;
  int64_t best_tokens = 0;
  int64_t best_sequences = 0;
  for (int r = 0; r < config_.ranks; ++r) {
    const Rank& rank = ranks_[static_cast<size_t>(r)];
    if (rank.sequences >= config_.max_sequences_per_rank) continue;
    if (config_.role != Role::kDecode && rank.budget <= 0) continue;
    const bool cannot_win = best >= 0 && rank.tokens - sequence.target > best_tokens;
    if (cannot_win) continue;
    if (best >= 0 && config_.role == Role::kDecode &&
        std::pair(rank.tokens, rank.sequences) >= std::pair(best_tokens, best_sequences)) {
      continue;
    }
    const int64_t found = hits_if_fits(sequence, r);
    if (found < 0) continue;
    const int64_t tokens = rank.tokens - found * config_.block.count();
    if (best >= 0 && std::pair(tokens, rank.sequences) >= std::pair(best_tokens, best_sequences)) {
      continue;
    }
    best = r;
    best_tokens = tokens;
    best_sequences = rank.sequences;
    hits = found;
  }
  return best;
}

void Scheduler::admit_waiting(Instant now, Effects& effects) {
  while (!waiting_.empty()) {
    const uint32_t slot = waiting_.front().slot;
    if (sequences_[slot].request.deadline < now && sequences_[slot].generated == 0) {
      pop_waiting();
      finish(slot, SequenceEvent::kExpired, effects);
      continue;
    }
    if (!admit(slot, effects)) return;
  }
}

// Places the first of the waiting sequences on a rank. Removes it from the heap.
bool Scheduler::admit(uint32_t slot, Effects& effects) {
  Sequence& sequence = sequences_[slot];
  int64_t hits = 0;
  const int chosen = choose_rank(sequence, hits);
  if (chosen < 0) return false;
  pop_waiting();
  BlockPool& pool = pools_[static_cast<size_t>(chosen)];
  Rank& rank = ranks_[static_cast<size_t>(chosen)];
  sequence.rank = static_cast<uint32_t>(chosen);
  pool.share(reusable(sequence).first(static_cast<size_t>(hits)), sequence.table);
  const bool got = pool.allocate(blocks_for(sequence.target + lookahead_) - hits, sequence.table);
  CHECK(got, "room was checked");
  ++rank.sequences;
  rank.tokens += sequence.target;
  sequence.context = hits * config_.block.count();

  const int64_t most = config_.role == Role::kDecode
                           ? sequence.target
                           : (sequence.target - 1) / config_.block.count() * config_.block.count();
  const int64_t reach = std::min(sequence.outside, most);
  if (reach > sequence.context) {
    sequence.state = State::kLoading;
    effects.loads.push_back(
        {sequence.request, sequence.rank, hits, blocks_for(reach) - hits, reach});
    return true;
  }
  start_running(slot);
  plan_chunk(work_.back());
  return true;
}

void Scheduler::start_running(uint32_t slot) {
  Sequence& sequence = sequences_[slot];
  sequence.state = State::kRunning;
  sequence.position = static_cast<uint32_t>(work_.size());
  sequence.found = config_.role == Role::kDecode ? 0 : sequence.context;
  const bool first = sequence.cached < 0;
  sequence.cached = first ? sequence.found : std::min(sequence.cached, sequence.found);
  SequenceWork work;
  work.request = sequence.request.id;
  work.context = Tokens(sequence.context);
  work.rank = static_cast<uint16_t>(sequence.rank);
  work.slot = slot;
  work.generated = sequence.generated;
  work.table = sequence.table;
  Running running;
  running.max_output = sequence.request.max_output.count();
  work_.push_back(work);
  running_.push_back(running);
  ++prefilling_;
  if (config_.role == Role::kDecode) start_decoding(work_.back(), running_.back());
}

// From prefill to decode: the sequence joins the sums that stay from step to step.
void Scheduler::start_decoding(SequenceWork& work, Running& running) {
  work.decode = true;
  work.samples = true;
  work.tokens = 1 + config_.draft_tokens;
  --prefilling_;
  RankLoad& load = loads_[work.rank];
  ++load.decode_sequences;
  ++load.sampled;
  load.decode_tokens += work.tokens;
  load.decode_context += work.context.count();
  decode_tokens_ += work.tokens;
  batch_.tokens = decode_tokens_;
  set_watch(work, running);
  if (work.context.count() + lookahead_ > capacity(work)) grow_.push_back(work.slot);
}

void Scheduler::set_watch(const SequenceWork& work, Running& running) const {
  const int64_t left = running.max_output - work.generated;
  running.watch = std::min(capacity(work) - lookahead_ + 1, work.context.count() + left);
}

void Scheduler::plan_chunks() {
  if (prefilling_ == 0) return;
  for (SequenceWork& work : work_) {
    if (!work.decode) plan_chunk(work);
  }
}

// As much of the prompt as the rank's budget allows; nothing when it is spent.
void Scheduler::plan_chunk(SequenceWork& work) {
  if (work.decode) return;
  Rank& rank = ranks_[work.rank];
  const int64_t left = sequences_[work.slot].target - work.context.count();
  const int64_t chunk = std::clamp<int64_t>(rank.budget, 0, left);
  work.tokens = static_cast<int32_t>(chunk);
  work.samples = chunk == left;
  if (chunk == 0) return;
  rank.budget -= chunk;
  batch_.tokens += chunk;
  RankLoad& load = loads_[work.rank];
  const double queries = static_cast<double>(chunk);
  load.prefill_tokens += chunk;
  load.prefill_products += queries * (work.context.as_double() + (queries + 1) / 2);
  load.prefill_context += work.context.count();
  load.prefill_longest = std::max(load.prefill_longest, work.context.count() + chunk);
  ++load.prefill_sequences;
  if (work.samples) ++load.sampled;
}

// Decoding sequences stay in the batch with nothing to compute, for one step.
void Scheduler::pause_decoding() {
  paused_ = loads_;
  for (RankLoad& load : loads_) {
    load.sampled -= load.decode_sequences;
    load.decode_sequences = 0;
    load.decode_tokens = 0;
    load.decode_context = 0;
  }
  for (SequenceWork& work : work_) {
    if (!work.decode) continue;
    work.tokens = 0;
    work.samples = false;
  }
  batch_.tokens -= decode_tokens_;
}

void Scheduler::resume_decoding() {
  if (paused_.empty()) return;
  loads_.swap(paused_);
  paused_.clear();
  for (SequenceWork& work : work_) {
    if (!work.decode) continue;
    work.tokens = 1 + config_.draft_tokens;
    work.samples = true;
  }
}

void Scheduler::undo_chunk_load(const SequenceWork& work) {
  RankLoad& load = loads_[work.rank];
  if (work.samples) --load.sampled;
  load.prefill_tokens = 0;
  load.prefill_products = 0;
  load.prefill_context = 0;
  load.prefill_longest = 0;
  load.prefill_sequences = 0;
}

}  // namespace weft
