// Bodies of /v1/chat/completions: messages and tools.
#include <fmt/format.h>

#include <algorithm>

#include "api/parse_options.h"

namespace weft {
namespace {

using Kind = TemplateValue::Kind;
using Dict = TemplateValue::Dict;

constexpr size_t kMaxMessages = 100'000;
constexpr size_t kMaxNameBytes = 256;

class ChatReader {
 public:
  explicit ChatReader(FirstError& error) : error_(error) {}

  ChatRequest read(const TemplateValue& body) {
    ChatRequest request;
    Fields fields(body, "", error_);
    read_options(fields, error_, request.options);
    if (const auto most = fields.integer("max_completion_tokens", 1, kMaxOutput)) {
      request.options.max_tokens = most;
    }
    read_logprobs(fields, request.options);
    read_messages(fields, request);
    read_tools(fields, request);
    read_tool_choice(fields, request);
    request.parallel_tool_calls = fields.flag("parallel_tool_calls").value_or(true);
    read_template_fields(fields, request);
    fields.refuse("functions", "nothing: tools took their place");
    fields.refuse("function_call", "nothing: tool_choice took its place");
    fields.refuse("audio", "nothing: not supported");
    return request;
  }

  void read_messages(Fields& fields, ChatRequest& request) {
    const TemplateValue* const listed = fields.list("messages", kMaxMessages);
    if (listed == nullptr) return fields.fail_missing("messages", "an array of messages");
    if (listed->as_list().empty()) return fields.fail("messages", *listed, "a message at least");
    for (size_t i = 0; i < listed->as_list().size() && !error_.is_set(); ++i) {
      const TemplateValue& message = listed->as_list()[i];
      const std::string path = fmt::format("messages[{}]", i);
      if (!message.is(Kind::kDict)) return error_.set(path, describe_value(message), "an object");
      request.messages.push_back(read_message(message, path + "."));
    }
  }

  void read_tools(Fields& fields, ChatRequest& request) {
    const TemplateValue* const listed = fields.list("tools", kMaxTools);
    if (listed == nullptr || listed->as_list().empty()) return;
    for (size_t i = 0; i < listed->as_list().size() && !error_.is_set(); ++i) {
      const TemplateValue& tool = listed->as_list()[i];
      const std::string path = fmt::format("tools[{}]", i);
      if (!tool.is(Kind::kDict)) return error_.set(path, describe_value(tool), "an object");
      request.functions.push_back(read_tool(tool, path + "."));
    }
    request.tools = *listed;
    request.tool_choice = ChatRequest::ToolChoice::kAuto;
  }

  void read_template_fields(Fields& fields, ChatRequest& request) {
    request.add_generation_prompt = fields.flag("add_generation_prompt").value_or(true);
    request.continue_final_message = fields.flag("continue_final_message").value_or(false);
    if (request.continue_final_message && fields.flag("add_generation_prompt").value_or(false)) {
      error_.set("continue_final_message", "true", "false together with add_generation_prompt");
    }
    if (request.continue_final_message) request.add_generation_prompt = false;
    if (const auto* arguments = fields.object("chat_template_kwargs")) {
      request.template_arguments = *arguments;
    }
    fields.refuse("chat_template", "nothing: the model's own is used");
  }

 private:
  void read_logprobs(Fields& fields, GenerationOptions& options) {
    const bool wanted = fields.flag("logprobs").value_or(false);
    const auto top = fields.integer("top_logprobs", 0, kMaxLogprobs);
    if (top && *top > 0 && !wanted) {
      error_.set("top_logprobs", fmt::format("{}", *top), "it with \"logprobs\": true only");
    }
    if (wanted) options.logprobs = static_cast<int32_t>(top.value_or(0));
  }

  // Text, from a string or from parts of type text, which begin new lines.
  std::string read_parts(const TemplateValue& parts, const std::string& path) {
    std::string text;
    for (size_t i = 0; i < parts.as_list().size(); ++i) {
      const TemplateValue& part = parts.as_list()[i];
      const std::string here = fmt::format("{}[{}]", path, i);
      if (!part.is(Kind::kDict)) {
        error_.set(here, describe_value(part), "an object");
        return text;
      }
      Fields fields(part, here + ".", error_);
      const auto type = fields.text("type");
      if (type != "text" && type != "refusal") {
        const TemplateValue* found = fields.any("type");
        error_.set(here + ".type", found != nullptr ? describe_value(*found) : "nothing",
                   "text: this model reads nothing else");
        return text;
      }
      const auto piece = fields.text(*type);
      if (!piece) fields.fail_missing(*type, "a string");
      if (i > 0) text += '\n';
      text += piece.value_or("");
    }
    return text;
  }

  TemplateValue read_content(Fields& fields, const std::string& path, bool may_miss) {
    const TemplateValue* const content = fields.any("content");
    if (content == nullptr) {
      if (!may_miss) fields.fail_missing("content", "a string or an array of parts");
      return TemplateValue::none();
    }
    if (content->is(Kind::kText)) return *content;
    if (content->is(Kind::kList))
      return TemplateValue::text(read_parts(*content, path + "content"));
    fields.fail("content", *content, "a string or an array of parts");
    return {};
  }

  TemplateValue read_message(const TemplateValue& message, const std::string& path) {
    constexpr std::string_view kRoles[] = {"system", "developer", "user", "assistant", "tool"};
    Fields fields(message, path, error_);
    const auto role = fields.text("role");
    if (!role) fields.fail_missing("role", "system, developer, user, assistant or tool");
    if (role && std::find(std::begin(kRoles), std::end(kRoles), *role) == std::end(kRoles)) {
      fields.fail("role", *fields.any("role"), "system, developer, user, assistant or tool");
    }
    if (error_.is_set()) return {};
    const bool is_assistant = role == "assistant";
    Dict out = {{"role", TemplateValue::text(*role)}};
    const TemplateValue* const calls =
        is_assistant ? fields.list("tool_calls", kMaxTools) : nullptr;
    const bool has_calls = calls != nullptr && !calls->as_list().empty();
    out.emplace_back("content", read_content(fields, path, is_assistant && has_calls));
    for (const std::string_view key : {"name", "reasoning_content", "tool_call_id"}) {
      if (auto text = fields.text(key)) out.emplace_back(key, TemplateValue::text(*text));
    }
    if (has_calls) out.emplace_back("tool_calls", read_calls(*calls, path + "tool_calls"));
    return TemplateValue::dict(std::move(out));
  }

  TemplateValue read_calls(const TemplateValue& calls, const std::string& path) {
    TemplateValue::List out;
    for (size_t i = 0; i < calls.as_list().size() && !error_.is_set(); ++i) {
      const TemplateValue& call = calls.as_list()[i];
      const std::string here = fmt::format("{}[{}]", path, i);
      if (!call.is(Kind::kDict)) {
        error_.set(here, describe_value(call), "an object");
        break;
      }
      Fields fields(call, here + ".", error_);
      const auto id = fields.text("id");
      const TemplateValue* const function = fields.object("function");
      if (function == nullptr) {
        fields.fail_missing("function", "an object with name and arguments");
        break;
      }
      Fields parts(*function, here + ".function.", error_);
      const auto name = parts.text("name");
      if (!name) parts.fail_missing("name", "a string");
      const auto arguments = parts.text("arguments");
      out.push_back(TemplateValue::dict(
          {{"id", TemplateValue::text(id.value_or(""))},
           {"type", TemplateValue::text("function")},
           {"function",
            TemplateValue::dict({{"name", TemplateValue::text(name.value_or(""))},
                                 {"arguments", TemplateValue::text(arguments.value_or("{}"))}})}}));
    }
    return TemplateValue::list(std::move(out));
  }

  ToolFunction read_tool(const TemplateValue& tool, const std::string& path) {
    Fields fields(tool, path, error_);
    if (const auto type = fields.text("type"); type && *type != "function") {
      fields.fail("type", *fields.any("type"), "function");
    }
    const TemplateValue* const function = fields.object("function");
    if (function == nullptr) {
      fields.fail_missing("function", "an object with a name");
      return {};
    }
    Fields parts(*function, path + "function.", error_);
    ToolFunction out;
    out.name = parts.text("name").value_or("");
    const bool is_name = !out.name.empty() && out.name.size() <= kMaxNameBytes &&
                         std::all_of(out.name.begin(), out.name.end(), [](char c) {
                           return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
                                  c == '_' || c == '-' || c == '.';
                         });
    if (!is_name) {
      error_.set(path + "function.name", describe_value(TemplateValue::text(out.name)),
                 "letters, digits, _, - and .");
    }
    parts.text("description");
    parts.flag("strict");
    if (const auto* parameters = parts.object("parameters")) {
      if (!parameters->as_dict().empty()) out.parameters = *parameters;
    }
    return out;
  }

  void read_tool_choice(Fields& fields, ChatRequest& request) {
    using ToolChoice = ChatRequest::ToolChoice;
    constexpr std::string_view kExpected =
        "none, auto, required or an object that names a function";
    const TemplateValue* const choice = fields.any("tool_choice");
    if (choice == nullptr || error_.is_set()) return;
    const auto is = [choice](std::string_view word) {
      return choice->is(Kind::kText) && choice->as_text() == word;
    };
    if (is("none")) {
      request.tool_choice = ToolChoice::kNone;
    } else if (is("required") && !request.functions.empty()) {
      request.tool_choice = ToolChoice::kRequired;
    } else if (choice->is(Kind::kDict)) {
      Fields parts(*choice, "tool_choice.", error_);
      const TemplateValue* const function = parts.object("function");
      const TemplateValue* const name = function != nullptr ? function->find("name") : nullptr;
      if (name == nullptr || !name->is(Kind::kText)) {
        return error_.set("tool_choice", describe_value(*choice), kExpected);
      }
      request.tool_choice = ToolChoice::kNamed;
      request.tool_name = name->as_text();
      const bool is_known =
          std::any_of(request.functions.begin(), request.functions.end(),
                      [&](const ToolFunction& f) { return f.name == request.tool_name; });
      if (!is_known) {
        error_.set("tool_choice.function.name", describe_value(*name), "a function of tools");
      }
    } else if (!is("auto")) {
      error_.set("tool_choice", describe_value(*choice),
                 is("required") ? "it with tools only" : kExpected);
    }
  }

  FirstError& error_;
};

}  // namespace

ApiResult<ChatRequest> parse_chat_request(std::string_view body) {
  FirstError error;
  const auto value = parse_body(body, error);
  if (error.is_set()) return error.get();
  ChatRequest request = ChatReader(error).read(*value);
  if (error.is_set()) return error.get();
  return request;
}

ApiResult<TokenizeRequest> parse_tokenize_request(std::string_view body) {
  FirstError error;
  const auto value = parse_body(body, error);
  if (error.is_set()) return error.get();
  Fields fields(*value, "", error);
  TokenizeRequest request;
  request.model = fields.text("model").value_or("");
  request.prompt = fields.text("prompt");
  request.add_special_tokens = fields.flag("add_special_tokens").value_or(true);
  if (!request.prompt && !error.is_set()) {
    if (fields.any("messages") == nullptr) fields.fail_missing("prompt", "a string, or messages");
    ChatRequest chat;
    ChatReader reader(error);
    reader.read_messages(fields, chat);
    reader.read_tools(fields, chat);
    reader.read_template_fields(fields, chat);
    chat.options.model = request.model;
    request.chat = std::move(chat);
  }
  if (error.is_set()) return error.get();
  return request;
}

}  // namespace weft
