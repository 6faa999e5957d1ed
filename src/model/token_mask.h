// Which tokens of a vocabulary may come next in a text that follows a grammar. The vocabulary is a
// trie over its tokens' bytes. Most of a mask hangs on the innermost rule alone, whatever called
// it: that part is computed once per state and kept; the few tokens that leave the rule are walked
// on from where it returns.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "base/flat_map.h"
#include "model/grammar_machine.h"
#include "model/tokenizer.h"

namespace weft {

// The tokens in order of their bytes, as nodes in preorder. Immutable.
class TokenTrie {
 public:
  struct Node {
    uint32_t skip;   // the first node that is not below
    int32_t token;   // the token that ends here, or -1
    uint16_t depth;  // bytes, 1 and more
    uint8_t byte;
  };
  // Special tokens are left out but for `text_tokens`, such as those that mark a tool call. Tokens
  // without bytes, or with more than 65,535, are left out.
  explicit TokenTrie(const Tokenizer& tokenizer, std::span<const int32_t> text_tokens = {});

  [[nodiscard]] std::span<const Node> nodes() const { return nodes_; }
  [[nodiscard]] int32_t vocab_size() const { return vocab_size_; }
  [[nodiscard]] size_t longest() const { return longest_; }  // bytes
  [[nodiscard]] size_t words() const { return (static_cast<size_t>(vocab_size_) + 31) / 32; }
  // Tokens with the bytes of another one: that one, then they.
  [[nodiscard]] std::span<const std::pair<int32_t, int32_t>> doubles() const { return doubles_; }
  // Empty when left out. Lives as long as the tokenizer.
  [[nodiscard]] std::string_view bytes(int32_t token) const;

 private:
  void add(int32_t token, std::string_view bytes, std::vector<uint32_t>& path);

  const Tokenizer* tokenizer_;
  int32_t vocab_size_;
  size_t longest_ = 0;
  std::vector<Node> nodes_;
  std::vector<bool> is_text_;
  std::vector<std::pair<int32_t, int32_t>> doubles_;
};

// The part of a mask that hangs on one state alone: tokens that stay in its rule or end with it,
// and the nodes at which the rule may have ended and longer tokens go on.
struct RuleMask {
  std::vector<uint32_t> bits;  // either these
  std::vector<int32_t> few;    // or these
  std::vector<uint32_t> ends;  // nodes
  int height = 0;              // as GrammarMachine's
};
// After `work` (GrammarMachine::work) only tokens of one byte are tried.
RuleMask compute_rule_mask(GrammarMachine& machine, const TokenTrie& trie, GrammarStateId state,
                           uint64_t work);

// A model's vocabulary and the rule masks that all JSON grammars have in common. Immutable: any
// number of threads may use one.
class TokenVocabulary {
 public:
  // `tokenizer` must outlive it. Takes some 50 ms for 150,000 tokens.
  explicit TokenVocabulary(const Tokenizer& tokenizer, std::span<const int32_t> text_tokens = {});
  [[nodiscard]] const TokenTrie& trie() const { return trie_; }
  // Requires state < Grammar::shared_states() of a JSON grammar.
  [[nodiscard]] const RuleMask& shared(GrammarStateId state) const { return shared_[state]; }

 private:
  TokenTrie trie_;
  std::vector<RuleMask> shared_;  // by state
};

// One sequence's way through a grammar. For one thread at a time.
class TokenConstraint {
 public:
  static constexpr size_t kMaxRewind = 64;

  // `vocabulary` must outlive it. `end_tokens` are allowed where the text may end.
  TokenConstraint(Grammar grammar, const TokenVocabulary& vocabulary,
                  std::vector<int32_t> end_tokens);
  TokenConstraint(const TokenConstraint&) = delete;
  TokenConstraint& operator=(const TokenConstraint&) = delete;

  // A bit per token that may come next, lowest first, TokenTrie::words() of them; all zero after an
  // end token. Valid until the next call of anything here.
  std::span<const uint32_t> allowed();
  // Goes on by one token; false, and nothing changes, when it may not come next.
  bool accept(int32_t token);
  // Whether the text may end here, and whether an end token came.
  [[nodiscard]] bool may_end() const;
  [[nodiscard]] bool has_ended() const { return history_.back() == kEnded; }
  // Takes back the last tokens, at most kMaxRewind of those accepted.
  void rewind(size_t tokens);

 private:
  using Set = GrammarMachine::Set;
  static constexpr Set kEnded = UINT32_MAX;

  void fill(Set set);
  bool add_rules(Set set, uint64_t last_work);
  void walk(uint32_t node, uint32_t last, Set set, size_t depth, uint64_t last_work);
  [[nodiscard]] uint64_t work() const { return machine_.work() + rules_.work(); }
  void set_bit(int32_t token) { bits_[token / 32] |= 1u << (token % 32); }
  void merge(const RuleMask& mask);
  const RuleMask& rule_mask(GrammarStateId state, uint64_t work);
  [[nodiscard]] uint64_t mask_key(GrammarStateId state) const;
  void make_room();

  Grammar grammar_;
  const TokenVocabulary& vocabulary_;
  std::vector<int32_t> end_tokens_;
  GrammarMachine machine_;
  GrammarMachine rules_;  // for rule masks
  std::vector<Set> history_;
  std::vector<Set> path_;  // by depth in the trie
  std::vector<uint32_t> bits_;
  Set bits_of_ = GrammarMachine::kDead;
  std::deque<RuleMask> masks_;
  FlatMap<uint32_t> mask_ids_;  // by mask_key
};

}  // namespace weft
