// Grammar: which bytes may follow each other, as automata that call each other (a recursive
// transition network): each rule is a nondeterministic automaton over bytes, and an edge may call a
// rule and go on where it returns. Enough for JSON with recursion. GrammarMachine walks it,
// TokenMask lays it over a vocabulary. Nothing here depends on JSON.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft {

using GrammarStateId = uint32_t;

inline constexpr uint32_t kMaxGrammarStates = 200'000;
// How many calls may be under way at a time. Calls beyond are not begun, in a way that never leaves
// a text that cannot be ended.
inline constexpr int kMaxGrammarDepth = 120;

struct GrammarByteEdge {
  uint8_t low;
  uint8_t high;
  GrammarStateId to;
};
struct GrammarCall {
  GrammarStateId rule;     // the first state of what is called
  GrammarStateId returns;  // where to go on
};
struct GrammarState {
  uint32_t first_byte = 0, last_byte = 0;    // [first, last) of bytes()
  uint32_t first_call = 0, last_call = 0;    // of calls()
  uint32_t first_empty = 0, last_empty = 0;  // of empties()
  int need = 0;  // calls that must be under way at a time, at least, to end the rule from here
  bool accepts = false;  // the rule may end here
  bool only_ends = false;
};

// States that repeat each other: copy i of `stride` states begins at first + i * stride. From copy
// i at least `least` - i and at most `most` - i more copies follow (most < 0: no bound). Two copies
// that are far from both bounds look the same to a short text.
struct GrammarChain {
  GrammarStateId first;
  uint32_t stride;
  uint32_t copies;
  int64_t least;
  int64_t most;
};

class Grammar {
 public:
  [[nodiscard]] GrammarStateId start() const { return start_; }
  [[nodiscard]] size_t size() const { return states_.size(); }
  [[nodiscard]] const GrammarState& state(GrammarStateId id) const { return states_[id]; }
  [[nodiscard]] std::span<const GrammarByteEdge> bytes(const GrammarState& state) const {
    return std::span(bytes_).subspan(state.first_byte, state.last_byte - state.first_byte);
  }
  [[nodiscard]] std::span<const GrammarCall> calls(const GrammarState& state) const {
    return std::span(calls_).subspan(state.first_call, state.last_call - state.first_call);
  }
  [[nodiscard]] std::span<const GrammarStateId> empties(const GrammarState& state) const {
    return std::span(empties_).subspan(state.first_empty, state.last_empty - state.first_empty);
  }
  // By rising first state.
  [[nodiscard]] std::span<const GrammarChain> chains() const { return chains_; }
  // Bytes of one class take the same edges everywhere; classes count from 0.
  [[nodiscard]] uint8_t byte_class(uint8_t byte) const { return byte_classes_[byte]; }
  [[nodiscard]] int byte_class_count() const { return byte_class_count_; }
  // States below this are the same ones in every grammar that began with the same rules.
  [[nodiscard]] GrammarStateId shared_states() const { return shared_states_; }

 private:
  friend class GrammarBuilder;
  friend class GrammarAnalysis;
  GrammarStateId start_ = 0;
  GrammarStateId shared_states_ = 0;
  std::vector<GrammarState> states_;
  std::vector<GrammarByteEdge> bytes_;
  std::vector<GrammarCall> calls_;
  std::vector<GrammarStateId> empties_;
  std::vector<GrammarChain> chains_;
  uint8_t byte_classes_[256] = {};
  int byte_class_count_ = 1;
};

class GrammarBuilder {
 public:
  // Beyond kMaxGrammarStates the same last state comes back, and finish() fails.
  GrammarStateId add_state();
  void add_bytes(GrammarStateId from, uint8_t low, uint8_t high, GrammarStateId to);
  void add_empty(GrammarStateId from, GrammarStateId to);
  void add_call(GrammarStateId from, GrammarStateId rule, GrammarStateId to);
  void accept(GrammarStateId state);
  // The state after `text`, or `to` itself after its last byte. The second requires a text.
  GrammarStateId add_text(GrammarStateId from, std::string_view text);
  void add_text(GrammarStateId from, std::string_view text, GrammarStateId to);
  // Requires rising first states, and copies that lie as GrammarChain says.
  void add_chain(GrammarChain chain) { chains_.push_back(chain); }
  // What was added so far is the same in every grammar.
  void mark_shared() { shared_states_ = size(); }

  [[nodiscard]] GrammarStateId size() const { return static_cast<GrammarStateId>(accepts_.size()); }
  [[nodiscard]] bool is_full() const { return is_full_; }

  // The grammar of what `start` begins. kBadInput: too large, nothing satisfies it within
  // kMaxGrammarDepth, or a rule calls itself before it has read a byte.
  Result<Grammar> finish(GrammarStateId start) &&;

 private:
  struct Edge {
    GrammarStateId from;
    GrammarByteEdge edge;
  };
  struct Call {
    GrammarStateId from;
    GrammarCall call;
  };
  struct Empty {
    GrammarStateId from;
    GrammarStateId to;
  };
  void pack(Grammar& grammar);

  std::vector<bool> accepts_;
  std::vector<Edge> edges_;
  std::vector<Call> calls_;
  std::vector<Empty> empties_;
  std::vector<GrammarChain> chains_;
  GrammarStateId shared_states_ = 0;
  bool is_full_ = false;
};

}  // namespace weft
