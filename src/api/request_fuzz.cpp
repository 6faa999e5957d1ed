// Fuzz target: any bytes as the body of each kind of request: a request within its limits, or an
// error of one line that is JSON with a status of the client's. Grammars of what was asked for too.
#include <cstdint>
#include <string_view>

#include "api/request.h"
#include "api/tool_format.h"
#include "base/check.h"

namespace {

void check_error(const weft::ApiError& error) {
  CHECK(error.status == 400);
  CHECK(error.message.find('\n') == std::string::npos);
  CHECK(!error.param.empty());
  CHECK(weft::template_value_from_json(error.to_json(), "error").ok());
}

void check_options(const weft::GenerationOptions& options) {
  weft::SamplingParams sampling = options.sampling({}, 1);
  sampling.logit_bias.clear();  // its ids depend on the vocabulary
  CHECK(weft::check_sampling(sampling, 1).ok());
  CHECK(options.n >= 1 && options.n <= weft::kMaxChoices);
  CHECK(options.stop.size() <= weft::kMaxStopStrings);
  CHECK(!options.max_tokens || *options.max_tokens >= 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  if (const auto chat = weft::parse_chat_request(body); chat.ok()) {
    check_options(chat->options);
    CHECK(!chat->messages.empty());
    for (const auto format : {weft::ToolFormat::kHermes, weft::ToolFormat::kDeepseek}) {
      const auto grammar = weft::chat_grammar(*chat, format);
      if (!grammar.ok()) check_error(grammar.error());
    }
  } else {
    check_error(chat.error());
  }
  if (const auto completion = weft::parse_completion_request(body); completion.ok()) {
    check_options(completion->options);
    CHECK(!completion->prompts.empty());
  } else {
    check_error(completion.error());
  }
  if (const auto tokenize = weft::parse_tokenize_request(body); tokenize.ok()) {
    CHECK(tokenize->prompt.has_value() != tokenize->chat.has_value());
  } else {
    check_error(tokenize.error());
  }
  if (const auto ids = weft::parse_detokenize_request(body); !ids.ok()) check_error(ids.error());
  return 0;
}
