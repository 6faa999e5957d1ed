// Draws arrivals; conversations wait in a heap for their next turn.
#include "sim/workload_made.h"

#include <algorithm>

namespace weft {
namespace {

// Tags of the streams that one seed gives.
enum Stream : uint64_t { kGaps = 1, kInputs = 2, kOutputs = 3, kTurns = 4, kContents = 5 };

// Turns per conversation lower the rate at which conversations start.
double start_factor(const WorkloadSpec& spec) {
  return spec.conversations ? 1.0 / spec.conversations->turns : 1.0;
}

}  // namespace

Result<MadeLoad> MadeLoad::make(const WorkloadSpec& spec, uint64_t seed) {
  CHECK(spec.arrivals.has_value());
  auto input = LengthDistribution::make(spec.input);
  if (!input) return input.error();
  auto output = LengthDistribution::make(spec.output);
  if (!output) return output.error();
  return MadeLoad(spec, std::move(*input), std::move(*output), seed);
}

MadeLoad::MadeLoad(const WorkloadSpec& spec, LengthDistribution input, LengthDistribution output,
                   uint64_t seed)
    : input_(std::move(input)),
      output_(std::move(output)),
      times_(*spec.arrivals, start_factor(spec), mix64(seed, kGaps)),
      input_random_(mix64(seed, kInputs)),
      output_random_(mix64(seed, kOutputs)),
      turn_random_(mix64(seed, kTurns)),
      prefixes_(spec.prefix, seed),
      content_seed_(mix64(seed, kContents)),
      end_(spec.duration_s ? Instant() + seconds(*spec.duration_s) : Instant::never()),
      conversations_(spec.conversations),
      concurrency_(spec.arrivals->concurrency) {}

Result<bool> MadeLoad::next(Arrival& out) {
  if (conversations_) return next_turn(out);
  out.at = last_ = times_.next();
  if (out.at >= end_) return false;
  out.prompt = input_.draw(input_random_);
  out.output = output_.draw(output_random_);
  out.conversation = 0;
  out.segments.clear();
  return true;
}

bool MadeLoad::later(const Turn& a, const Turn& b) {
  return a.at != b.at ? a.at > b.at : a.conversation > b.conversation;
}

MadeLoad::Turn MadeLoad::first_turn() {
  Turn turn{};
  turn.conversation = ++started_;
  turn.number = 1;
  turn.prompt = input_.draw(input_random_).count();
  if (!prefixes_.empty()) {
    const Segment prefix = prefixes_.pick(turn.conversation, Tokens(turn.prompt));
    turn.prefix = prefix.tokens.count();
    turn.prefix_content = prefix.content;
  }
  return turn;
}

// Puts the next turn in line, if there is one: everything so far and a new message.
void MadeLoad::follow(const Turn& turn, Tokens output) {
  if (turn_random_.uniform() >= 1.0 - 1.0 / conversations_->turns) return;
  Turn next = turn;
  ++next.number;
  next.prompt += output.count() + input_.draw(input_random_).count();
  if (next.prompt > conversations_->max_tokens) return;
  if (concurrency_ > 0) {
    next.at = Instant(++order_);
  } else {
    const double gap =
        conversations_->think_s > 0 ? turn_random_.exponential(conversations_->think_s) : 0.0;
    next.at = std::min(turn.at + seconds(gap), Instant(kLatestTime));
  }
  turns_.push_back(next);
  std::push_heap(turns_.begin(), turns_.end(), later);
}

// Open loop: whichever is earlier, the next conversation's start or the next turn of a live one.
// Closed loop: `concurrency` conversations take turns; where one has ended, another starts.
bool MadeLoad::next_turn(Arrival& out) {
  bool start = false;
  if (concurrency_ > 0) {
    start = turns_.size() < static_cast<size_t>(concurrency_);
  } else {
    if (!next_start_) next_start_ = times_.next();
    start = turns_.empty() || *next_start_ < turns_.front().at;
  }
  Turn turn{};
  if (start) {
    turn = first_turn();
    turn.at = concurrency_ > 0 ? Instant(++order_) : *next_start_;
    next_start_.reset();
  } else {
    std::pop_heap(turns_.begin(), turns_.end(), later);
    turn = turns_.back();
    turns_.pop_back();
  }
  if (concurrency_ == 0) {
    last_ = turn.at;
    if (turn.at >= end_) return false;
  }
  out.at = concurrency_ > 0 ? Instant() : turn.at;
  out.prompt = Tokens(turn.prompt);
  out.output = output_.draw(output_random_);
  out.conversation = turn.conversation;
  out.segments.clear();
  if (turn.prefix > 0) out.segments.push_back({turn.prefix_content, Tokens(turn.prefix)});
  if (turn.prompt > turn.prefix) {
    out.segments.push_back(
        {mix64(content_seed_, turn.conversation), Tokens(turn.prompt - turn.prefix)});
  }
  follow(turn, out.output);
  return true;
}

double MadeLoad::progress() const {
  if (end_ == Instant::never()) return 0.0;
  return std::clamp(last_.seconds() / end_.seconds(), 0.0, 1.0);
}

}  // namespace weft
