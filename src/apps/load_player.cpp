// Plans into posts, chunks into records.
#include "apps/load_player.h"

#include <algorithm>

namespace weft {

namespace {

constexpr int64_t kMaxHeld = 65536;
constexpr uint64_t kPrefixContent = 0x7368617265642121ULL;
constexpr Duration kProgressEvery = milliseconds(250);

std::string kind_of(const ReplyEnd& end) {
  switch (end.outcome) {
    case ReplyOutcome::kStatus:
      return "status " + std::to_string(end.status);
    case ReplyOutcome::kTimeout:
      return "timeout";
    case ReplyOutcome::kConnection:
      return "connection";
    case ReplyOutcome::kError:
      return "error in the stream";
    case ReplyOutcome::kBadReply:
    case ReplyOutcome::kCompleted:
      break;
  }
  return "bad reply";
}

}  // namespace

LoadPlayer::LoadPlayer(LoadClient& client, Workload& workload, const LoadPrompts& prompts,
                       ServeMetrics& metrics, LoadPlayerConfig config)
    : client_(client),
      workload_(workload),
      prompts_(prompts),
      metrics_(metrics),
      config_(std::move(config)),
      closed_loop_(workload.concurrency() > 0) {
  client_.listen(Callback<const ReplyChunk&>::to<&LoadPlayer::chunk>(this),
                 Callback<const ReplyEnd&>::to<&LoadPlayer::ended>(this));
}

Status LoadPlayer::run() {
  if (config_.interrupts) client_.catch_interrupts(Callback<>::to<&LoadPlayer::interrupt>(this));
  if (!closed_loop_) fetch();
  start_ = next_progress_ = client_.now();
  client_.wake_at(start_, Callback<>::to<&LoadPlayer::wake>(this));
  client_.run();
  if (interrupted_) {
    for (Slot& slot : slots_) {
      if (!slot.busy) continue;
      slot.record.end = client_.now();
      metrics_.unfinished(slot.record);
    }
  }
  if (error_ && !interrupted_) return *error_;
  return {};
}

void LoadPlayer::interrupt() {
  interrupted_ = true;
  client_.abort_all();
  client_.stop();
}

void LoadPlayer::wake() {
  if (closed_loop_) {
    top_up();
  } else {
    send_due();
  }
  if (config_.progress && client_.now() >= next_progress_) {
    config_.progress();
    next_progress_ = client_.now() + kProgressEvery;
  }
  arm();
  maybe_stop();
}

void LoadPlayer::arm() {
  Instant at = config_.progress ? next_progress_ : Instant::never();
  if (!closed_loop_ && have_next_) at = std::min(at, start_ + (next_.arrival.at - Instant()));
  if (at != Instant::never()) client_.wake_at(at, Callback<>::to<&LoadPlayer::wake>(this));
}

void LoadPlayer::maybe_stop() {
  if (at_end_ && !have_next_ && in_flight_ == 0 && held_ == 0) client_.stop();
}

// The body is made here, ahead of its instant.
bool LoadPlayer::fetch() {
  have_next_ = false;
  if (at_end_) return false;
  auto more = workload_.next(next_.arrival);
  if (!more) error_ = more.error();
  if (!more || !*more) {
    at_end_ = true;
    return false;
  }
  if (config_.shared_prefix > 0) {
    const Tokens prefix(config_.shared_prefix);
    next_.arrival.prompt += prefix;
    next_.arrival.segments.insert(next_.arrival.segments.begin(), {kPrefixContent, prefix});
  }
  next_.body = prompts_.body(next_.arrival);
  have_next_ = true;
  return true;
}

void LoadPlayer::send_due() {
  while (have_next_ && start_ + (next_.arrival.at - Instant()) <= client_.now()) {
    give(std::move(next_));
    fetch();
  }
}

void LoadPlayer::top_up() {
  while (in_flight_ < workload_.concurrency() && held_ < kMaxHeld && fetch()) {
    give(std::move(next_));
    have_next_ = false;
  }
}

// A turn waits for the answer to the one before it, as whoever writes it does.
void LoadPlayer::give(Planned planned) {
  if (planned.arrival.conversation != 0) {
    if (auto* waiting = conversations_.find(planned.arrival.conversation)) {
      waiting->push_back(std::move(planned));
      ++held_;
      return;
    }
    conversations_.insert(planned.arrival.conversation, {});
  }
  const Instant at = closed_loop_ ? client_.now() : start_ + (planned.arrival.at - Instant());
  send(std::move(planned), at);
}

void LoadPlayer::send(Planned planned, Instant at) {
  if (free_.empty()) {
    free_.push_back(slots_.size());
    slots_.emplace_back();
  }
  const uint64_t tag = free_.back();
  free_.pop_back();
  Slot& slot = slots_[tag];
  slot = Slot{};
  slot.busy = true;
  slot.conversation = planned.arrival.conversation;
  slot.record.asked_prompt = planned.arrival.prompt.count();
  slot.record.asked_output = planned.arrival.output.count();
  slot.record.sent = client_.now();
  slot.record.planned = closed_loop_ ? slot.record.sent : at;
  ++sent_;
  most_in_flight_ = std::max(most_in_flight_, ++in_flight_);
  client_.post(tag, prompts_.path(), std::move(planned.body));
}

void LoadPlayer::chunk(const ReplyChunk& chunk) {
  Slot& slot = slots_[chunk.tag];
  ServeRecord& record = slot.record;
  if (chunk.chunk.prompt_tokens) record.prompt_tokens = *chunk.chunk.prompt_tokens;
  if (chunk.chunk.completion_tokens) record.output_tokens = *chunk.chunk.completion_tokens;
  if (chunk.chunk.cached_tokens) record.cached_tokens = *chunk.chunk.cached_tokens;
  if (chunk.chunk.choice) {
    if (slot.any_first == Instant()) slot.any_first = chunk.at;
    slot.any_last = chunk.at;
  }
  if (!chunk.chunk.content) return;
  if (record.chunks++ == 0) {
    record.first = chunk.at;
  } else {
    metrics_.chunk_gap(chunk.at - record.last);
  }
  record.last = chunk.at;
}

void LoadPlayer::close(Slot& slot, const ReplyEnd& end) {
  ServeRecord& record = slot.record;
  record.end = end.at;
  if (end.status == 429) return metrics_.rejected(record, end.retry_after_s);
  if (end.outcome != ReplyOutcome::kCompleted) {
    return metrics_.failed(record, kind_of(end), end.message);
  }
  if (record.chunks == 0) {
    if (record.output_tokens <= 0) {
      return metrics_.failed(record, "no tokens", "the reply ended without a token");
    }
    record.first = slot.any_first;  // the tokens had no text
    record.last = slot.any_last;
  }
  metrics_.completed(record);
}

void LoadPlayer::ended(const ReplyEnd& end) {
  Slot& slot = slots_[end.tag];
  close(slot, end);
  --in_flight_;
  slot.busy = false;
  free_.push_back(end.tag);
  const uint64_t conversation = slot.conversation;
  if (conversation != 0) {
    auto* waiting = conversations_.find(conversation);
    if (waiting->empty()) {
      conversations_.erase(conversation);
    } else {
      Planned turn = std::move(waiting->front());
      waiting->pop_front();
      --held_;
      send(std::move(turn), client_.now());
    }
  }
  if (closed_loop_) top_up();
  maybe_stop();
}

}  // namespace weft
