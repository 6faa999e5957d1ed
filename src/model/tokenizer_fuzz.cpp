// Fuzz target: bytes up to the first NUL as a tokenizer.json, the rest as a text. Either one line
// of error, or ids inside the vocabulary whose streamed decoding is the whole decoding.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "model/tokenizer.h"
#include "model/tokenizer_config.h"
#include "model/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(all.find('\0'), size);
  const std::string_view json = all.substr(0, end);
  const std::string_view text = all.substr(std::min(end + 1, size)).substr(0, 4096);
  (void)weft::TokenizerConfig::from_json(json, "tokenizer_config.json");
  (void)weft::GenerationConfig::from_json(json, "generation_config.json");
  const auto tokenizer = weft::Tokenizer::from_json(json, "tokenizer.json");
  if (!tokenizer.ok()) {
    CHECK(tokenizer.error().message.find('\n') == std::string::npos);
    return 0;
  }
  const auto ids = tokenizer->encode(text, true);
  weft::Detokenizer detokenizer(*tokenizer);
  std::string streamed;
  for (const int32_t id : ids) {
    CHECK(id >= 0 && id < tokenizer->vocab_size());
    streamed += detokenizer.add(id);
    CHECK(weft::valid_utf8_bytes(streamed) == streamed.size());
  }
  streamed += detokenizer.finish();
  CHECK(streamed == tokenizer->decode(ids, true));
  return 0;
}
