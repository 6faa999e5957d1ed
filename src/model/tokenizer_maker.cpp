// Merges: those that build common words from left to right, then joins of tokens drawn at random,
// so that every merge is one that BPE could have learned.
#include "model/tokenizer_maker.h"

#include <fmt/format.h>

#include <array>
#include <set>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "model/byte_alphabet.h"

namespace weft {
namespace {

constexpr std::string_view kWords =
    "the of and to in is you that it he was for on are as with his they at be this have from or "
    "one had by word but not what all were we when your can said there use an each which she do "
    "how their if will up other about out many then them these so some her would make like him "
    "into time has look two more write go see number no way could people my than first water been "
    "call who oil its now find long down day did get come made may part over new sound take only "
    "little work know place year live me back give most very after thing our just name good "
    "sentence man think say great where help through much before line right too mean old any same "
    "tell boy follow came want show also around form three small set put end does another well "
    "large must big even such because turn here why ask went men read need land different home us "
    "move try kind hand picture again change off play spell air away animal house point page "
    "letter mother answer found study still learn should world";
constexpr size_t kLongestToken = 16;
constexpr std::array<std::string_view, 4> kSpecial = {"<|bos|>", "<|eos|>", "<|im_start|>",
                                                      "<|im_end|>"};
// Qwen2's.
constexpr std::string_view kPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+)"
    R"([\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)";

class Maker {
 public:
  Maker(size_t size, uint64_t seed) : size_(size), random_(seed) {
    for (int byte = 0; byte < 256; ++byte) tokens_.emplace_back(1, static_cast<char>(byte));
    known_.insert(tokens_.begin(), tokens_.end());
    for (char letter = 'a'; letter <= 'z'; ++letter) joinable_.push_back(std::string(1, letter));
  }

  void run() {
    std::string_view rest = kWords;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(' '), rest.size());
      add_word(fmt::format(" {}", rest.substr(0, end)));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    while (tokens_.size() < size_) {
      const std::string& left = joinable_[random_.below(joinable_.size())];
      const std::string& right = joinable_[random_.below(joinable_.size())];
      if (right[0] != ' ') add(std::string(left), std::string(right));
    }
  }

  [[nodiscard]] const std::vector<std::string>& tokens() const { return tokens_; }
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& merges() const {
    return merges_;
  }

 private:
  void add_word(const std::string& word) {
    for (size_t length = 1; length < word.size(); ++length) {
      add(word.substr(0, length), word.substr(length, 1));
    }
  }

  void add(const std::string& left, const std::string& right) {
    std::string whole = left + right;
    if (tokens_.size() == size_ || whole.size() > kLongestToken) return;
    if (!known_.insert(whole).second) return;
    merges_.emplace_back(left, right);
    tokens_.push_back(whole);
    joinable_.push_back(std::move(whole));
  }

  size_t size_;
  Random random_;
  std::vector<std::string> tokens_;
  std::vector<std::string> joinable_;  // of letters, perhaps with a space before them
  std::set<std::string> known_;
  std::vector<std::pair<std::string, std::string>> merges_;
};

std::string quote(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}

std::string spell(std::string_view bytes) { return quote(to_alphabet(bytes)); }

}  // namespace

std::string make_tokenizer_json(int32_t vocab_size, uint64_t seed) {
  CHECK(vocab_size >= kSmallestMadeVocab, "a made tokenizer has all bytes and special tokens");
  Maker maker(static_cast<size_t>(vocab_size) - kSpecial.size(), seed);
  maker.run();
  std::string added;
  for (size_t i = 0; i < kSpecial.size(); ++i) {
    added += fmt::format(R"({}{{"id":{},"content":"{}","single_word":false,"lstrip":false,)"
                         R"("rstrip":false,"normalized":false,"special":true}})",
                         i == 0 ? "" : ",", maker.tokens().size() + i, kSpecial[i]);
  }
  std::string vocab;
  for (size_t id = 0; id < maker.tokens().size(); ++id) {
    vocab += fmt::format("{}{}:{}", id == 0 ? "" : ",", spell(maker.tokens()[id]), id);
  }
  std::string merges;
  for (const auto& [left, right] : maker.merges()) {
    merges += fmt::format("{}[{},{}]", merges.empty() ? "" : ",", spell(left), spell(right));
  }
  return fmt::format(
      R"({{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{}],)"
      R"("normalizer":{{"type":"NFC"}},"pre_tokenizer":{{"type":"Sequence","pretokenizers":[)"
      R"({{"type":"Split","pattern":{{"Regex":"{}"}},"behavior":"Isolated","invert":false}},)"
      R"({{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,)"
      R"("use_regex":false}}]}},)"
      R"("post_processor":{{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,)"
      R"("use_regex":false}},"decoder":{{"type":"ByteLevel","add_prefix_space":false,)"
      R"("trim_offsets":false,"use_regex":false}},"model":{{"type":"BPE","dropout":null,)"
      R"("unk_token":null,"continuing_subword_prefix":"","end_of_word_suffix":"",)"
      R"("fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{{{}}},)"
      R"("merges":[{}]}}}})"
      "\n",
      added, kPattern, vocab, merges);
}

std::string make_tokenizer_config_json() {
  constexpr std::string_view kChatTemplate =
      R"({% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + )"
      R"(message['content'] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %})"
      R"({{ '<|im_start|>assistant\\n' }}{% endif %})";
  return fmt::format(R"({{
  "tokenizer_class": "PreTrainedTokenizerFast",
  "bos_token": "<|bos|>",
  "eos_token": "<|im_end|>",
  "pad_token": "<|eos|>",
  "add_bos_token": false,
  "clean_up_tokenization_spaces": false,
  "chat_template": "{}"
}}
)",
                     kChatTemplate);
}

}  // namespace weft
