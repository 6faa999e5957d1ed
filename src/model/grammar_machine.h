// GrammarMachine: follows a grammar byte by byte. Where it may be is a set of configurations, each
// a state and the stack of calls that led there. Sets and stacks are numbered as they are met and
// what follows them is remembered, so that walking a known way costs one look-up per byte.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/flat_map.h"
#include "model/grammar.h"

namespace weft {

class GrammarMachine {
 public:
  using Set = uint32_t;
  using Stack = uint32_t;
  static constexpr Set kDead = 0;      // nothing fits any longer
  static constexpr Stack kBottom = 0;  // no call is under way

  struct Configuration {
    GrammarStateId state;
    Stack calls;
    bool operator==(const Configuration&) const = default;
    auto operator<=>(const Configuration&) const = default;
  };
  // More than this at a time are not followed. Each can be ended by itself, so that what is left
  // never gets stuck.
  static constexpr size_t kMaxConfigurations = 8192;

  // `grammar` must outlive it.
  explicit GrammarMachine(const Grammar& grammar);

  // Before the first byte.
  Set start() { return close({grammar_->start(), kBottom}); }
  // In one state without what it may call or return to.
  Set alone(GrammarStateId state);
  // Where the innermost call of `calls`, not kBottom, returns.
  Set returned(Stack calls) { return close({stacks_[calls].returns, stacks_[calls].below}); }
  // kDead when the byte does not fit.
  Set step(Set set, uint8_t byte) {
    const Set known = next_[size_t{set} * classes_ + grammar_->byte_class(byte)];
    return known != kUnknown ? known : find_step(set, byte);
  }
  // Whether the start's rule may end here.
  [[nodiscard]] bool ends(Set set) const { return sets_[set].ends; }
  [[nodiscard]] std::span<const Configuration> configurations(Set set) const {
    return std::span(configurations_).subspan(sets_[set].first, sets_[set].count);
  }
  // The most calls that must be under way at a time to end, over all that led into the set.
  [[nodiscard]] int height(Set set) const { return sets_[set].height; }
  [[nodiscard]] int depth(Stack calls) const { return stacks_[calls].depth; }

  // Counts up with what was not known before: about one per 50 ns.
  [[nodiscard]] uint64_t work() const { return work_; }
  // Of all that is remembered, about.
  [[nodiscard]] size_t bytes() const {
    return next_.size() * sizeof(Set) + configurations_.size() * sizeof(Configuration) +
           stacks_.size() * 2 * sizeof(Frame);
  }
  // Forgets all but `sets`, which get other numbers.
  void forget_others(std::span<Set> sets);

 private:
  static constexpr Set kUnknown = UINT32_MAX;
  struct Frame {
    GrammarStateId returns;
    Stack below;
    int depth;
  };
  struct SetData {
    uint32_t first;
    uint32_t count;
    bool ends;
    int height;
  };

  void clear();
  Stack push(GrammarStateId returns, Stack below);
  void add(Configuration configuration);
  void visit(Configuration configuration);
  Set close(Configuration configuration);
  Set find_step(Set set, uint8_t byte);
  void begin_set();
  Set end_set();

  const Grammar* grammar_;
  size_t classes_;
  std::vector<Frame> stacks_;
  FlatMap<Stack> stack_ids_;
  std::vector<SetData> sets_;
  std::vector<Configuration> configurations_;
  std::vector<Set> next_;  // [set][byte class]
  FlatMap<Set> set_ids_;   // by hash
  uint64_t work_ = 0;

  // Of the set being made.
  FlatMap<uint32_t> seen_;  // configurations, by the round that saw them last
  uint32_t round_ = 0;
  std::vector<Configuration> pending_;
  std::vector<Configuration> made_;
  bool made_ends_ = false;
  int made_height_ = 0;
};

}  // namespace weft
