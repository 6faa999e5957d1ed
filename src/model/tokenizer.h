// Tokenizer: text to token ids and back, as a Hugging Face tokenizer.json describes it: byte-level
// BPE with the pre-tokenizers of GPT-2, Llama 3, Qwen and DeepSeek. Gives the ids that Hugging
// Face's tokenizers gives. Immutable: any number of threads may use one at the same time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/added_tokens.h"
#include "model/bpe.h"
#include "model/pretokenize.h"
#include "model/tokenizer_spec.h"

namespace weft {

class Tokenizer {
 public:
  // From the content of a tokenizer.json; `name` stands for it in messages. kBadInput names the
  // key and what is not supported there. What truncation and padding say is not done.
  static Result<Tokenizer> from_json(std::string_view json, const std::string& name);

  // Token ids of a text. Added tokens are recognised wherever they stand, special ones too. With
  // `add_special`, begins and ends as the file's post-processor says. Malformed UTF-8 is read as
  // U+FFFD; a regex that runs into its limits takes the rest of its piece as one word.
  [[nodiscard]] std::vector<int32_t> encode(std::string_view utf8, bool add_special) const;

  // The text of some tokens, malformed UTF-8 replaced by U+FFFD. With `skip_special`, special
  // tokens are left out. Ids outside the vocabulary stand for nothing.
  [[nodiscard]] std::string decode(std::span<const int32_t> ids, bool skip_special) const;

  // Highest id and one.
  [[nodiscard]] int32_t vocab_size() const { return static_cast<int32_t>(bytes_.size()); }
  // The bytes that a token adds to a text, perhaps part of a character. Empty for an unused id, or
  // one outside the vocabulary. Valid as long as the tokenizer.
  [[nodiscard]] std::string_view token_bytes(int32_t id) const;
  // By the content of an added token or the vocabulary's own spelling.
  [[nodiscard]] std::optional<int32_t> token_id(std::string_view text) const;
  [[nodiscard]] bool is_special(int32_t id) const;

  // What add_special puts before and after a text; a tokenizer_config.json may say otherwise.
  [[nodiscard]] std::span<const int32_t> before() const { return before_; }
  [[nodiscard]] std::span<const int32_t> after() const { return after_; }
  void set_ends(std::vector<int32_t> before, std::vector<int32_t> after);

 private:
  struct Work;

  static Result<Tokenizer> build(const TokenizerSpec& spec);
  Status add_tokens(const TokenizerSpec& spec);
  void collect_bytes(const TokenizerSpec& spec);
  [[nodiscard]] std::string normalize(std::string_view text) const;
  void encode_text(std::string_view text, Work& work, std::vector<int32_t>& ids) const;

  Bpe bpe_;
  PreTokenizer pre_tokenizer_;
  std::vector<NormalForm> normalizers_;
  AddedTokens raw_;
  AddedTokens normalized_;
  std::vector<std::pair<std::string, int32_t>> added_ids_;  // by content
  std::vector<std::string> bytes_;                          // by id
  std::vector<bool> special_;                               // by id
  std::vector<int32_t> before_;
  std::vector<int32_t> after_;
};

// Turns tokens into text as they come. What it gives is always whole characters, and all it gives
// together is what decode() gives.
class Detokenizer {
 public:
  // `tokenizer` must outlive it.
  explicit Detokenizer(const Tokenizer& tokenizer, bool skip_special = true)
      : tokenizer_(tokenizer), skip_special_(skip_special) {}

  // The text that the token completes, often all of it, sometimes none.
  std::string add(int32_t id);
  // What is left: U+FFFD when the text ends inside a character. Ready for the next text then.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_;
  std::string pending_;  // the well-formed beginning of one character
};

}  // namespace weft
