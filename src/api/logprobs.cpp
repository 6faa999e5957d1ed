// A token is its text, malformed UTF-8 replaced; its bytes stand beside it.
#include "api/logprobs.h"

#include <algorithm>

#include "api/json_text.h"
#include "api/response.h"

namespace weft {
namespace {

constexpr float kLeastLogprob = -9999.0f;  // OpenAI's word for a token without a chance

float shown(float logprob) { return logprob > kLeastLogprob ? logprob : kLeastLogprob; }

void append_entry(std::string& out, const TokenLogprob& token, const Tokenizer& tokenizer) {
  const std::string_view bytes = tokenizer.token_bytes(token.id);
  out += R"({"token":)";
  append_json(out, bytes);
  out += R"(,"logprob":)";
  append_json(out, shown(token.logprob));
  out += R"(,"bytes":)";
  append_json_bytes(out, bytes);
}

// {"token": logprob, ...}, a token's text once.
void append_top(std::string& out, const Sample& sample, const Tokenizer& tokenizer) {
  out += '{';
  for (size_t i = 0; i < sample.top.size(); ++i) {
    const auto text = tokenizer.token_bytes(sample.top[i].id);
    const bool is_repeated = std::any_of(
        sample.top.begin(), sample.top.begin() + static_cast<int64_t>(i),
        [&](const TokenLogprob& other) { return tokenizer.token_bytes(other.id) == text; });
    if (is_repeated) continue;
    if (i > 0) out += ',';
    append_json(out, text);
    out += ':';
    append_json(out, shown(sample.top[i].logprob));
  }
  out += '}';
}

}  // namespace

void append_chat_logprobs(std::string& out, std::span<const Sample> samples,
                          const Tokenizer& tokenizer) {
  out += R"({"content":[)";
  for (size_t i = 0; i < samples.size(); ++i) {
    if (i > 0) out += ',';
    append_entry(out, samples[i].token, tokenizer);
    out += R"(,"top_logprobs":[)";
    for (size_t j = 0; j < samples[i].top.size(); ++j) {
      if (j > 0) out += ',';
      append_entry(out, samples[i].top[j], tokenizer);
      out += '}';
    }
    out += "]}";
  }
  out += R"(],"refusal":null})";
}

void append_completion_logprobs(std::string& out, std::span<const Sample> samples,
                                const Tokenizer& tokenizer, std::span<const int64_t> offsets) {
  const auto list = [&](std::string_view name, auto append_item) {
    out += name;
    for (size_t i = 0; i < samples.size(); ++i) {
      if (i > 0) out += ',';
      append_item(samples[i]);
    }
    out += ']';
  };
  list(R"({"tokens":[)",
       [&](const Sample& s) { append_json(out, tokenizer.token_bytes(s.token.id)); });
  list(R"(,"token_logprobs":[)",
       [&](const Sample& s) { append_json(out, shown(s.token.logprob)); });
  list(R"(,"top_logprobs":[)", [&](const Sample& s) { append_top(out, s, tokenizer); });
  out += R"(,"text_offset":[)";
  for (size_t i = 0; i < samples.size(); ++i) {
    if (i > 0) out += ',';
    append_json(out, offsets[i]);
  }
  out += ']';
  out += '}';
}

}  // namespace weft
