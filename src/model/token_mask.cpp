// The trie, rule masks by one walk over it, and their sum for a set of configurations.
#include "model/token_mask.h"

#include <algorithm>

#include "base/check.h"
#include "model/json_schema.h"

namespace weft {
namespace {

constexpr size_t kFew = 1024;           // more tokens than this are kept as bits
constexpr uint64_t kMaxWork = 400'000;  // of one mask: a hostile grammar's tokens are cut there
constexpr size_t kMany = 32;            // configurations that rules' masks do not pay for
constexpr size_t kMaxMachineBytes = 4 << 20;
constexpr size_t kMaxMaskBytes = 16 << 20;
constexpr uint64_t kChainKey = uint64_t{1} << 62;

}  // namespace

TokenTrie::TokenTrie(const Tokenizer& tokenizer, std::span<const int32_t> text_tokens)
    : tokenizer_(&tokenizer),
      vocab_size_(tokenizer.vocab_size()),
      is_text_(static_cast<size_t>(vocab_size_)) {
  std::vector<std::pair<std::string_view, int32_t>> sorted;
  for (int32_t id = 0; id < vocab_size_; ++id) {
    const auto bytes = tokenizer.token_bytes(id);
    const bool is_text = !tokenizer.is_special(id) ||
                         std::find(text_tokens.begin(), text_tokens.end(), id) != text_tokens.end();
    if (!is_text || bytes.empty() || bytes.size() > UINT16_MAX) continue;
    is_text_[id] = true;
    longest_ = std::max(longest_, bytes.size());
    sorted.emplace_back(bytes, id);
  }
  std::sort(sorted.begin(), sorted.end());
  std::vector<uint32_t> path;  // the nodes of the last token's bytes
  for (const auto& [bytes, id] : sorted) add(id, bytes, path);
  for (const uint32_t open : path) nodes_[open].skip = static_cast<uint32_t>(nodes_.size());
}

void TokenTrie::add(int32_t token, std::string_view bytes, std::vector<uint32_t>& path) {
  size_t common = 0;
  while (common < path.size() && common < bytes.size() &&
         nodes_[path[common]].byte == static_cast<uint8_t>(bytes[common])) {
    ++common;
  }
  for (size_t i = common; i < path.size(); ++i) {
    nodes_[path[i]].skip = static_cast<uint32_t>(nodes_.size());
  }
  path.resize(common);
  if (common == bytes.size()) {  // sorted: the same bytes as the token before
    doubles_.emplace_back(nodes_[path.back()].token, token);
    return;
  }
  for (size_t i = common; i < bytes.size(); ++i) {
    path.push_back(static_cast<uint32_t>(nodes_.size()));
    nodes_.push_back({0, -1, static_cast<uint16_t>(i + 1), static_cast<uint8_t>(bytes[i])});
  }
  nodes_.back().token = token;
}

std::string_view TokenTrie::bytes(int32_t token) const {
  if (token < 0 || token >= vocab_size_ || !is_text_[token]) return {};
  return tokenizer_->token_bytes(token);
}

RuleMask compute_rule_mask(GrammarMachine& machine, const TokenTrie& trie, GrammarStateId state,
                           uint64_t work) {
  RuleMask mask;
  const auto nodes = trie.nodes();
  std::vector<GrammarMachine::Set> path(trie.longest() + 1);
  path[0] = machine.alone(state);
  const uint64_t last_work = machine.work() + work;
  for (uint32_t i = 0; i < nodes.size();) {
    const TokenTrie::Node& node = nodes[i];
    const bool is_over = node.depth > 1 && machine.work() > last_work;
    const auto set =
        is_over ? GrammarMachine::kDead : machine.step(path[node.depth - 1], node.byte);
    if (set == GrammarMachine::kDead) {
      i = node.skip;
      continue;
    }
    mask.height = std::max(mask.height, machine.height(set));
    if (node.token >= 0) mask.few.push_back(node.token);
    if (machine.ends(set) && node.skip > i + 1) mask.ends.push_back(i);
    path[node.depth] = set;
    i = machine.configurations(set).empty() ? node.skip : i + 1;
  }
  if (mask.few.size() > kFew) {
    mask.bits.resize(trie.words());
    for (const int32_t token : mask.few) mask.bits[token / 32] |= 1u << (token % 32);
    mask.few = {};
  }
  mask.few.shrink_to_fit();
  mask.ends.shrink_to_fit();
  return mask;
}

TokenVocabulary::TokenVocabulary(const Tokenizer& tokenizer, std::span<const int32_t> text_tokens)
    : trie_(tokenizer, text_tokens) {
  const Grammar grammar = json_object_grammar();
  GrammarMachine machine(grammar);
  for (GrammarStateId state = 0; state < grammar.shared_states(); ++state) {
    const bool reads = !grammar.bytes(grammar.state(state)).empty();
    shared_.push_back(reads ? compute_rule_mask(machine, trie_, state, kMaxWork) : RuleMask{});
  }
}

TokenConstraint::TokenConstraint(Grammar grammar, const TokenVocabulary& vocabulary,
                                 std::vector<int32_t> end_tokens)
    : grammar_(std::move(grammar)),
      vocabulary_(vocabulary),
      end_tokens_(std::move(end_tokens)),
      machine_(grammar_),
      rules_(grammar_),
      path_(vocabulary.trie().longest() + 1),
      bits_(vocabulary.trie().words()) {
  history_.push_back(machine_.start());
}

bool TokenConstraint::may_end() const { return !has_ended() && machine_.ends(history_.back()); }

std::span<const uint32_t> TokenConstraint::allowed() {
  if (bits_of_ == history_.back()) return bits_;
  make_room();
  std::fill(bits_.begin(), bits_.end(), 0u);
  if (!has_ended()) fill(history_.back());
  bits_of_ = history_.back();
  return bits_;
}

bool TokenConstraint::accept(int32_t token) {
  if (has_ended()) return false;
  if (may_end() && std::find(end_tokens_.begin(), end_tokens_.end(), token) != end_tokens_.end()) {
    history_.push_back(kEnded);
    return true;
  }
  const std::string_view bytes = vocabulary_.trie().bytes(token);
  Set set = bytes.empty() ? GrammarMachine::kDead : history_.back();
  for (const char letter : bytes) set = machine_.step(set, static_cast<uint8_t>(letter));
  if (set == GrammarMachine::kDead) return false;
  history_.push_back(set);
  return true;
}

void TokenConstraint::rewind(size_t tokens) {
  CHECK(tokens < history_.size() && tokens <= kMaxRewind);
  history_.resize(history_.size() - tokens);
}

void TokenConstraint::fill(Set set) {
  const uint64_t last_work = work() + kMaxWork;
  const bool is_simple = machine_.configurations(set).size() <= kMany;
  if (!is_simple || !add_rules(set, last_work)) {
    std::fill(bits_.begin(), bits_.end(), 0u);
    walk(0, static_cast<uint32_t>(vocabulary_.trie().nodes().size()), set, 0, last_work);
  }
  for (const auto& [first, other] : vocabulary_.trie().doubles()) {
    if ((bits_[first / 32] >> (first % 32) & 1) != 0) set_bit(other);
  }
  if (!machine_.ends(set)) return;
  for (const int32_t token : end_tokens_) {
    if (token >= 0 && token < vocabulary_.trie().vocab_size()) set_bit(token);
  }
}

// The masks of the innermost rules, and the tokens that leave them. False where so many calls are
// under way that rules' masks would promise too much.
bool TokenConstraint::add_rules(Set set, uint64_t last_work) {
  const size_t configurations = machine_.configurations(set).size();
  for (size_t i = 0; i < configurations; ++i) {
    const auto [state, calls] = machine_.configurations(set)[i];
    const RuleMask& mask = rule_mask(state, last_work - std::min(last_work, work()));
    if (machine_.depth(calls) + mask.height > kMaxGrammarDepth) return false;
    merge(mask);
    if (calls == GrammarMachine::kBottom || mask.ends.empty()) continue;
    const Set outside = machine_.returned(calls);
    for (const uint32_t node : mask.ends) {
      const TokenTrie::Node& from = vocabulary_.trie().nodes()[node];
      walk(node + 1, from.skip, outside, from.depth, last_work);
    }
  }
  return true;
}

// Allows the tokens of the nodes [node, last), which lie below one that is `depth` bytes deep and
// where `set` stands.
void TokenConstraint::walk(uint32_t node, uint32_t last, Set set, size_t depth,
                           uint64_t last_work) {
  const auto nodes = vocabulary_.trie().nodes();
  path_[depth] = set;
  while (node < last) {
    const TokenTrie::Node& here = nodes[node];
    const bool is_over = here.depth > 1 && work() > last_work;
    const Set next =
        is_over ? GrammarMachine::kDead : machine_.step(path_[here.depth - 1], here.byte);
    if (next == GrammarMachine::kDead) {
      node = here.skip;
      continue;
    }
    if (here.token >= 0) set_bit(here.token);
    path_[here.depth] = next;
    ++node;
  }
}

void TokenConstraint::merge(const RuleMask& mask) {
  for (size_t i = 0; i < mask.bits.size(); ++i) bits_[i] |= mask.bits[i];
  for (const int32_t token : mask.few) set_bit(token);
}

// States of a chain share a mask when their distance to its bounds is the same, or beyond what a
// token reaches.
uint64_t TokenConstraint::mask_key(GrammarStateId state) const {
  const auto chains = grammar_.chains();
  const auto after =
      std::upper_bound(chains.begin(), chains.end(), state,
                       [](GrammarStateId id, const GrammarChain& c) { return id < c.first; });
  if (after == chains.begin()) return state;
  const GrammarChain& chain = *(after - 1);
  const int64_t copy = (state - chain.first) / chain.stride;
  if (copy >= chain.copies) return state;
  const auto reach =
      std::min<int64_t>(static_cast<int64_t>(vocabulary_.trie().longest()) + 2, 0xFFFF);
  const auto least = static_cast<uint64_t>(std::clamp<int64_t>(chain.least - copy, 0, reach));
  const auto most = static_cast<uint64_t>(
      chain.most < 0 ? reach : std::clamp<int64_t>(chain.most - copy, 0, reach));
  const auto part = static_cast<uint64_t>(state - chain.first - copy * chain.stride);
  const auto which = static_cast<uint64_t>(after - chains.begin());
  return kChainKey | which << 40 | part << 32 | least << 16 | most;
}

const RuleMask& TokenConstraint::rule_mask(GrammarStateId state, uint64_t work) {
  if (state < grammar_.shared_states()) return vocabulary_.shared(state);
  const auto [id, is_new] = mask_ids_.insert(mask_key(state), static_cast<uint32_t>(masks_.size()));
  if (is_new) masks_.push_back(compute_rule_mask(rules_, vocabulary_.trie(), state, work));
  return masks_[*id];
}

// Between masks: nothing grows without a bound, however long the text.
void TokenConstraint::make_room() {
  if (rules_.bytes() > kMaxMachineBytes) rules_.forget_others(std::span<Set>());
  size_t bytes = 0;
  for (const RuleMask& mask : masks_) {
    bytes += 4 * (mask.bits.size() + mask.few.size() + mask.ends.size());
  }
  if (bytes > kMaxMaskBytes) {
    masks_.clear();
    mask_ids_ = {};
  }
  if (history_.size() > 4 * kMaxRewind) {
    history_.erase(history_.begin(), history_.end() - static_cast<int64_t>(kMaxRewind) - 1);
  }
  if (machine_.bytes() <= kMaxMachineBytes) return;
  const bool ended = has_ended();
  if (ended) history_.pop_back();
  if (history_.size() > kMaxRewind + 1) {
    history_.erase(history_.begin(), history_.end() - static_cast<int64_t>(kMaxRewind) - 1);
  }
  machine_.forget_others(history_);
  if (ended) history_.push_back(kEnded);
  bits_of_ = GrammarMachine::kDead;
}

}  // namespace weft
