// Prompts of chats as templates render them, and grammars of calls: what they let a model write is
// read as calls again.
#include "api/chat_prompt.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "api/tool_parser.h"
#include "model/json_schema_testing.h"

namespace weft {
namespace {

constexpr std::string_view kTemplate =
    "{{ bos_token }}{% if tools %}[{% for t in tools %}{{ t | tojson }}{% endfor %}]{% endif %}"
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}"
    "{% for c in m.tool_calls or [] %}{{ c.function.name }}:{{ c.function.arguments | tojson }}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
    "{% if enable_thinking %}think{% endif %}";

std::string prompt_of(const std::string& body, ToolFormat format) {
  const auto request = parse_chat_request(body);
  EXPECT_TRUE(request.ok()) << request.error().message;
  TokenizerConfig config;
  config.bos_token = "^";
  const auto text = chat_prompt(*request, *ChatTemplate::parse(kTemplate), format, config, {});
  return text.ok() ? *text : text.error().param;
}

TEST(ChatPrompt, RendersTheConversation) {
  EXPECT_EQ(prompt_of(R"({"messages":[{"role":"developer","content":"s"},
                          {"role":"user","content":"u"}]})",
                      ToolFormat::kHermes),
            "^<system>s<user>u<assistant>");
  EXPECT_EQ(prompt_of(R"({"messages":[{"role":"user","content":"u"}],
                          "chat_template_kwargs":{"enable_thinking":true}})",
                      ToolFormat::kHermes),
            "^<user>u<assistant>think");
}

TEST(ChatPrompt, ArgumentsAreWhatTheFormatExpects) {
  const std::string body = R"({"messages":[{"role":"assistant","content":"","tool_calls":[
      {"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}}]}]})";
  EXPECT_EQ(prompt_of(body, ToolFormat::kHermes), "^<assistant>f:{\"a\": 1}<assistant>");
  EXPECT_EQ(prompt_of(body, ToolFormat::kDeepseek), "^<assistant>f:\"{\\\"a\\\": 1}\"<assistant>");
}

TEST(ChatPrompt, ToolsAreGivenUnlessNoneMayBeCalled) {
  const std::string body =
      R"({"messages":[{"role":"user","content":"u"}],"tools":[{"function":{"name":"f"}}])";
  EXPECT_EQ(prompt_of(body + "}", ToolFormat::kHermes),
            R"(^[{"function": {"name": "f"}}]<user>u<assistant>)");
  EXPECT_EQ(prompt_of(body + R"(,"tool_choice":"none"})", ToolFormat::kHermes),
            "^<user>u<assistant>");
}

TEST(ChatPrompt, MayEndInsideTheLastMessage) {
  EXPECT_EQ(prompt_of(R"({"messages":[{"role":"user","content":"u"},{"role":"assistant",
                          "content":"Once "}],"continue_final_message":true})",
                      ToolFormat::kNone),
            "^<user>u<assistant>Once");
}

ChatRequest request_with_tools(const std::string& more) {
  const auto request = parse_chat_request(R"({"messages":[{"role":"user","content":"u"}],"tools":[
    {"function":{"name":"get","parameters":{"type":"object","properties":{"city":{"type":"string",
     "maxLength":8},"days":{"type":"integer","minimum":1,"maximum":7}},"required":["city"]}}},
    {"function":{"name":"stop"}}])" + more +
                                          "}");
  EXPECT_TRUE(request.ok()) << request.error().message;
  return *request;
}

RC_GTEST_PROP(ChatGrammar, RequiredCallsAreReadAsCalls, (uint64_t seed)) {
  Random random(seed);
  const ToolFormat format =
      std::array{ToolFormat::kHermes, ToolFormat::kLlama, ToolFormat::kDeepseek}[random.below(3)];
  const bool named = random.below(2) == 0;
  const ChatRequest request =
      request_with_tools(named ? R"(,"tool_choice":{"type":"function","function":{"name":"get"}})"
                               : R"(,"tool_choice":"required")");
  const auto grammar = chat_grammar(request, format);
  RC_ASSERT(grammar.ok());
  RC_ASSERT(grammar->has_value());
  const std::string text = random_text(**grammar, random, random.below(200));
  RC_LOG() << text;
  RC_ASSERT(!text.empty());
  ToolParser parser(format, seed);
  ToolOutput output = parser.add(text);
  const ToolOutput rest = parser.finish();
  RC_ASSERT(output.content + rest.content == "");
  output.calls.insert(output.calls.end(), rest.calls.begin(), rest.calls.end());
  RC_ASSERT(!output.calls.empty());
  for (const ToolCall& call : output.calls) {
    RC_ASSERT(call.name == "get" || (!named && call.name == "stop"));
    RC_ASSERT(Json::parse(call.arguments).is_object());
    if (call.name == "get") RC_ASSERT(Json::parse(call.arguments)["city"].is_string());
  }
}

TEST(ChatGrammar, FollowsTheResponseFormatOrNothing) {
  EXPECT_FALSE(chat_grammar(request_with_tools(""), ToolFormat::kHermes)->has_value());
  const auto json = chat_grammar(request_with_tools(R"(,"response_format":{"type":"json_object"})"),
                                 ToolFormat::kHermes);
  EXPECT_TRUE(takes(**json, "{\"a\":1}"));
  const auto schema =
      parse_completion_request(R"({"prompt":"p","guided_json":{"type":"integer","maximum":9}})");
  EXPECT_TRUE(takes(**completion_grammar(*schema), "9"));
}

TEST(ChatGrammar, NamesWhatCannotBeHeld) {
  const auto unknown =
      chat_grammar(request_with_tools(R"(,"tool_choice":"required")"), ToolFormat::kNone);
  EXPECT_EQ(unknown.error().param, "tool_choice");
  const auto schema = chat_grammar(
      request_with_tools(R"(,"response_format":{"type":"json_schema","json_schema":{"name":"n",
                            "schema":{"type":"object","properties":{"a":{"not":{}}}}}})"),
      ToolFormat::kHermes);
  EXPECT_EQ(schema.error().param, "response_format.json_schema.schema.properties.a.not");
  EXPECT_EQ(schema.error().status, 400);
}

}  // namespace
}  // namespace weft
