// Detokenizer, stop strings and the parser of calls, one behind the other.
#include "api/choice_text.h"

#include <algorithm>

#include "api/response.h"

namespace weft {
ChoiceText::ChoiceText(const Tokenizer& tokenizer, const GenerationOptions& options,
                       ToolFormat format, uint64_t seed)
    : tokenizer_(tokenizer),
      detokenizer_(tokenizer, options.skip_special_tokens),
      stops_(options.stop, options.include_stop_in_output),
      tools_(format, seed),
      stop_strings_(options.stop),
      markers_(special_markers(tokenizer, format)),
      min_tokens_(options.min_tokens) {}

ToolOutput ChoiceText::add(int32_t token) {
  ++tokens_;
  std::string text;
  if (std::find(markers_.begin(), markers_.end(), token) != markers_.end()) {
    text = detokenizer_.finish();
    text += tokenizer_.token_bytes(token);
  } else {
    text = detokenizer_.add(token);
  }
  characters_ += character_count(text);
  // Before min_tokens no stop string counts, not even in part.
  return tools_.add(tokens_ < min_tokens_ ? text : stops_.add(text));
}

ToolOutput ChoiceText::finish() {
  std::string text = stops_.add(detokenizer_.finish());
  text += stops_.finish();
  ToolOutput output = tools_.add(text);
  ToolOutput rest = tools_.finish();
  output.content += rest.content;
  output.calls.insert(output.calls.end(), rest.calls.begin(), rest.calls.end());
  return output;
}

std::string_view ChoiceText::stop() const {
  return has_stopped() ? std::string_view(stop_strings_[*stops_.found()]) : std::string_view();
}

FinishReason ChoiceText::reason(bool reached_length) const {
  if (reached_length && !has_stopped()) return FinishReason::kLength;
  return tools_.calls() > 0 ? FinishReason::kToolCalls : FinishReason::kStop;
}

ToolFormat answer_format(const ChatRequest& request, ToolFormat of_template) {
  using ToolChoice = ChatRequest::ToolChoice;
  if (request.functions.empty() || request.tool_choice == ToolChoice::kNone) {
    return ToolFormat::kNone;
  }
  const bool is_json = request.tool_choice == ToolChoice::kAuto &&
                       request.options.response_format.kind != ResponseFormat::Kind::kText;
  return is_json ? ToolFormat::kNone : of_template;
}

}  // namespace weft
