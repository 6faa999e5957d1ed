// What lies beside a tokenizer.json: tokenizer_config.json (special tokens, chat templates) and
// generation_config.json (where to stop, how to sample). Unknown members are passed over, as
// published files hold many; known ones of the wrong type are errors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/tokenizer.h"

namespace weft {

struct TokenizerConfig {
  // kBadInput: "NAME: KEY: found ..., expected ...".
  static Result<TokenizerConfig> from_json(std::string_view json, const std::string& name);

  // The template to render with, null when there is none. With tools, one named "tool_use" goes
  // before "default".
  [[nodiscard]] const std::string* chat_template(bool with_tools) const;
  // The content of a chat_template.jinja, which goes before what the JSON says.
  void set_chat_template(std::string source);

  // Sets what `tokenizer` puts before and after a text, where the file says add_bos_token or
  // add_eos_token and its tokenizer class minds them (Llama's; others take the post-processor's).
  // kBadInput when such a token is not in the vocabulary.
  Status apply(Tokenizer& tokenizer) const;

  std::vector<std::pair<std::string, std::string>> chat_templates;  // name, source
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
  std::optional<std::string> pad_token;
  std::optional<bool> add_bos_token;
  std::optional<bool> add_eos_token;
  std::string tokenizer_class;
};

struct GenerationConfig {
  static Result<GenerationConfig> from_json(std::string_view json, const std::string& name);

  std::vector<int32_t> eos_token_ids;  // a token of these ends the text
  std::optional<int32_t> bos_token_id;
  std::optional<bool> do_sample;  // false: greedy, whatever the temperature
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<double> min_p;
  std::optional<int32_t> top_k;
  std::optional<double> repetition_penalty;
  std::optional<int32_t> max_new_tokens;
};

}  // namespace weft
