// Telling formats apart by their markers, and their calls as grammars.
#include "api/tool_format.h"

#include <fmt/format.h>

#include "api/json_text.h"

namespace weft {
namespace {

constexpr std::string_view kHermesMarkers[] = {"<tool_call>", "</tool_call>"};
constexpr std::string_view kLlamaMarkers[] = {"<|python_tag|>"};
constexpr std::string_view kDeepseekMarkers[] = {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>",
                                                 "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>",
                                                 "<｜tool▁sep｜>"};

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

CallGrammar frame_of(ToolFormat format) {
  CallGrammar frame;
  if (format == ToolFormat::kHermes) {
    frame.begin = "<tool_call>\n";
    frame.between = "\n</tool_call>\n<tool_call>\n";
    frame.end = "\n</tool_call>";
  } else if (format == ToolFormat::kLlama) {
    frame.between = "; ";
  } else {
    frame.begin = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>";
    frame.between = "<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>";
    frame.end = "<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
  }
  return frame;
}

CallGrammar::Choice choice_of(const ToolFunction& function, ToolFormat format, size_t index) {
  CallGrammar::Choice choice;
  choice.schema = function.parameters;
  choice.name = fmt::format("tools[{}].function.parameters", index);
  if (format == ToolFormat::kDeepseek) {
    choice.prefix = "function<｜tool▁sep｜>" + function.name + "\n```json\n";
    choice.suffix = "\n```";
    return choice;
  }
  choice.prefix = R"({"name": )";
  append_json(choice.prefix, function.name);
  choice.prefix += format == ToolFormat::kHermes ? R"(, "arguments": )" : R"(, "parameters": )";
  choice.suffix = "}";
  return choice;
}

// The name of a field at the beginning of a grammar's message.
std::string param_of(const Error& error) {
  return error.message.substr(0, error.message.find(": "));
}

ApiResult<std::optional<Grammar>> format_grammar(const ResponseFormat& format) {
  if (format.kind == ResponseFormat::Kind::kText) return std::optional<Grammar>();
  if (format.kind == ResponseFormat::Kind::kJsonObject) return std::optional(json_object_grammar());
  auto grammar = json_schema_grammar(format.schema, format.param);
  if (!grammar) return invalid_request(param_of(grammar.error()), grammar.error().message);
  return std::optional(*std::move(grammar));
}

}  // namespace

ToolFormat tool_format_of(std::string_view source) {
  if (has(source, "<｜tool▁calls▁begin｜>")) return ToolFormat::kDeepseek;
  if (has(source, "<tool_call>")) {
    return has(source, "<function=") || has(source, "<arg_key>") ? ToolFormat::kNone
                                                                 : ToolFormat::kHermes;
  }
  const bool is_llama =
      has(source, "<|python_tag|>") || (has(source, "ipython") && has(source, "\"parameters\""));
  return is_llama ? ToolFormat::kLlama : ToolFormat::kNone;
}

std::span<const std::string_view> tool_markers(ToolFormat format) {
  switch (format) {
    case ToolFormat::kHermes:
      return kHermesMarkers;
    case ToolFormat::kLlama:
      return kLlamaMarkers;
    case ToolFormat::kDeepseek:
      return kDeepseekMarkers;
    case ToolFormat::kNone:
      break;
  }
  return {};
}

std::vector<int32_t> special_markers(const Tokenizer& tokenizer, ToolFormat format) {
  std::vector<int32_t> ids;
  for (const std::string_view marker : tool_markers(format)) {
    const auto id = tokenizer.token_id(marker);
    if (id && tokenizer.is_special(*id)) ids.push_back(*id);
  }
  return ids;
}

ApiResult<std::optional<Grammar>> chat_grammar(const ChatRequest& request, ToolFormat format) {
  using ToolChoice = ChatRequest::ToolChoice;
  const bool must_call =
      request.tool_choice == ToolChoice::kRequired || request.tool_choice == ToolChoice::kNamed;
  if (!must_call) return format_grammar(request.options.response_format);
  if (format == ToolFormat::kNone) {
    return invalid_request("tool_choice",
                           "tool_choice: found a call that must come, expected none or auto: this "
                           "model's chat template has no format of calls that is known");
  }
  CallGrammar calls = frame_of(format);
  for (size_t i = 0; i < request.functions.size(); ++i) {
    const bool is_meant = request.tool_choice == ToolChoice::kRequired ||
                          request.functions[i].name == request.tool_name;
    if (is_meant) calls.choices.push_back(choice_of(request.functions[i], format, i));
  }
  calls.many = request.parallel_tool_calls && request.tool_choice == ToolChoice::kRequired;
  auto grammar = call_grammar(calls);
  if (!grammar) return invalid_request(param_of(grammar.error()), grammar.error().message);
  return std::optional(*std::move(grammar));
}

ApiResult<std::optional<Grammar>> completion_grammar(const CompletionRequest& request) {
  return format_grammar(request.options.response_format);
}

}  // namespace weft
