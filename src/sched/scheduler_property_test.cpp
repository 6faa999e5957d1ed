// The scheduler under random operations: any role, 1 to 8 ranks, any draft tokens. A model of each
// request says what every batch must hold and which events every step must bring.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

#include "sched/scheduler.h"
#include "sched/scheduler_testing.h"

namespace weft {
namespace {

struct Operation {
  int kind = 0;
  uint64_t choice = 0;
};

// What the test knows of one request.
struct Known {
  Request request;
  std::vector<BlockHash> hashes;
  int64_t generated = 0;
  int64_t context = 0;
  int64_t computed = 0;  // prompt tokens, since it was admitted last
  int64_t load = -1;     // tokens asked for, while it loads
  int64_t arrived = -1;  // tokens that a load brought
  uint32_t rank = 0;
  bool running = false;
  bool held = false;
  bool cancelled = false;
  bool preempted = false;
  std::vector<BlockId> table;
};

class World {
 public:
  World(const SchedulerConfig& config, uint64_t seed)
      : config_(config), scheduler_(config), maker_(config.block.count()), random_(seed) {}

  void operate(const Operation& op) {
    random_ = Random(op.choice);
    switch (op.kind) {
      case 0:
      case 1:
      case 2:
        add();
        break;
      case 3:
        if (!loading_.empty()) answer_load(pick(loading_), static_cast<int>(random_.below(3)));
        break;
      case 4:
        if (!held_.empty()) release(pick(held_));
        break;
      case 5:
        if (!live_.empty() && random_.below(3) == 0) cancel();
        break;
      case 6:
        now_ = now_ + nanoseconds(static_cast<int64_t>(random_.below(20)));
        break;
      default:
        if (batch_ == nullptr) {
          plan();
        } else {
          apply();
        }
    }
    check();
  }

  // Answers everything that is open until nothing is left, and sees that all has ended.
  void drain() {
    for (int i = 0; i < 20000; ++i) {
      if (batch_ != nullptr) apply();
      while (!loading_.empty()) answer_load(*loading_.begin(), 0);
      while (!held_.empty()) release(*held_.begin());
      plan();
      check();
      if (batch_ == nullptr && loading_.empty() && held_.empty()) break;
    }
    RC_ASSERT(live_.empty());
    RC_ASSERT(scheduler_.sequences() == 0 && scheduler_.blocks_in_use() == 0);
    RC_ASSERT(scheduler_.waiting() == 0 && scheduler_.running() == 0);
  }

 private:
  using Key = uint64_t;
  Key pick(const std::set<Key>& from) {
    return *std::next(from.begin(), static_cast<std::ptrdiff_t>(random_.below(from.size())));
  }
  int64_t draw(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_.below(static_cast<uint64_t>(high - low + 1)));
  }
  [[nodiscard]] bool decode() const { return config_.role == Role::kDecode; }
  [[nodiscard]] int64_t blocks(int64_t tokens) const {
    return ceil_div(tokens, config_.block.count());
  }

  void add() {
    const int64_t prompt = draw(1, 40);
    Known known;
    known.request = maker_.make(prompt, draw(1, 20), random_.below(3), draw(0, 40));
    known.request.priority = static_cast<int>(random_.below(3));
    if (random_.below(4) == 0) known.request.deadline = now_ + nanoseconds(draw(0, 30));
    known.hashes.assign(known.request.blocks.begin(), known.request.blocks.end());
    known.generated = decode() ? 1 : draw(0, 3) == 0 ? 1 : 0;
    if (known.generated >= known.request.max_output.count()) return;
    const int64_t outside = draw(0, 2) == 0 ? draw(0, prompt / config_.block.count()) : 0;
    const int64_t waiting = scheduler_.waiting();
    const auto added = scheduler_.add(known.request, known.generated, outside);
    const int64_t lookahead = config_.role == Role::kPrefill ? 0 : 1 + config_.draft_tokens;
    const int64_t output =
        config_.role == Role::kPrefill ? known.generated : known.request.max_output.count();
    const bool fits = blocks(prompt + output + lookahead) <= config_.blocks_per_rank;
    const bool room = waiting < config_.max_waiting;
    const auto want = !fits   ? Scheduler::Add::kNeverFits
                      : !room ? Scheduler::Add::kFull
                              : Scheduler::Add::kAccepted;
    RC_ASSERT(added == want);
    if (added != Scheduler::Add::kAccepted) return;
    live_.insert(known.request.id.value());
    known_[known.request.id.value()] = std::move(known);
  }

  // Whole, in part, or lost.
  void answer_load(Key key, int how) {
    Known& known = known_[key];
    int64_t tokens = how == 0 ? known.load : 0;
    if (how == 1 && !decode()) {
      tokens = draw(0, known.load / config_.block.count()) * config_.block.count();
    }
    effects_.clear();
    RC_ASSERT(scheduler_.loaded(known.request.id, tokens, effects_));
    loading_.erase(key);
    known.arrived = tokens;
    known.load = -1;
    if (known.cancelled) {
      RC_ASSERT(effects_.events.empty());
      return ended(key);
    }
    if (decode() && tokens < known.request.prompt.count() + known.generated - 1) {
      RC_ASSERT(effects_.events.size() == 1u);
      expect(effects_.events[0], SequenceEvent::kEvicted, known);
      ended(key);
    } else {
      RC_ASSERT(effects_.events.empty());
    }
  }

  void release(Key key) {
    RC_ASSERT(scheduler_.release(known_[key].request.id));
    ended(key);
  }

  void cancel() {
    const Key key = pick(live_);
    Known& known = known_[key];
    RC_ASSERT(scheduler_.cancel(known.request.id));
    if ((batch_ != nullptr && known.running) || loading_.contains(key)) {
      known.cancelled = true;
    } else {
      ended(key);
    }
  }

  void ended(Key key) {
    RC_ASSERT(live_.erase(key) == 1u);
    loading_.erase(key);
    held_.erase(key);
    known_.erase(key);
  }

  static void expect(const Event& event, SequenceEvent kind, const Known& known) {
    RC_ASSERT(event.kind == kind);
    RC_ASSERT(event.request.id == known.request.id);
    RC_ASSERT(event.generated == known.generated);
  }

  void plan() {
    effects_.clear();
    const int64_t before = scheduler_.preemptions();
    batch_ = scheduler_.plan(now_, effects_);
    const int64_t gone = take_events_of_plan();
    find_preempted(scheduler_.preemptions() - before - gone);
    for (const Load& load : effects_.loads) take_load(load);
    if (batch_ != nullptr) check_batch();
  }

  // Those that were in the last batch and are not in this one. One may also have been admitted
  // again in the same planning, on another rank say; then it is among the last of the batch.
  void find_preempted(int64_t count) {
    std::set<Key> in_batch;
    const auto works = batch_ != nullptr ? batch_->work : std::span<const SequenceWork>{};
    for (const SequenceWork& work : works) RC_ASSERT(in_batch.insert(work.request.value()).second);
    std::vector<Known*> preempted;
    for (const Key key : live_) {
      if (known_[key].running && !in_batch.contains(key)) preempted.push_back(&known_[key]);
    }
    for (size_t i = works.size(); i-- > 0 && static_cast<int64_t>(preempted.size()) < count;) {
      Known& known = known_[works[i].request.value()];
      if (known.running) preempted.push_back(&known);
    }
    RC_ASSERT(static_cast<int64_t>(preempted.size()) == count);
    for (Known* known : preempted) {
      known->running = false;
      known->preempted = true;
      known->arrived = -1;
    }
  }

  void take_load(const Load& load) {
    Known& known = known_.at(load.request.id.value());
    RC_ASSERT(!known.running && !known.held && known.load < 0 && known.arrived < 0);
    RC_ASSERT(load.tokens > load.first_block * config_.block.count());
    RC_ASSERT(load.blocks == blocks(load.tokens) - load.first_block);
    if (decode()) RC_ASSERT(load.tokens == known.request.prompt.count() + known.generated - 1);
    known.load = load.tokens;
    loading_.insert(load.request.id.value());
  }

  // Returns how many were preempted and have ended with that: evicted, or past their deadline.
  int64_t take_events_of_plan() {
    int64_t preempted = 0;
    for (const Event& event : effects_.events) {
      const Key key = event.request.id.value();
      RC_ASSERT(live_.contains(key));
      const Known& known = known_[key];
      if (event.kind == SequenceEvent::kEvicted) {
        RC_ASSERT(decode() && known.running);
        expect(event, SequenceEvent::kEvicted, known);
      } else {
        expect(event, SequenceEvent::kExpired, known);
        RC_ASSERT(known.request.deadline < now_ && known.generated == 0);
      }
      preempted += known.running ? 1 : 0;
      ended(key);
    }
    return preempted;
  }

  void check_batch() {
    std::vector<RankLoad> loads(static_cast<size_t>(config_.ranks));
    std::vector<int64_t> sequences(loads.size());
    int64_t tokens = 0;
    for (const SequenceWork& work : batch_->work) {
      check_work(work);
      tokens += work.tokens;
      ++sequences[work.rank];
      RankLoad& load = loads[work.rank];
      const double queries = work.tokens;
      load.sampled += work.samples ? 1 : 0;
      if (work.decode && work.tokens == 0) continue;  // prompts come first
      if (work.decode) {
        ++load.decode_sequences;
        load.decode_tokens += work.tokens;
        load.decode_context += work.context.count();
      } else if (work.tokens > 0) {
        ++load.prefill_sequences;
        load.prefill_tokens += work.tokens;
        load.prefill_context += work.context.count();
        load.prefill_longest = std::max(load.prefill_longest, work.context.count() + work.tokens);
        load.prefill_products += queries * (work.context.as_double() + (queries + 1) / 2);
      }
    }
    RC_ASSERT(tokens == batch_->tokens && tokens > 0);
    if (config_.prefill_first) check_not_mixed(loads);
    for (size_t r = 0; r < loads.size(); ++r) {
      RC_ASSERT(batch_->loads[r] == loads[r]);
      const int64_t budget = config_.max_tokens_per_rank - loads[r].decode_tokens;
      RC_ASSERT(loads[r].prefill_tokens <= std::max<int64_t>(0, budget));
      RC_ASSERT(sequences[r] <= config_.max_sequences_per_rank);
    }
  }

  static void check_not_mixed(const std::vector<RankLoad>& loads) {
    int64_t prompts = 0;
    int64_t decodes = 0;
    for (const RankLoad& load : loads) {
      prompts += load.prefill_tokens;
      decodes += load.decode_tokens;
    }
    RC_ASSERT(prompts == 0 || decodes == 0);
  }

  void check_work(const SequenceWork& work) {
    const Key key = work.request.value();
    RC_ASSERT(live_.contains(key));
    Known& known = known_[key];
    RC_ASSERT(!known.held && !known.cancelled && known.load < 0);
    const int64_t target = known.request.prompt.count() + known.generated;
    if (!known.running) {
      known.running = true;
      known.rank = work.rank;
      known.context = work.context.count();
      known.computed = 0;
      if (known.arrived > 0) RC_ASSERT(known.context >= known.arrived);
      if (decode()) RC_ASSERT(known.context == target - 1);
      if (!decode())
        RC_ASSERT(known.context < target && known.context % config_.block.count() == 0);
    }
    RC_ASSERT(work.context.count() == known.context);
    RC_ASSERT(work.generated == known.generated);
    RC_ASSERT(work.rank == known.rank);
    if (work.decode) {
      RC_ASSERT(config_.role != Role::kPrefill);
      const bool computes = work.samples && work.tokens == 1 + config_.draft_tokens;
      const bool paused = config_.prefill_first && !work.samples && work.tokens == 0;
      RC_ASSERT(computes || paused);
    } else {
      RC_ASSERT(work.samples == (known.context + work.tokens == target));
    }
    const auto room = static_cast<int64_t>(work.table.size()) * config_.block.count();
    RC_ASSERT(known.context + work.tokens <= room);
    known.table.assign(work.table.begin(), work.table.end());
  }

  void apply() {
    std::vector<SequenceOutput> outputs;
    for (const SequenceWork& work : batch_->work) {
      int32_t tokens = work.samples ? 1 : 0;
      if (work.decode && work.tokens > 0) tokens = static_cast<int32_t>(draw(1, work.tokens));
      outputs.push_back({tokens, work.samples && random_.below(20) == 0});
    }
    const std::vector<SequenceWork> works(batch_->work.begin(), batch_->work.end());
    effects_.clear();
    scheduler_.apply({outputs, Duration{}}, effects_);
    batch_ = nullptr;
    size_t next = 0;
    for (size_t i = 0; i < works.size(); ++i) {
      const auto want = advance(works[i], outputs[i]);
      if (!want) continue;
      RC_ASSERT(next < effects_.events.size());
      const Key key = works[i].request.value();
      const Event& event = effects_.events[next++];
      expect(event, *want, known_[key]);
      check_cached(event, works[i]);
      if (*want == SequenceEvent::kFinished) ended(key);
    }
    RC_ASSERT(next == effects_.events.size());
  }

  // Each token of context was either computed or found: nothing is lost and nothing counted twice.
  void check_cached(const Event& event, const SequenceWork& work) const {
    const Known& known = known_.at(work.request.value());
    if (decode()) RC_ASSERT(event.cached == 0);
    if (decode() || work.decode) return;
    const int64_t found = known.context - known.computed;
    RC_ASSERT(event.new_block == found / config_.block.count());
    const bool right = known.preempted ? event.cached <= found : event.cached == found;
    RC_ASSERT(right);
  }

  // Moves the model on by one part of a step; which event must come of it.
  std::optional<SequenceEvent> advance(const SequenceWork& work, const SequenceOutput& output) {
    const Key key = work.request.value();
    Known& known = known_[key];
    if (known.cancelled) return ended(key), std::nullopt;
    const int64_t most = known.request.max_output.count();
    if (work.decode) {
      const int64_t gained = std::min<int64_t>(output.tokens, most - known.generated);
      known.context += gained;
      known.generated += gained;
    } else {
      known.context += work.tokens;
      known.computed += work.tokens;
      if (!work.samples) return std::nullopt;
      ++known.generated;
    }
    if (known.generated >= most || output.end) return SequenceEvent::kFinished;
    if (work.decode) return std::nullopt;
    if (config_.role == Role::kUnified) return SequenceEvent::kFirst;
    known.running = false;
    known.held = true;
    held_.insert(key);
    return SequenceEvent::kPrefilled;
  }

  void check() const {
    scheduler_.check_integrity(true);
    RC_ASSERT(scheduler_.sequences() == static_cast<int64_t>(live_.size()));
    RC_ASSERT(scheduler_.held() == static_cast<int64_t>(held_.size()));
    check_tables();
  }

  // A block in two tables is at the same place of two prompts that are equal up to its end.
  void check_tables() const {
    std::map<std::pair<uint32_t, BlockId>, std::pair<const Known*, size_t>> owners;
    for (const auto& [key, known] : known_) {
      if (!known.running && !known.held) continue;
      for (size_t i = 0; i < known.table.size(); ++i) {
        const auto [at, fresh] = owners.insert({{known.rank, known.table[i]}, {&known, i}});
        if (fresh) continue;
        const auto& [other, place] = at->second;
        RC_ASSERT(place == i && i < known.hashes.size() && i < other->hashes.size());
        RC_ASSERT(known.hashes[i] == other->hashes[i]);
      }
    }
  }

  SchedulerConfig config_;
  Scheduler scheduler_;
  RequestMaker maker_;
  Random random_;
  Instant now_{100};
  Effects effects_;
  const Batch* batch_ = nullptr;
  std::map<Key, Known> known_;
  std::set<Key> live_;
  std::set<Key> loading_;
  std::set<Key> held_;
};

SchedulerConfig draw_config(Role role) {
  SchedulerConfig config;
  config.role = role;
  config.ranks = *rc::gen::inRange(1, 9);
  config.block = Tokens(*rc::gen::element<int64_t>(1, 4, 7));
  config.blocks_per_rank = *rc::gen::inRange<int64_t>(6, 40);
  if (*rc::gen::inRange(0, 4) == 0) config.blocks_per_rank += 100;  // with a watermark
  config.max_tokens_per_rank = *rc::gen::inRange<int64_t>(1, 50);
  config.max_sequences_per_rank = *rc::gen::inRange<int64_t>(1, 8);
  config.max_waiting = *rc::gen::inRange<int64_t>(1, 12);
  config.draft_tokens = *rc::gen::inRange(0, 4);
  config.prefix_caching = *rc::gen::inRange(0, 4) != 0;
  config.prefill_first = *rc::gen::inRange(0, 3) == 0;
  return config;
}

void play(Role role) {
  World world(draw_config(role), 1);
  const auto operations = *rc::gen::scale(
      4.0, rc::gen::container<std::vector<Operation>>(
               rc::gen::map(rc::gen::pair(rc::gen::inRange(0, 14), rc::gen::arbitrary<uint64_t>()),
                            [](const std::pair<int, uint64_t>& p) {
                              return Operation{p.first, p.second};
                            })));
  for (const Operation& op : operations) world.operate(op);
  world.drain();
}

RC_GTEST_PROP(SchedulerProperty, UnifiedKeepsEveryPromise, ()) { play(Role::kUnified); }
RC_GTEST_PROP(SchedulerProperty, PrefillKeepsEveryPromise, ()) { play(Role::kPrefill); }
RC_GTEST_PROP(SchedulerProperty, DecodeKeepsEveryPromise, ()) { play(Role::kDecode); }

}  // namespace
}  // namespace weft
