// Fuzz target: bytes up to the first NUL as a JSON Schema, the rest choose tokens. A schema gives a
// grammar or one line of error; a grammar always lets some token come until the text has ended, and
// takes each token that it lets come.
#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "model/json_schema.h"
#include "model/token_mask.h"
#include "model/tokenizer_maker.h"

namespace {

constexpr size_t kMaxTokens = 64;

const weft::Tokenizer& tokenizer() {
  static const weft::Tokenizer kTokenizer =
      *weft::Tokenizer::from_json(weft::make_tokenizer_json(300, 1), "made");
  return kTokenizer;
}

void walk(const weft::Grammar& grammar, std::string_view choices) {
  static const weft::TokenVocabulary kVocabulary(tokenizer());
  const int32_t end = *tokenizer().token_id("<|eos|>");
  weft::TokenConstraint constraint(grammar, kVocabulary, {end});
  for (const char choice : choices.substr(0, kMaxTokens)) {
    if (constraint.has_ended()) return;
    std::vector<int32_t> tokens;
    const auto bits = constraint.allowed();
    for (int32_t id = 0; id < tokenizer().vocab_size(); ++id) {
      if ((bits[static_cast<size_t>(id) / 32] >> (id % 32) & 1) != 0) tokens.push_back(id);
    }
    CHECK(!tokens.empty());
    const size_t at = static_cast<uint8_t>(choice) * tokens.size() / 256;
    CHECK(constraint.accept(tokens[at]));
    if (choice == '-') constraint.rewind(1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(all.find('\0'), size);
  const auto schema = weft::template_value_from_json(all.substr(0, end), "schema");
  if (!schema.ok()) return 0;
  const auto grammar = weft::json_schema_grammar(*schema, "schema");
  if (!grammar.ok()) {
    CHECK(grammar.error().message.find('\n') == std::string::npos);
    return 0;
  }
  walk(*grammar, all.substr(std::min(end + 1, size)));
  return 0;
}
