// Masks of a vocabulary: bit for bit what trying every token gives, on the way of random tokens.
#include "model/token_mask.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "model/json_schema_testing.h"
#include "model/tokenizer_maker.h"

namespace weft {
namespace {

// A made tokenizer with tokens that cross JSON's borders; the last of them has the bytes of "the".
Tokenizer make_tokenizer() {
  Json json = Json::parse(make_tokenizer_json(600, 1));
  int id = 600;
  for (const char* text : {"{\"",
                           "\":",
                           "\": ",
                           "\", \"",
                           "\"}",
                           "}}",
                           "}}}",
                           "[[[[",
                           "]]]",
                           "],[",
                           " \"",
                           "\n  ",
                           "\n    \"",
                           "null",
                           "true,",
                           "\\u",
                           "\\\"",
                           "d83d",
                           "12",
                           "0.5",
                           "-1",
                           "}, {",
                           "a\"",
                           "ab",
                           "\"a\"",
                           "\"ab\": ",
                           "    ",
                           "été",
                           "\xF0\x9F\x98\x80",
                           "{}",
                           "[]",
                           ", ",
                           "<call>",
                           "1]}",
                           "abcabcabc"}) {
    json["added_tokens"].push_back({{"id", id++},
                                    {"content", text},
                                    {"special", false},
                                    {"normalized", false},
                                    {"lstrip", false},
                                    {"rstrip", false},
                                    {"single_word", false}});
  }
  auto tokenizer = Tokenizer::from_json(json.dump(), "made");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  return *std::move(tokenizer);
}

const Tokenizer& made_tokenizer() {
  static const Tokenizer kTokenizer = make_tokenizer();
  return kTokenizer;
}

const TokenVocabulary& made_vocabulary() {
  static const TokenVocabulary kVocabulary(made_tokenizer());
  return kVocabulary;
}

int32_t end_token() { return *made_tokenizer().token_id("<|eos|>"); }

bool has_bit(std::span<const uint32_t> bits, int32_t token) {
  return (bits[static_cast<size_t>(token) / 32] >> (token % 32) & 1) != 0;
}

std::vector<int32_t> listed(std::span<const uint32_t> bits) {
  std::vector<int32_t> tokens;
  for (int32_t id = 0; id < made_tokenizer().vocab_size(); ++id) {
    if (has_bit(bits, id)) tokens.push_back(id);
  }
  return tokens;
}

// What `allowed` has to be after `text`.
std::vector<int32_t> tried(const Grammar& grammar, std::string_view text) {
  GrammarMachine machine(grammar);
  auto here = machine.start();
  for (const char letter : text) here = machine.step(here, static_cast<uint8_t>(letter));
  std::vector<int32_t> tokens;
  for (int32_t id = 0; id < made_tokenizer().vocab_size(); ++id) {
    const auto bytes = made_vocabulary().trie().bytes(id);
    auto set = here;
    for (const char letter : bytes) set = machine.step(set, static_cast<uint8_t>(letter));
    const bool ends = id == end_token() && machine.ends(here);
    if (ends || (!bytes.empty() && set != GrammarMachine::kDead)) tokens.push_back(id);
  }
  return tokens;
}

// One of the tokens; in a hurry, one that ends things, mostly.
int32_t choose(const std::vector<int32_t>& tokens, Random& random, bool hurries) {
  if (hurries && random.below(8) != 0) {
    for (const char quick : std::string_view("\"xz]}0ntf,: ")) {
      for (const int32_t id : tokens) {
        if (id == end_token()) return id;
        if (made_vocabulary().trie().bytes(id) == std::string_view(&quick, 1)) return id;
      }
    }
  }
  return tokens[random.below(tokens.size())];
}

// Writes a text token by token, every mask compared with what trying gives; empty without an end.
std::string written(const Grammar& grammar, Random& random, size_t hurry) {
  TokenConstraint constraint(grammar, made_vocabulary(), {end_token()});
  std::string text;
  for (int i = 0; i < 3000; ++i) {
    const auto tokens = listed(constraint.allowed());
    if (i < 40 || i % 16 == 0) RC_ASSERT(tokens == tried(grammar, text));
    if (tokens.empty()) return "";
    const int32_t token = choose(tokens, random, text.size() >= hurry);
    RC_ASSERT(constraint.accept(token));
    if (constraint.has_ended()) return text;
    text += made_vocabulary().trie().bytes(token);
  }
  return "";
}

RC_GTEST_PROP(TokenConstraint, WritesObjectsThatParse, (uint64_t seed)) {
  static const Grammar kGrammar = json_object_grammar();
  Random random(seed);
  const std::string text = written(kGrammar, random, random.below(200));
  RC_ASSERT(!text.empty());
  RC_ASSERT(Json::parse(text).is_object());
}

RC_GTEST_PROP(TokenConstraint, WritesWhatSatisfiesTheSchema, (uint64_t seed)) {
  Random random(seed);
  const Json schema = random_schema(random, 2, 0);
  RC_LOG() << schema.dump();
  const auto grammar = grammar_of(schema.dump());
  RC_ASSERT(grammar.ok());
  const std::string text = written(*grammar, random, random.below(60));
  RC_LOG() << text;
  RC_ASSERT(!text.empty());
  RC_ASSERT(satisfies(Json::parse(text), schema, schema));
}

TEST(TokenConstraint, EndsOnlyWhereTheTextMay) {
  TokenConstraint constraint(json_object_grammar(), made_vocabulary(), {end_token()});
  const auto id = [](std::string_view text) { return *made_tokenizer().token_id(text); };
  EXPECT_FALSE(constraint.accept(end_token()));
  EXPECT_FALSE(constraint.accept(id("]]]")));
  EXPECT_FALSE(constraint.accept(-1));
  EXPECT_FALSE(constraint.accept(1 << 20));
  EXPECT_FALSE(constraint.accept(id("<|im_start|>")));  // special tokens are no text
  EXPECT_TRUE(constraint.accept(id("{\"")));
  EXPECT_FALSE(constraint.may_end());
  EXPECT_TRUE(constraint.accept(id("\": ")));
  EXPECT_TRUE(constraint.accept(id("1]}")) == false);
  EXPECT_TRUE(constraint.accept(id("{}")));
  EXPECT_TRUE(constraint.accept(id("}}")) == false);
  EXPECT_TRUE(constraint.accept(id("}")));
  EXPECT_TRUE(constraint.may_end());
  EXPECT_EQ(listed(constraint.allowed()), std::vector<int32_t>{end_token()});
  EXPECT_TRUE(constraint.accept(end_token()));
  EXPECT_TRUE(constraint.has_ended());
  EXPECT_TRUE(listed(constraint.allowed()).empty());
  EXPECT_FALSE(constraint.accept(end_token()));
}

TEST(TokenConstraint, RewindsDraftsThatWereRefused) {
  TokenConstraint constraint(json_object_grammar(), made_vocabulary(), {end_token()});
  const auto id = [](std::string_view text) { return *made_tokenizer().token_id(text); };
  ASSERT_TRUE(constraint.accept(id("{\"")));
  const auto before = listed(constraint.allowed());
  ASSERT_TRUE(constraint.accept(id("\":")));
  ASSERT_TRUE(constraint.accept(id("{}")));
  ASSERT_TRUE(constraint.accept(id("}")));
  ASSERT_TRUE(constraint.accept(end_token()));
  constraint.rewind(4);
  EXPECT_FALSE(constraint.has_ended());
  EXPECT_EQ(listed(constraint.allowed()), before);
}

TEST(TokenConstraint, StaysWithinTheDepthHoweverManyBracketsATokenHas) {
  const Grammar grammar = json_object_grammar();
  TokenConstraint constraint(grammar, made_vocabulary(), {end_token()});
  const auto id = [](std::string_view text) { return *made_tokenizer().token_id(text); };
  std::string text = "{\"\":";
  ASSERT_TRUE(constraint.accept(id("{\"")) && constraint.accept(id("\":")));
  while (has_bit(constraint.allowed(), id("["))) {
    ASSERT_EQ(listed(constraint.allowed()), tried(grammar, text)) << text;
    ASSERT_TRUE(constraint.accept(id("[")));
    text += '[';
    ASSERT_LT(text.size(), 1000u);
  }
  EXPECT_GT(text.size(), 50u);
  while (!constraint.may_end()) {
    const std::string_view close = constraint.accept(id("]")) ? "]" : "}";
    ASSERT_TRUE(close == "]" || constraint.accept(id("}")));
    text += close;
  }
  EXPECT_TRUE(Json::accept(text)) << text;
}

TEST(TokenConstraint, ForgetsAndGoesOnInALongText) {
  const auto grammar = grammar_of(R"({"type":"array","items":{"type":"string","maxLength":9000}})");
  TokenConstraint constraint(*grammar, made_vocabulary(), {end_token()});
  const auto id = [](std::string_view text) { return *made_tokenizer().token_id(text); };
  ASSERT_TRUE(constraint.accept(id("[")) && constraint.accept(id("\"")));
  for (int i = 0; i < 9000; ++i) {
    ASSERT_TRUE(i % 100 != 0 || has_bit(constraint.allowed(), id("a")));
    ASSERT_TRUE(constraint.accept(id("a"))) << i;
  }
  EXPECT_FALSE(has_bit(constraint.allowed(), id("a")));
  EXPECT_FALSE(constraint.accept(id("a")));
  EXPECT_TRUE(constraint.accept(id("\"")));
  EXPECT_TRUE(constraint.accept(id("]")));
  EXPECT_TRUE(constraint.may_end());
}

TEST(TokenTrie, HoldsEveryTokenOnceInOrder) {
  const TokenTrie& trie = made_vocabulary().trie();
  std::string path;
  size_t tokens = 0;
  for (size_t i = 0; i < trie.nodes().size(); ++i) {
    const auto& node = trie.nodes()[i];
    ASSERT_LE(node.depth, path.size() + 1);
    path.resize(node.depth - 1u);
    path += static_cast<char>(node.byte);
    ASSERT_GT(node.skip, i);
    if (node.token < 0) continue;
    ++tokens;
    EXPECT_EQ(trie.bytes(node.token), path);
  }
  size_t expected = 0;
  for (int32_t id = 0; id < trie.vocab_size(); ++id) expected += !trie.bytes(id).empty();
  EXPECT_EQ(tokens + trie.doubles().size(), expected);
}

}  // namespace
}  // namespace weft
