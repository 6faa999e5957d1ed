// The tokenizer's promises on small vocabularies written out here; ids of whole families are in
// tokenizer_reference_test.cpp.
#include "model/tokenizer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "base/random.h"
#include "model/byte_alphabet.h"

namespace weft {
namespace {

struct Parts {
  std::vector<std::string> merges = {"h e", "l l", "he ll", "hell o", "\u0120 w"};
  std::string added = R"({"id": 300, "content": "<s>", "special": true},
                         {"id": 301, "content": "<tool>", "normalized": true})";
  std::string pre_tokenizer = R"({"type": "ByteLevel", "add_prefix_space": false})";
  std::string extra;  // more members of the document
  std::string model_extra;
};

std::string in_quotes(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}

// The 256 bytes have their own value as id; merges follow.
std::string document(const Parts& parts) {
  std::string vocab;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    vocab += fmt::format("{}{}: {}", byte == 0 ? "" : ", ", in_quotes(to_alphabet(one)), byte);
  }
  std::string merges;
  int id = 256;
  for (const std::string& merge : parts.merges) {
    std::string whole = merge;
    whole.erase(whole.find(' '), 1);
    vocab += fmt::format(", {}: {}", in_quotes(whole), id++);
    merges += fmt::format("{}{}", merges.empty() ? "" : ", ", in_quotes(merge));
  }
  return fmt::format(R"({{"added_tokens": [{}], "pre_tokenizer": {}, "decoder": {{"type":
                         "ByteLevel"}}, {} "model": {{"type": "BPE", {} "vocab": {{{}}}, "merges":
                         [{}]}}}})",
                     parts.added, parts.pre_tokenizer, parts.extra, parts.model_extra, vocab,
                     merges);
}

Tokenizer make(const Parts& parts = {}) {
  auto tokenizer = Tokenizer::from_json(document(parts), "tokenizer.json");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  return std::move(*tokenizer);
}

std::string error_of(const std::string& json) {
  const auto tokenizer = Tokenizer::from_json(json, "tokenizer.json");
  EXPECT_FALSE(tokenizer.ok());
  return tokenizer.ok() ? "" : tokenizer.error().message;
}

using Ids = std::vector<int32_t>;

TEST(Tokenizer, JoinsTheBestRankedFirst) {
  const Tokenizer tokenizer = make();
  EXPECT_EQ(tokenizer.encode("hello", false), Ids{259});
  EXPECT_EQ(tokenizer.encode("hell", false), Ids{258});
  EXPECT_EQ(tokenizer.encode("ahello world", false), (Ids{'a', 259, 260, 'o', 'r', 'l', 'd'}));
  EXPECT_EQ(tokenizer.encode("lll", false), (Ids{257, 'l'}));
}

TEST(Tokenizer, AddedTokensAreFoundAnywhere) {
  const Tokenizer tokenizer = make();
  EXPECT_EQ(tokenizer.encode("hell<s>o<tool>", false), (Ids{258, 300, 'o', 301}));
  EXPECT_EQ(tokenizer.vocab_size(), 302);
  EXPECT_EQ(tokenizer.token_id("<s>"), 300);
  EXPECT_EQ(tokenizer.token_id("hello"), 259);
  EXPECT_EQ(tokenizer.token_id("nowhere"), std::nullopt);
  EXPECT_TRUE(tokenizer.is_special(300));
  EXPECT_FALSE(tokenizer.is_special(301));
  EXPECT_EQ(tokenizer.token_bytes(260), " w");
  EXPECT_EQ(tokenizer.token_bytes(302), "");
  EXPECT_EQ(tokenizer.token_bytes(-1), "");
}

TEST(Tokenizer, AddedTokensTakeSpaceAndMindWords) {
  Parts parts;
  parts.added = R"({"id": 300, "content": "<l>", "lstrip": true},
                   {"id": 301, "content": "<r>", "rstrip": true},
                   {"id": 302, "content": "<w>", "single_word": true},
                   {"id": 303, "content": "<l><"})";
  const Tokenizer tokenizer = make(parts);
  EXPECT_EQ(tokenizer.encode("a \t<l> b", false), (Ids{'a', 300, ' ', 'b'}));
  EXPECT_EQ(tokenizer.encode("a<r>\u3000\n b", false), (Ids{'a', 301, 'b'}));
  EXPECT_EQ(tokenizer.encode("<w>", false), Ids{302});
  EXPECT_EQ(tokenizer.encode("a<w>", false), (Ids{'a', '<', 'w', '>'}));
  EXPECT_EQ(tokenizer.encode("<w>.", false), (Ids{302, '.'}));
  EXPECT_EQ(tokenizer.encode("<l><", false), Ids{303}) << "the longest";
}

TEST(Tokenizer, DecodingGivesTheTextBack) {
  const Tokenizer tokenizer = make();
  for (const std::string text : {"hello <s> world", "\u00e9\u4f60\U0001f600 \r\n", ""}) {
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, false), false), text);
  }
  EXPECT_EQ(tokenizer.decode(Ids{'a', 300, 'b', 999, -5}, true), "ab");
  EXPECT_EQ(tokenizer.decode(Ids{0xE4, 0xBD, 'a', 0xFF}, true), "\uFFFDa\uFFFD");
}

TEST(Tokenizer, MalformedTextIsReadAsReplacements) {
  const Tokenizer tokenizer = make();
  EXPECT_EQ(tokenizer.encode("a\xE4\xBDz\xFF", false), tokenizer.encode("a\uFFFDz\uFFFD", false));
}

RC_GTEST_PROP(Tokenizer, AnyTextSurvives, (std::string bytes)) {
  static const Tokenizer kTokenizer = make();
  const std::string text = replace_invalid_utf8(bytes);
  RC_ASSERT(kTokenizer.decode(kTokenizer.encode(bytes, false), false) == text);
}

RC_GTEST_PROP(Tokenizer, PiecewiseDecodingGivesTheSameText, (std::vector<uint16_t> raw)) {
  static const Tokenizer kTokenizer = make();
  Ids ids;
  for (const uint16_t value : raw) ids.push_back(value % 310);
  Detokenizer detokenizer(kTokenizer);
  std::string text;
  for (const int32_t id : ids) {
    const std::string more = detokenizer.add(id);
    RC_ASSERT(valid_utf8_bytes(more) == more.size());
    text += more;
  }
  RC_ASSERT(text + detokenizer.finish() == kTokenizer.decode(ids, true));
}

// Merging as the definition has it: the best ranked pair of all, leftmost of equals, again and
// again.
Ids merge_slowly(std::string_view word, const std::map<std::pair<int, int>, int>& merges) {
  Ids ids;
  for (const char c : word) ids.push_back(static_cast<uint8_t>(c));
  for (;;) {
    size_t best = ids.size();
    int joined = 1 << 30;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto found = merges.find({ids[i], ids[i + 1]});
      if (found == merges.end() || found->second >= joined) continue;
      joined = found->second;
      best = i;
    }
    if (best == ids.size()) return ids;
    ids[best] = joined;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST(Tokenizer, LongAndShortWordsMergeAsTheDefinitionSays) {
  Parts parts;
  parts.merges.clear();
  std::vector<std::string> tokens = {"a", "b", "c"};
  std::map<std::pair<int, int>, int> merges;
  const auto id_of = [](const std::string& token, size_t index) {
    return token.size() == 1 ? static_cast<int>(token[0]) : 253 + static_cast<int>(index);
  };
  Random random(5);
  while (tokens.size() < 40) {
    const size_t left = random.below(tokens.size());
    const size_t right = random.below(tokens.size());
    const std::string whole = tokens[left] + tokens[right];
    if (std::find(tokens.begin(), tokens.end(), whole) != tokens.end()) continue;
    merges[{id_of(tokens[left], left), id_of(tokens[right], right)}] = id_of(whole, tokens.size());
    parts.merges.push_back(tokens[left] + " " + tokens[right]);
    tokens.push_back(whole);
  }
  parts.added = "";
  const Tokenizer tokenizer = make(parts);
  for (int i = 0; i < 400; ++i) {
    std::string word;
    for (uint64_t left = random.below(120); left > 0; --left) {
      word += static_cast<char>('a' + random.below(3));
    }
    ASSERT_EQ(tokenizer.encode(word, false), merge_slowly(word, merges)) << word;
  }
}

TEST(Tokenizer, EndsComeFromTheTemplate) {
  Parts parts;
  parts.extra = R"("post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel"},
      {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
      {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<e>", "type_id": 0}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [300], "tokens": ["<s>"]},
                         "<e>": {"id": "<e>", "ids": [301, 301], "tokens": ["a", "a"]}}}]},)";
  Tokenizer tokenizer = make(parts);
  EXPECT_EQ(tokenizer.encode("a", true), (Ids{300, 'a', 301, 301}));
  EXPECT_EQ(tokenizer.encode("a", false), Ids{'a'});
  tokenizer.set_ends({}, {300});
  EXPECT_EQ(tokenizer.encode("a", true), (Ids{'a', 300}));
}

TEST(Tokenizer, WordsThatAreTokensMayIgnoreMerges) {
  Parts parts;
  parts.merges = {"a b", "c d", "b c", "ab c", "abc d"};
  EXPECT_EQ(make(parts).encode("abcd", false), (Ids{256, 257}));
  parts.model_extra = R"("ignore_merges": true,)";
  EXPECT_EQ(make(parts).encode("abcd", false), Ids{260});
}

TEST(Tokenizer, PrefixSpaceComesBeforeEveryPiece) {
  Parts parts;
  parts.pre_tokenizer = R"({"type": "ByteLevel", "add_prefix_space": true})";
  EXPECT_EQ(make(parts).encode("w<s>w w", false), (Ids{260, 300, 260, 260}));
}

std::string split_words(const std::string& step, std::string_view text) {
  Parts parts;
  parts.merges.clear();
  parts.pre_tokenizer = fmt::format(
      R"({{"type": "Sequence", "pretokenizers": [{}, {{"type": "ByteLevel", "add_prefix_space":
          true, "use_regex": false}}]}})",
      step);
  const Tokenizer tokenizer = make(parts);
  return tokenizer.decode(tokenizer.encode(text, false), false);
}

TEST(Tokenizer, SplitsKeepDropOrJoinTheirMatches) {
  const auto dash = [](std::string_view behavior, bool invert = false) {
    return fmt::format(R"({{"type": "Split", "pattern": {{"String": "-"}}, "behavior": "{}",
                           "invert": {}}})",
                       behavior, invert);
  };
  // The space before each word shows where words begin.
  EXPECT_EQ(split_words(dash("Isolated"), "a--b-"), " a - - b -");
  EXPECT_EQ(split_words(dash("Removed"), "a--b-"), " a b");
  EXPECT_EQ(split_words(dash("Removed", true), "a--b-"), " - - -");
  EXPECT_EQ(split_words(dash("MergedWithPrevious"), "a--b-"), " a- - b-");
  EXPECT_EQ(split_words(dash("MergedWithNext"), "-a--b"), " -a - -b");
  EXPECT_EQ(split_words(dash("Contiguous"), "a--b-"), " a -- b -");
  EXPECT_EQ(split_words(R"({"type": "Digits", "individual_digits": true})", "a12"), " a 1 2");
  EXPECT_EQ(split_words(R"({"type": "Digits"})", "a12\u2167b"), " a 12\u2167 b");
  EXPECT_EQ(split_words(R"({"type": "Punctuation"})", "a+(b"), " a + ( b");
}

TEST(Tokenizer, UnsupportedPartsAreNamed) {
  const auto with = [](auto change) {
    Parts parts;
    change(parts);
    return error_of(document(parts));
  };
  EXPECT_EQ(with([](Parts& p) { p.model_extra = R"("byte_fallback": true,)"; }),
            "tokenizer.json: model.byte_fallback: found true, expected false: byte-level BPE needs "
            "none");
  EXPECT_EQ(with([](Parts& p) { p.extra = R"("normalizer": {"type": "Lowercase"},)"; }),
            "tokenizer.json: normalizer: found Lowercase, expected NFC, NFD, NFKC or NFKD");
  EXPECT_EQ(
      with([](Parts& p) { p.pre_tokenizer = R"({"type": "Metaspace"})"; }),
      "tokenizer.json: pre_tokenizer: found Metaspace, expected Split, Digits, Punctuation or "
      "ByteLevel");
  EXPECT_EQ(with([](Parts& p) { p.extra = R"("post_processor": {"type": "BertProcessing"},)"; }),
            "tokenizer.json: post_processor: found BertProcessing, expected ByteLevel or "
            "TemplateProcessing");
  EXPECT_NE(with([](Parts& p) {
              p.pre_tokenizer = R"({"type": "Sequence", "pretokenizers": [{"type": "Split",
                  "pattern": {"Regex": "[a&&b]"}}, {"type": "ByteLevel"}]})";
            }).find("pre_tokenizer: regex \"[a&&b]\": the set operation && is not supported"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"model": {"type": "WordPiece"}})")
                .find("model.type: found \"WordPiece\", expected \"BPE\""),
            std::string::npos);
  EXPECT_NE(error_of("[]").find("tokenizer.json: found a list, expected"), std::string::npos);
  EXPECT_NE(error_of("{").find("not JSON"), std::string::npos);
}

TEST(Tokenizer, ContradictionsAreNamed) {
  const auto with_merge = [](const std::string& merge) {
    std::string json = document({});
    return error_of(json.replace(json.find("\"h e\""), 5, merge));
  };
  EXPECT_NE(with_merge("\"h zz\"").find("model.merges[0]: \"zz\" is not in model.vocab"),
            std::string::npos);
  EXPECT_NE(with_merge("\"he\"").find("model.merges[0]: found \"he\", expected"),
            std::string::npos);
  EXPECT_NE(with_merge("[\"h\", 1]").find("model.merges[0]: found a list, expected"),
            std::string::npos);
  Parts parts;
  parts.added = R"({"id": 5, "content": "<s>"})";
  EXPECT_NE(error_of(document(parts)).find("\"<s>\" has the id 5 of "), std::string::npos);
  parts.added = R"({"id": -1, "content": "<s>"})";
  EXPECT_NE(error_of(document(parts)).find("added_tokens[0]: found no id"), std::string::npos);
  parts.added = R"({"id": 300, "content": "hello"})";
  EXPECT_NE(error_of(document(parts)).find("\"hello\": found the id 300, expected 259"),
            std::string::npos);
}

TEST(Tokenizer, PairsMaySpellMergesToo) {
  std::string json = document({});
  json.replace(json.find("\"h e\""), 5, "[\"h\", \"e\"]");
  const auto tokenizer = Tokenizer::from_json(json, "tokenizer.json");
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_EQ(tokenizer->encode("hello", false), Ids{259});
}

TEST(Tokenizer, LongRunsTakeNoLongTime) {
  const Tokenizer tokenizer = make();
  EXPECT_EQ(tokenizer.encode(std::string(300000, 'l'), false).size(), 150000u);
  EXPECT_EQ(tokenizer.encode(std::string(300000, ' ') + "x", false).size(), 300001u);
}

}  // namespace
}  // namespace weft
