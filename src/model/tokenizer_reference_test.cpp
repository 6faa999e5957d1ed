// The ids of Hugging Face's tokenizers on a random corpus, for a small tokenizer of each family:
// tests/reference/tokenizer_reference.py made both, and its generator is repeated here.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "model/tokenizer.h"
#include "model/utf8.h"

namespace weft {
namespace {

constexpr uint64_t kSeed = 20260101;

struct Range {
  char32_t first, last;
};
constexpr Range kRanges[] = {
    {0x61, 0x7A},     {0x61, 0x7A},     {0x41, 0x5A},       {0x30, 0x39},       {0x21, 0x2F},
    {0x3A, 0x40},     {0x5B, 0x60},     {0x7B, 0x7E},       {0x09, 0x0D},       {0x00, 0x1F},
    {0x7F, 0xA0},     {0xA1, 0xFF},     {0x100, 0x17F},     {0x300, 0x34F},     {0x3B1, 0x3C9},
    {0x410, 0x44F},   {0x5D0, 0x5EA},   {0x621, 0x64A},     {0x660, 0x669},     {0x915, 0x939},
    {0xE01, 0xE2E},   {0x1100, 0x1112}, {0x1161, 0x1175},   {0x1E00, 0x1EFF},   {0x2000, 0x200F},
    {0x2010, 0x2027}, {0x2028, 0x202F}, {0x2070, 0x2071},   {0x2160, 0x2188},   {0x2200, 0x22FF},
    {0x3000, 0x303F}, {0x3041, 0x3096}, {0x30A1, 0x30FA},   {0x4E00, 0x9FA5},   {0xAC00, 0xD7A3},
    {0xFF01, 0xFF5E}, {0xFB00, 0xFB06}, {0x1D400, 0x1D454}, {0x1F600, 0x1F64F}, {0x20000, 0x2A6D6},
};
constexpr std::string_view kPhrases[] = {
    " the",
    " of",
    "ing",
    "don't",
    "I'LL",
    "we've",
    "'s",
    " ",
    "  ",
    "    ",
    "\n",
    "\r\n",
    "\n\n",
    " \n",
    "\t",
    "3.14",
    "2026",
    "1234567",
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<tool>",
    "<wide>",
    "<word>",
    "a<word>",
    "e\u0301",
    "\u1100\u1161\u11a8",
    "\ufb01",
    "hello",
    "world",
    "Hello",
    "_",
    "==",
    "://",
    "...",
    "\u4f60\u597d",
    "\u3053\u3093\u306b\u3061\u306f",
    "\U0001f468\u200d\U0001f469",
};

class Generator {
 public:
  std::string text() {
    std::string result;
    for (uint64_t left = below(10); left > 0; --left) {
      if (below(2) == 0) {
        result += kPhrases[below(std::size(kPhrases))];
        continue;
      }
      const Range range = kRanges[below(std::size(kRanges))];
      for (uint64_t more = 1 + below(5); more > 0; --more) {
        append_utf8(result,
                    range.first + static_cast<char32_t>(below(range.last - range.first + 1)));
      }
    }
    return result;
  }

 private:
  uint64_t below(uint64_t bound) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state_ >> 33) % bound;
  }
  uint64_t state_ = kSeed;
};

uint32_t hash_ids(const std::vector<int32_t>& ids) {
  uint32_t hash = 0x811C9DC5;
  for (const int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) {
      hash = (hash ^ (static_cast<uint32_t>(id) >> shift & 0xFF)) * 0x01000193;
    }
  }
  return hash;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class TokenizerReference : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerReference, GivesTheIdsOfHuggingFace) {
  const std::string folder = "tests/reference/tokenizers/";
  const std::string path = folder + GetParam() + ".json";
  const auto tokenizer = Tokenizer::from_json(read_file(path), path);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  std::istringstream rows(read_file(folder + "expected.txt"));
  std::string family;
  std::string hashes;
  while (family != GetParam() && rows >> family >> hashes) {
  }
  ASSERT_EQ(family, GetParam());
  ASSERT_GE(hashes.size(), 8000u);
  Generator generator;
  for (size_t line = 0; line < hashes.size() / 8; ++line) {
    const std::string text = generator.text();
    const auto ids = tokenizer->encode(text, true);
    ASSERT_EQ(fmt::format("{:08x}", hash_ids(ids)), hashes.substr(line * 8, 8))
        << "line " << line << ": " << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, TokenizerReference,
                         testing::Values("gpt2", "llama3", "qwen2", "deepseek_v2", "deepseek_v3"),
                         [](const auto& family) { return std::string(family.param); });

}  // namespace
}  // namespace weft
