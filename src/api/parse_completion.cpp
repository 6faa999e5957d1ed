// Bodies of /v1/completions and /detokenize: prompts as text or token ids.
#include <fmt/format.h>

#include <algorithm>

#include "api/parse_options.h"

namespace weft {
namespace {

using Kind = TemplateValue::Kind;
constexpr std::string_view kPromptShapes =
    "a string, an array of strings, token ids, or an array of arrays of token ids";

// A text or a list of ids.
void add_prompt(const TemplateValue& value, const std::string& param, FirstError& error,
                std::vector<Prompt>& prompts) {
  Prompt& prompt = prompts.emplace_back();
  if (value.is(Kind::kText)) {
    prompt.text = value.as_text();
  } else if (value.is(Kind::kList) && !value.as_list().empty()) {
    prompt.is_tokens = true;
    prompt.tokens = read_token_ids(value, param, error);
  } else {
    error.set(param, describe_value(value), kPromptShapes);
  }
}

void read_prompts(Fields& fields, FirstError& error, std::vector<Prompt>& prompts) {
  const TemplateValue* const value = fields.any("prompt");
  if (value == nullptr) return fields.fail_missing("prompt", kPromptShapes);
  const bool is_list = value->is(Kind::kList) && !value->as_list().empty();
  const bool is_many = is_list && (value->as_list().front().is(Kind::kText) ||
                                   value->as_list().front().is(Kind::kList));
  if (!is_many) return add_prompt(*value, "prompt", error, prompts);
  const TemplateValue* const listed = fields.list("prompt", kMaxPrompts);
  for (size_t i = 0; listed != nullptr && i < listed->as_list().size() && !error.is_set(); ++i) {
    add_prompt(listed->as_list()[i], fmt::format("prompt[{}]", i), error, prompts);
  }
}

}  // namespace

ApiResult<CompletionRequest> parse_completion_request(std::string_view body) {
  FirstError error;
  const auto value = parse_body(body, error);
  if (error.is_set()) return error.get();
  Fields fields(*value, "", error);
  CompletionRequest request;
  read_options(fields, error, request.options);
  read_prompts(fields, error, request.prompts);
  if (const auto logprobs = fields.integer("logprobs", 0, kMaxLogprobs)) {
    request.options.logprobs = static_cast<int32_t>(*logprobs);
  }
  request.add_special_tokens = fields.flag("add_special_tokens").value_or(true);
  fields.refuse("echo", "false: the prompt is not repeated");
  fields.refuse("suffix", "nothing: text is not inserted");
  if (const auto best_of = fields.integer("best_of", 0, kMaxChoices);
      best_of && *best_of > 1 && *best_of != request.options.n) {
    error.set("best_of", fmt::format("{}", *best_of), "the value of n");
  }
  if (error.is_set()) return error.get();
  return request;
}

ApiResult<DetokenizeRequest> parse_detokenize_request(std::string_view body) {
  FirstError error;
  const auto value = parse_body(body, error);
  if (error.is_set()) return error.get();
  Fields fields(*value, "", error);
  DetokenizeRequest request;
  request.model = fields.text("model").value_or("");
  constexpr size_t kMostTokens = 16 << 20;
  const TemplateValue* const tokens = fields.list("tokens", kMostTokens);
  if (tokens == nullptr) {
    fields.fail_missing("tokens", "an array of token ids");
  } else {
    request.tokens = read_token_ids(*tokens, "tokens", error);
  }
  if (error.is_set()) return error.get();
  return request;
}

}  // namespace weft
