// Packing of a grammar's edges, and what must be known of it before anybody walks it.
#include "model/grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace weft {

namespace {
constexpr int kNever = std::numeric_limits<int>::max() / 2;
}  // namespace

// Fixpoints over all states: what each needs, which rules may be empty, which call themselves.
class GrammarAnalysis {
 public:
  explicit GrammarAnalysis(Grammar& grammar)
      : grammar_(grammar), may_be_empty_(grammar.size()), walks_(grammar.size()) {}

  void find_needs() {
    for (GrammarState& state : grammar_.states_) state.need = state.accepts ? 0 : kNever;
    sweep([this](GrammarStateId id) {
      GrammarState& state = grammar_.states_[id];
      int need = state.need;
      for (const auto& edge : grammar_.bytes(state)) need = std::min(need, need_of(edge.to));
      for (const auto to : grammar_.empties(state)) need = std::min(need, need_of(to));
      for (const auto& call : grammar_.calls(state)) {
        need = std::min(need, std::max(need_of(call.rule) + 1, need_of(call.returns)));
      }
      const bool is_better = need < state.need;
      state.need = need;
      return is_better;
    });
  }

  void find_empty_rules() {
    sweep([this](GrammarStateId id) {
      const GrammarState& state = grammar_.states_[id];
      bool empty = state.accepts;
      for (const auto to : grammar_.empties(state)) empty = empty || may_be_empty_[to];
      for (const auto& call : grammar_.calls(state)) {
        empty = empty || (may_be_empty_[call.rule] && may_be_empty_[call.returns]);
      }
      if (empty == may_be_empty_[id]) return false;
      may_be_empty_[id] = empty;
      return true;
    });
  }

  // Whether a rule calls itself, perhaps through others, before it has read a byte.
  bool has_left_recursion() {
    enum : uint8_t { kNew, kOpen, kDone };
    std::vector<uint8_t> colors(grammar_.size(), kNew);
    struct Visit {
      GrammarStateId rule;
      std::vector<GrammarStateId> callees;
    };
    for (const GrammarCall& root : grammar_.calls_) {
      std::vector<Visit> stack;
      if (colors[root.rule] == kNew) {
        colors[root.rule] = kOpen;
        stack.push_back({root.rule, called_first(root.rule)});
      }
      while (!stack.empty()) {
        if (stack.back().callees.empty()) {
          colors[stack.back().rule] = kDone;
          stack.pop_back();
          continue;
        }
        const GrammarStateId next = stack.back().callees.back();
        stack.back().callees.pop_back();
        if (colors[next] == kOpen) return true;
        if (colors[next] == kDone) continue;
        colors[next] = kOpen;
        stack.push_back({next, called_first(next)});
      }
    }
    return false;
  }

 private:
  [[nodiscard]] int need_of(GrammarStateId id) const { return grammar_.states_[id].need; }

  // Until nothing changes; rules mostly call later ones, so from the last to the first.
  template <class Change>
  void sweep(Change change) {
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = grammar_.size(); i-- > 0;) {
        if (change(static_cast<GrammarStateId>(i))) changed = true;
      }
    }
  }

  // The rules called before a byte of `rule` is read.
  std::vector<GrammarStateId> called_first(GrammarStateId rule) {
    ++walk_;
    std::vector<GrammarStateId> seen;
    std::vector<GrammarStateId> callees;
    const auto visit = [this, &seen](GrammarStateId id) {
      if (walks_[id] == walk_) return;
      walks_[id] = walk_;
      seen.push_back(id);
    };
    visit(rule);
    for (size_t i = 0; i < seen.size(); ++i) {
      const GrammarState& state = grammar_.states_[seen[i]];
      for (const auto to : grammar_.empties(state)) visit(to);
      for (const auto& call : grammar_.calls(state)) {
        callees.push_back(call.rule);
        if (may_be_empty_[call.rule]) visit(call.returns);
      }
    }
    return callees;
  }

  Grammar& grammar_;
  std::vector<bool> may_be_empty_;
  std::vector<uint32_t> walks_;  // the last walk that saw the state
  uint32_t walk_ = 0;
};

GrammarStateId GrammarBuilder::add_state() {
  if (size() >= kMaxGrammarStates) {
    is_full_ = true;
    return size() - 1;
  }
  accepts_.push_back(false);
  return size() - 1;
}

void GrammarBuilder::add_bytes(GrammarStateId from, uint8_t low, uint8_t high, GrammarStateId to) {
  if (!is_full_) edges_.push_back({from, {low, high, to}});
}

void GrammarBuilder::add_empty(GrammarStateId from, GrammarStateId to) {
  if (!is_full_) empties_.push_back({from, to});
}

void GrammarBuilder::add_call(GrammarStateId from, GrammarStateId rule, GrammarStateId to) {
  if (!is_full_) calls_.push_back({from, {rule, to}});
}

void GrammarBuilder::accept(GrammarStateId state) { accepts_[state] = true; }

GrammarStateId GrammarBuilder::add_text(GrammarStateId from, std::string_view text) {
  for (const char letter : text) {
    const GrammarStateId next = add_state();
    add_bytes(from, static_cast<uint8_t>(letter), static_cast<uint8_t>(letter), next);
    from = next;
  }
  return from;
}

void GrammarBuilder::add_text(GrammarStateId from, std::string_view text, GrammarStateId to) {
  from = add_text(from, text.substr(0, text.size() - 1));
  const auto last = static_cast<uint8_t>(text.back());
  add_bytes(from, last, last, to);
}

void GrammarBuilder::pack(Grammar& grammar) {
  const auto by_from = [](const auto& a, const auto& b) { return a.from < b.from; };
  std::stable_sort(edges_.begin(), edges_.end(), by_from);
  std::stable_sort(calls_.begin(), calls_.end(), by_from);
  std::stable_sort(empties_.begin(), empties_.end(), by_from);
  std::vector<bool> begins(257);
  size_t edge = 0;
  size_t call = 0;
  size_t empty = 0;
  grammar.states_.resize(size());
  for (GrammarStateId id = 0; id < size(); ++id) {
    GrammarState& state = grammar.states_[id];
    state.accepts = accepts_[id];
    state.first_byte = static_cast<uint32_t>(edge);
    for (; edge < edges_.size() && edges_[edge].from == id; ++edge) {
      grammar.bytes_.push_back(edges_[edge].edge);
      begins[edges_[edge].edge.low] = true;
      begins[edges_[edge].edge.high + 1] = true;
    }
    state.last_byte = static_cast<uint32_t>(edge);
    state.first_call = static_cast<uint32_t>(call);
    for (; call < calls_.size() && calls_[call].from == id; ++call) {
      grammar.calls_.push_back(calls_[call].call);
    }
    state.last_call = static_cast<uint32_t>(call);
    state.first_empty = static_cast<uint32_t>(empty);
    for (; empty < empties_.size() && empties_[empty].from == id; ++empty) {
      grammar.empties_.push_back(empties_[empty].to);
    }
    state.last_empty = static_cast<uint32_t>(empty);
    state.only_ends = state.accepts && state.first_byte == state.last_byte &&
                      state.first_call == state.last_call && state.first_empty == state.last_empty;
  }
  int byte_class = 0;
  for (int byte = 0; byte < 256; ++byte) {
    if (byte > 0 && begins[byte]) ++byte_class;
    grammar.byte_classes_[byte] = static_cast<uint8_t>(byte_class);
  }
  grammar.byte_class_count_ = byte_class + 1;
}

Result<Grammar> GrammarBuilder::finish(GrammarStateId start) && {
  if (is_full_) {
    return bad_input(
        fmt::format("found more than {} states, expected a smaller schema", kMaxGrammarStates));
  }
  Grammar grammar;
  pack(grammar);
  grammar.start_ = start;
  grammar.shared_states_ = shared_states_;
  grammar.chains_ = std::move(chains_);
  GrammarAnalysis analysis(grammar);
  analysis.find_needs();
  if (grammar.state(start).need > kMaxGrammarDepth) {
    return bad_input("nothing that a model could write satisfies it");
  }
  analysis.find_empty_rules();
  if (analysis.has_left_recursion()) {
    return bad_input("found a $ref that leads to itself, expected something between");
  }
  return grammar;
}

}  // namespace weft
