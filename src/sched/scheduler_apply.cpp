// Applying a step: contexts grow, prompts end in a first token, sequences finish.
#include <algorithm>

#include "base/check.h"
#include "sched/scheduler.h"

namespace weft {

void Scheduler::apply(const StepOutput& output, Effects& effects) {
  CHECK(stepping_ && output.outputs.size() == work_.size(), "outputs answer the batch");
  stepping_ = false;
  resume_decoding();
  size_t kept = 0;
  for (size_t i = 0; i < work_.size(); ++i) {
    SequenceWork& work = work_[i];
    const SequenceOutput& gained = output.outputs[i];
    bool stays = true;
    if (!work.decode) {
      stays = apply_prefill(work, running_[i], gained, effects);
    } else if (gained.end || work.context.count() + gained.tokens >= running_[i].watch) {
      stays = look_closer(work, running_[i], gained, effects);
    } else {
      work.generated += gained.tokens;
      work.context += Tokens(gained.tokens);
      loads_[work.rank].decode_context += gained.tokens;
    }
    if (!stays) continue;
    if (kept != i) {
      work_[kept] = work_[i];
      running_[kept] = running_[i];
      sequences_[work_[kept].slot].position = static_cast<uint32_t>(kept);
    }
    ++kept;
  }
  work_.resize(kept);
  running_.resize(kept);
  batch_.tokens = decode_tokens_;
}

// A decoding sequence that ends, was cancelled, or whose table is full.
bool Scheduler::look_closer(SequenceWork& work, const Running& running,
                            const SequenceOutput& output, Effects& effects) {
  const int64_t gained = std::min<int64_t>(output.tokens, running.max_output - work.generated);
  work.generated += gained;
  work.context += Tokens(gained);
  loads_[work.rank].decode_context += gained;
  const bool ends = work.generated >= running.max_output || output.end;
  Sequence& sequence = sequences_[work.slot];
  if (!ends && !sequence.cancelled) {
    if (work.context.count() + lookahead_ > capacity(work)) grow_.push_back(work.slot);
    return true;
  }
  leave_decode(work);
  sequence.generated = work.generated;
  leave_rank(sequence);
  if (sequence.cancelled) return free_slot(work.slot), false;
  finish(work.slot, SequenceEvent::kFinished, effects);
  return false;
}

bool Scheduler::apply_prefill(SequenceWork& work, Running& running, const SequenceOutput& output,
                              Effects& effects) {
  undo_chunk_load(work);
  Sequence& sequence = sequences_[work.slot];
  if (sequence.cancelled) {
    --prefilling_;
    leave_rank(sequence);
    return free_slot(work.slot), false;
  }
  const int64_t before = work.context.count();
  work.context += Tokens(work.tokens);
  sequence.context = work.context.count();
  publish_blocks(sequence, before, sequence.context);
  if (!work.samples) return true;

  work.generated += std::min<int64_t>(output.tokens, 1);
  sequence.generated = work.generated;
  if (work.generated >= running.max_output || output.end) {
    --prefilling_;
    leave_rank(sequence);
    finish(work.slot, SequenceEvent::kFinished, effects);
    return false;
  }
  if (config_.role == Role::kPrefill) {
    --prefilling_;
    --ranks_[sequence.rank].sequences;
    sequence.state = State::kHeld;
    ++held_;
    emit(SequenceEvent::kPrefilled, sequence, effects);
    sequence.request.blocks = {};  // the request may end elsewhere before its KV is let go
    return false;
  }
  emit(SequenceEvent::kFirst, sequence, effects);
  start_decoding(work, running);
  return true;
}

// Blocks that became full between two lengths of context can be found from now on.
void Scheduler::publish_blocks(Sequence& sequence, int64_t from, int64_t to) {
  if (!config_.prefix_caching) return;
  const auto known = static_cast<int64_t>(sequence.request.blocks.size());
  const auto first = static_cast<size_t>(from / config_.block.count());
  const auto end = static_cast<size_t>(std::min(known, to / config_.block.count()));
  pools_[sequence.rank].publish(sequence.table, sequence.request.blocks, first, end);
}

}  // namespace weft
