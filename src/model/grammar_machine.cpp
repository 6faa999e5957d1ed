// Closures over empty edges, calls and returns, and the numbering of sets and stacks.
#include "model/grammar_machine.h"

#include <algorithm>

#include "base/check.h"

namespace weft {
namespace {

constexpr uint64_t kSetWork = 32;  // what a new set costs, in configurations

uint64_t pair_key(uint32_t high, uint32_t low) { return uint64_t{high} << 32 | low; }

}  // namespace

GrammarMachine::GrammarMachine(const Grammar& grammar)
    : grammar_(&grammar), classes_(static_cast<size_t>(grammar.byte_class_count())) {
  clear();
}

void GrammarMachine::clear() {
  stacks_.assign(1, {0, kBottom, 0});
  stack_ids_ = {};
  sets_.assign(1, {0, 0, false, 0});
  configurations_.clear();
  next_.assign(classes_, kDead);
  set_ids_ = {};
  seen_ = {};
}

GrammarMachine::Stack GrammarMachine::push(GrammarStateId returns, Stack below) {
  if (grammar_->state(returns).only_ends) return below;  // returns to where it was called from
  const auto [id, is_new] =
      stack_ids_.insert(pair_key(below, returns), static_cast<Stack>(stacks_.size()));
  if (is_new) stacks_.push_back({returns, below, stacks_[below].depth + 1});
  return *id;
}

void GrammarMachine::begin_set() {
  ++round_;
  made_.clear();
  made_ends_ = false;
  made_height_ = 0;
}

void GrammarMachine::add(Configuration configuration) {
  const int height = stacks_[configuration.calls].depth + grammar_->state(configuration.state).need;
  made_height_ = std::max(made_height_, height);
  if (height > kMaxGrammarDepth) return;
  const auto [round, is_new] =
      seen_.insert(pair_key(configuration.calls, configuration.state), round_);
  if (!is_new && *round == round_) return;
  *round = round_;
  pending_.push_back(configuration);
}

void GrammarMachine::visit(Configuration configuration) {
  ++work_;
  const GrammarState& state = grammar_->state(configuration.state);
  if (state.first_byte != state.last_byte) made_.push_back(configuration);
  for (const GrammarStateId to : grammar_->empties(state)) add({to, configuration.calls});
  for (const GrammarCall& call : grammar_->calls(state)) {
    // Where the call returns has to be able to end, too.
    const int height = stacks_[configuration.calls].depth + grammar_->state(call.returns).need;
    made_height_ = std::max(made_height_, height);
    if (height <= kMaxGrammarDepth) add({call.rule, push(call.returns, configuration.calls)});
  }
  if (!state.accepts) return;
  if (configuration.calls == kBottom) {
    made_ends_ = true;
  } else {
    const Frame& frame = stacks_[configuration.calls];
    add({frame.returns, frame.below});
  }
}

GrammarMachine::Set GrammarMachine::end_set() {
  while (!pending_.empty()) {
    const Configuration next = pending_.back();
    pending_.pop_back();
    visit(next);
  }
  if (made_.empty() && !made_ends_) return kDead;
  std::sort(made_.begin(), made_.end());
  if (made_.size() > kMaxConfigurations) made_.resize(kMaxConfigurations);
  uint64_t hash = made_ends_ ? 1 : 2;
  for (const auto& one : made_) hash = mix64(hash, pair_key(one.calls, one.state));
  for (;; hash = mix64(hash)) {  // on to the next when another set has the hash
    const auto [id, is_new] = set_ids_.insert(hash, static_cast<Set>(sets_.size()));
    if (is_new) break;
    const auto known = configurations(*id);
    if (sets_[*id].ends != made_ends_ ||
        !std::equal(known.begin(), known.end(), made_.begin(), made_.end())) {
      continue;
    }
    sets_[*id].height = std::max(sets_[*id].height, made_height_);
    return *id;
  }
  work_ += kSetWork;
  sets_.push_back({static_cast<uint32_t>(configurations_.size()),
                   static_cast<uint32_t>(made_.size()), made_ends_, made_height_});
  configurations_.insert(configurations_.end(), made_.begin(), made_.end());
  next_.resize(next_.size() + classes_, kUnknown);
  return static_cast<Set>(sets_.size() - 1);
}

GrammarMachine::Set GrammarMachine::close(Configuration configuration) {
  begin_set();
  add(configuration);
  return end_set();
}

GrammarMachine::Set GrammarMachine::alone(GrammarStateId state) {
  begin_set();
  made_.push_back({state, kBottom});
  return end_set();
}

GrammarMachine::Set GrammarMachine::find_step(Set set, uint8_t byte) {
  begin_set();
  for (uint32_t i = 0; i < sets_[set].count; ++i) {
    const Configuration from = configurations_[sets_[set].first + i];
    for (const GrammarByteEdge& edge : grammar_->bytes(grammar_->state(from.state))) {
      if (byte >= edge.low && byte <= edge.high) add({edge.to, from.calls});
    }
    ++work_;
  }
  const Set next = end_set();
  next_[size_t{set} * classes_ + grammar_->byte_class(byte)] = next;
  return next;
}

void GrammarMachine::forget_others(std::span<Set> sets) {
  const std::vector<Frame> stacks = std::move(stacks_);
  const std::vector<SetData> old_sets = std::move(sets_);
  const std::vector<Configuration> old = std::move(configurations_);
  clear();
  const auto copy = [&](Stack calls) {
    std::vector<Stack> frames;
    for (; calls != kBottom; calls = stacks[calls].below) frames.push_back(calls);
    Stack made = kBottom;
    for (size_t i = frames.size(); i-- > 0;) made = push(stacks[frames[i]].returns, made);
    return made;
  };
  for (Set& set : sets) {
    if (set == kDead) continue;
    const SetData& data = old_sets[set];
    begin_set();
    for (uint32_t i = 0; i < data.count; ++i) {
      made_.push_back({old[data.first + i].state, copy(old[data.first + i].calls)});
    }
    made_ends_ = data.ends;
    made_height_ = data.height;
    set = end_set();
  }
}

}  // namespace weft
