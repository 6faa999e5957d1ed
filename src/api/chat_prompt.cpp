// Messages as templates expect them.
#include "api/chat_prompt.h"

namespace weft {
namespace {

using Kind = TemplateValue::Kind;

// The arguments of each call as an object, where they are one.
TemplateValue with_objects(const TemplateValue& calls) {
  TemplateValue::List out;
  for (const TemplateValue& call : calls.as_list()) {
    TemplateValue::Dict fields = call.as_dict();
    for (auto& [key, value] : fields) {
      if (key != "function") continue;
      TemplateValue::Dict function = value.as_dict();
      for (auto& [name, text] : function) {
        if (name != "arguments") continue;
        auto parsed = template_value_from_json(text.as_text(), "arguments");
        if (parsed && parsed->is(Kind::kDict)) text = *std::move(parsed);
      }
      value = TemplateValue::dict(std::move(function));
    }
    out.push_back(TemplateValue::dict(std::move(fields)));
  }
  return TemplateValue::list(std::move(out));
}

TemplateValue message_of(const TemplateValue& message, ToolFormat format) {
  TemplateValue::Dict fields = message.as_dict();
  for (auto& [key, value] : fields) {
    if (key == "role" && value.as_text() == "developer") value = TemplateValue::text("system");
    if (key == "tool_calls" && format != ToolFormat::kDeepseek) value = with_objects(value);
  }
  return TemplateValue::dict(std::move(fields));
}

}  // namespace

TemplateValue chat_context(const ChatRequest& request, ToolFormat format,
                           const TokenizerConfig& config) {
  TemplateValue::List messages;
  for (const TemplateValue& message : request.messages) {
    messages.push_back(message_of(message, format));
  }
  const bool has_tools =
      !request.functions.empty() && request.tool_choice != ChatRequest::ToolChoice::kNone;
  TemplateValue::Dict context = {
      {"messages", TemplateValue::list(std::move(messages))},
      {"tools", has_tools ? request.tools : TemplateValue::none()},
      {"add_generation_prompt", TemplateValue::boolean(request.add_generation_prompt)},
      {"bos_token", TemplateValue::text(config.bos_token.value_or(""))},
      {"eos_token", TemplateValue::text(config.eos_token.value_or(""))}};
  if (request.template_arguments.is(Kind::kDict)) {
    for (const auto& entry : request.template_arguments.as_dict()) context.push_back(entry);
  }
  return TemplateValue::dict(std::move(context));
}

ApiResult<std::string> chat_prompt(const ChatRequest& request, const ChatTemplate& chat_template,
                                   ToolFormat format, const TokenizerConfig& config,
                                   std::optional<int64_t> local_time) {
  auto text = chat_template.render(chat_context(request, format, config), local_time);
  if (!text) return invalid_request("messages", text.error().message);
  if (!request.continue_final_message) return *std::move(text);
  const TemplateValue* const content = request.messages.back().find("content");
  const std::string last = content->is(Kind::kText) ? content->as_text() : "";
  const size_t trimmed_size = last.find_last_not_of(" \t\r\n") + 1;  // templates trim
  const size_t at = text->rfind(last.substr(0, trimmed_size));
  if (trimmed_size == 0 || at == std::string::npos) {
    return invalid_request("continue_final_message",
                           "continue_final_message: found a last message that the chat template "
                           "does not render as it is, expected one with text");
  }
  text->resize(at + trimmed_size);
  return *std::move(text);
}

}  // namespace weft
