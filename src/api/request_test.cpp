// Requests as clients write them, every field; and what is refused, with the field's name.
#include "api/request.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

std::string with_messages(std::string_view more) {
  return R"({"model":"m","messages":[{"role":"user","content":"hi"}])" + std::string(more) + "}";
}

ChatRequest chat(std::string_view body) {
  auto request = parse_chat_request(body);
  EXPECT_TRUE(request.ok()) << body << ": " << request.error().message;
  return request.ok() ? *std::move(request) : ChatRequest{};
}

CompletionRequest completion(std::string_view body) {
  auto request = parse_completion_request(body);
  EXPECT_TRUE(request.ok()) << body << ": " << request.error().message;
  return request.ok() ? *std::move(request) : CompletionRequest{};
}

std::string message_json(const TemplateValue& message) {
  return *template_value_to_json(message, {});
}

TEST(ChatRequest, HasDefaults) {
  const ChatRequest request = chat(R"({"messages":[{"role":"user","content":"hi"}]})");
  EXPECT_EQ(request.options.model, "");
  EXPECT_EQ(request.options.n, 1);
  EXPECT_FALSE(request.options.stream);
  EXPECT_FALSE(request.options.max_tokens.has_value());
  EXPECT_EQ(request.options.logprobs, -1);
  EXPECT_EQ(request.tool_choice, ChatRequest::ToolChoice::kNone);
  EXPECT_TRUE(request.parallel_tool_calls);
  EXPECT_TRUE(request.add_generation_prompt);
  ASSERT_EQ(request.messages.size(), 1u);
  EXPECT_EQ(message_json(request.messages[0]), R"({"role": "user", "content": "hi"})");
}

TEST(ChatRequest, ReadsEveryOption) {
  const ChatRequest request = chat(with_messages(R"(,"temperature":0.5,"top_p":0.9,
      "top_k":-1,"min_p":0.1,"repetition_penalty":1.1,"presence_penalty":-2,
      "frequency_penalty":2,"logit_bias":{"7":-100,"3":1.5},"seed":42,"max_tokens":5,
      "max_completion_tokens":9,"min_tokens":2,"n":3,"stop":["a","b"],"stop_token_ids":[1,2],
      "ignore_eos":true,"include_stop_str_in_output":true,"skip_special_tokens":false,
      "stream":true,"stream_options":{"include_usage":true},"logprobs":true,"top_logprobs":4,
      "priority":-3,"user":"u","store":true,"metadata":{"x":1},"unknown":[1])"));
  const GenerationOptions& options = request.options;
  EXPECT_EQ(options.model, "m");
  EXPECT_EQ(options.max_tokens, 9);
  EXPECT_EQ(options.min_tokens, 2);
  EXPECT_EQ(options.n, 3);
  EXPECT_EQ(options.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(options.stop_token_ids, (std::vector<int32_t>{1, 2}));
  EXPECT_TRUE(options.ignore_eos && options.include_stop_in_output && options.stream);
  EXPECT_TRUE(options.include_usage);
  EXPECT_FALSE(options.skip_special_tokens);
  EXPECT_EQ(options.priority, -3);
  EXPECT_EQ(options.user, "u");
  SamplingParams defaults;
  defaults.top_k = 20;
  const SamplingParams sampling = options.sampling(defaults, 7);
  EXPECT_EQ(sampling.temperature, 0.5);
  EXPECT_EQ(sampling.top_p, 0.9);
  EXPECT_EQ(sampling.top_k, 0);
  EXPECT_EQ(sampling.min_p, 0.1);
  EXPECT_EQ(sampling.repetition_penalty, 1.1);
  EXPECT_EQ(sampling.presence_penalty, -2);
  EXPECT_EQ(sampling.frequency_penalty, 2);
  EXPECT_EQ(sampling.seed, 42u);
  EXPECT_EQ(sampling.logprobs, 4);
  EXPECT_EQ(sampling.logit_bias, (std::vector<std::pair<int32_t, float>>{{3, 1.5f}, {7, -100.f}}));
  EXPECT_TRUE(check_sampling(sampling, 8).ok());
}

TEST(ChatRequest, TakesDefaultsWhereNothingIsSaid) {
  SamplingParams defaults;
  defaults.temperature = 0.7;
  defaults.top_k = 20;
  const auto sampling =
      chat(with_messages(R"(,"top_p":0,"temperature":null)")).options.sampling(defaults, 5);
  EXPECT_EQ(sampling.temperature, 0.7);
  EXPECT_EQ(sampling.top_k, 20);
  EXPECT_EQ(sampling.seed, 5u);
  EXPECT_TRUE(check_sampling(sampling, 8).ok());  // top_p 0 is a little more
}

TEST(ChatRequest, ReadsConversationsWithCalls) {
  const ChatRequest request = chat(R"({"messages":[
    {"role":"developer","content":[{"type":"text","text":"be"},{"type":"text","text":"brief"}]},
    {"role":"user","content":"weather?","name":"ann"},
    {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function",
      "function":{"name":"get","arguments":"{\"city\": \"Graz\"}"}}]},
    {"role":"tool","tool_call_id":"call_1","content":"sunny"}]})");
  ASSERT_EQ(request.messages.size(), 4u);
  EXPECT_EQ(message_json(request.messages[0]), R"({"role": "developer", "content": "be\nbrief"})");
  EXPECT_EQ(message_json(request.messages[1]),
            R"({"role": "user", "content": "weather?", "name": "ann"})");
  EXPECT_EQ(message_json(request.messages[2]),
            R"({"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": )"
            R"("function", "function": {"name": "get", "arguments": "{\"city\": \"Graz\"}"}}]})");
  EXPECT_EQ(message_json(request.messages[3]),
            R"({"role": "tool", "content": "sunny", "tool_call_id": "call_1"})");
}

TEST(ChatRequest, ReadsToolsAndTheirChoice) {
  constexpr std::string_view kTools = R"(,"tools":[{"type":"function","function":{"name":"get",
      "description":"d","parameters":{"type":"object"},"strict":true}},
      {"type":"function","function":{"name":"put"}}])";
  using ToolChoice = ChatRequest::ToolChoice;
  const auto with = [&](std::string_view choice) {
    return chat(with_messages(std::string(kTools) + std::string(choice)));
  };
  const ChatRequest request = with("");
  EXPECT_EQ(request.tool_choice, ToolChoice::kAuto);
  ASSERT_EQ(request.functions.size(), 2u);
  EXPECT_EQ(request.functions[0].name, "get");
  EXPECT_TRUE(request.functions[0].parameters.is(TemplateValue::Kind::kDict));
  EXPECT_TRUE(request.functions[1].parameters.is(TemplateValue::Kind::kUndefined));
  EXPECT_EQ(with(R"(,"tool_choice":"none")").tool_choice, ToolChoice::kNone);
  EXPECT_EQ(with(R"(,"tool_choice":"required")").tool_choice, ToolChoice::kRequired);
  const ChatRequest named = with(R"(,"tool_choice":{"type":"function","function":{"name":"put"}},
      "parallel_tool_calls":false)");
  EXPECT_EQ(named.tool_choice, ToolChoice::kNamed);
  EXPECT_EQ(named.tool_name, "put");
  EXPECT_FALSE(named.parallel_tool_calls);
}

TEST(ChatRequest, ReadsResponseFormats) {
  using Kind = ResponseFormat::Kind;
  const auto format = [](std::string_view text) {
    return chat(with_messages(",\"response_format\":" + std::string(text))).options.response_format;
  };
  EXPECT_EQ(format(R"({"type":"text"})").kind, Kind::kText);
  EXPECT_EQ(format(R"({"type":"json_object"})").kind, Kind::kJsonObject);
  const auto schema = format(R"({"type":"json_schema","json_schema":{"name":"n","strict":true,
      "schema":{"type":"null"}}})");
  EXPECT_EQ(schema.kind, Kind::kJsonSchema);
  EXPECT_EQ(message_json(schema.schema), R"({"type": "null"})");
}

TEST(CompletionRequest, ReadsPromptsOfEveryShape) {
  EXPECT_EQ(completion(R"({"prompt":"a"})").prompts[0].text, "a");
  const auto texts = completion(R"({"prompt":["a","b"]})").prompts;
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(texts[1].text, "b");
  const auto ids = completion(R"({"prompt":[1,2,3]})").prompts;
  ASSERT_EQ(ids.size(), 1u);
  EXPECT_EQ(ids[0].tokens, (std::vector<int32_t>{1, 2, 3}));
  const auto many = completion(R"({"prompt":[[1],[2,3]],"logprobs":5})");
  ASSERT_EQ(many.prompts.size(), 2u);
  EXPECT_EQ(many.prompts[1].tokens, (std::vector<int32_t>{2, 3}));
  EXPECT_EQ(many.options.logprobs, 5);
}

TEST(TokenizeRequest, ReadsTextOrMessages) {
  EXPECT_EQ(parse_tokenize_request(R"({"prompt":"a"})")->prompt, "a");
  const auto request = parse_tokenize_request(
      R"({"messages":[{"role":"user","content":"x"}],"add_generation_prompt":false})");
  ASSERT_TRUE(request.ok());
  EXPECT_FALSE(request->chat->add_generation_prompt);
  EXPECT_EQ(parse_tokenize_request("{}").error().param, "prompt");
  EXPECT_EQ(parse_detokenize_request(R"({"tokens":[5,6]})")->tokens, (std::vector<int32_t>{5, 6}));
  EXPECT_EQ(parse_detokenize_request(R"({"tokens":[-5]})").error().param, "tokens[0]");
}

TEST(ChatRequest, NamesWhatIsWrong) {
  struct Case {
    std::string_view field;
    std::string_view param;
    std::string_view message;
  };
  for (const Case& c : {
           Case{R"("temperature":"hot")", "temperature",
                "temperature: found \"hot\", expected a number from 0 to 2"},
           Case{R"("temperature":2.5)", "temperature",
                "temperature: found 2.5, expected a number from 0 to 2"},
           Case{R"("n":0)", "n", "n: found 0, expected a whole number from 1 to 128"},
           Case{R"("max_tokens":1.5)", "max_tokens",
                "max_tokens: found 1.5, expected a whole number from 1 to 1000000000"},
           Case{R"("stop":[""])", "stop[0]",
                "stop[0]: found \"\", expected a string of 1 to 1024 bytes"},
           Case{R"("stop":5)", "stop", "stop: found 5, expected a string or an array of them"},
           Case{R"("stream_options":{})", "stream_options",
                "stream_options: found an object, expected it with stream only"},
           Case{R"("logit_bias":{"x":1})", "logit_bias",
                "logit_bias: found \"x\", expected token ids as keys"},
           Case{R"("logit_bias":{"5":101})", "logit_bias.5",
                "logit_bias.5: found 101, expected a number from -100 to 100"},
           Case{R"("top_logprobs":3)", "top_logprobs",
                "top_logprobs: found 3, expected it with \"logprobs\": true only"},
           Case{R"("logprobs":true,"top_logprobs":21)", "top_logprobs",
                "top_logprobs: found 21, expected a whole number from 0 to 20"},
           Case{R"("tool_choice":"required")", "tool_choice",
                "tool_choice: found \"required\", expected it with tools only"},
           Case{R"("tools":[{"type":"function"}])", "tools[0].function",
                "tools[0].function: found nothing, expected an object with a name"},
           Case{R"("tools":[{"function":{"name":"a b"}}])", "tools[0].function.name",
                "tools[0].function.name: found \"a b\", expected letters, digits, _, - and ."},
           Case{R"("response_format":{"type":"xml"})", "response_format.type",
                "response_format.type: found \"xml\", expected text, json_object or json_schema"},
           Case{R"("functions":[{"name":"f"}])", "functions",
                "functions: found an array, expected nothing: tools took their place"},
           Case{R"("guided_regex":"a+")", "guided_regex",
                "guided_regex: found \"a+\", expected nothing: not supported; response_format is"},
       }) {
    const auto request = parse_chat_request(with_messages("," + std::string(c.field)));
    ASSERT_FALSE(request.ok()) << c.field;
    EXPECT_EQ(request.error().status, 400);
    EXPECT_EQ(request.error().type, "invalid_request_error");
    EXPECT_EQ(request.error().param, c.param);
    EXPECT_EQ(request.error().message, c.message);
  }
}

TEST(ChatRequest, NamesWhatIsWrongInMessages) {
  const auto param = [](std::string_view messages) {
    const auto request = parse_chat_request("{\"messages\":" + std::string(messages) + "}");
    return request.ok() ? "" : request.error().param;
  };
  EXPECT_EQ(param("null"), "messages");
  EXPECT_EQ(param("[]"), "messages");
  EXPECT_EQ(param("[5]"), "messages[0]");
  EXPECT_EQ(param(R"([{"content":"x"}])"), "messages[0].role");
  EXPECT_EQ(param(R"([{"role":"function","content":"x"}])"), "messages[0].role");
  EXPECT_EQ(param(R"([{"role":"user"}])"), "messages[0].content");
  EXPECT_EQ(param(R"([{"role":"assistant","content":null}])"), "messages[0].content");
  EXPECT_EQ(param(R"([{"role":"user","content":5}])"), "messages[0].content");
  EXPECT_EQ(param(R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}])"),
            "messages[0].content[0].type");
  EXPECT_EQ(param(R"([{"role":"assistant","tool_calls":[{"function":{}}]}])"),
            "messages[0].tool_calls[0].function.name");
}

TEST(CompletionRequest, NamesWhatIsWrong) {
  const auto param = [](std::string_view body) {
    const auto request = parse_completion_request(body);
    return request.ok() ? "" : request.error().param;
  };
  EXPECT_EQ(param("{}"), "prompt");
  EXPECT_EQ(param(R"({"prompt":[]})"), "prompt");
  EXPECT_EQ(param(R"({"prompt":[1,"a"]})"), "prompt[1]");
  EXPECT_EQ(param(R"({"prompt":["a",1]})"), "prompt[1]");
  EXPECT_EQ(param(R"({"prompt":[[1],[]]})"), "prompt[1]");
  EXPECT_EQ(param(R"({"prompt":"a","echo":true})"), "echo");
  EXPECT_EQ(param(R"({"prompt":"a","echo":false,"suffix":null,"best_of":1})"), "");
  EXPECT_EQ(param(R"({"prompt":"a","suffix":"b"})"), "suffix");
  EXPECT_EQ(param(R"({"prompt":"a","best_of":4,"n":2})"), "best_of");
  EXPECT_EQ(param(R"({"prompt":"a","logprobs":21})"), "logprobs");
}

TEST(ChatRequest, RefusesWhatIsNoJson) {
  for (const char* body :
       {"", "{", "[]", "5", "{\"a\":1}}", "{\"a\":\"\xff\"}", "{\"a\":\"\\ud800\"}"}) {
    const auto request = parse_chat_request(body);
    ASSERT_FALSE(request.ok()) << body;
    EXPECT_EQ(request.error().status, 400);
    EXPECT_EQ(request.error().param, "body");
  }
  const std::string deep(100'000, '[');
  EXPECT_FALSE(parse_chat_request("{\"a\":" + deep).ok());
  std::string closed = std::string(70, '[') + std::string(70, ']');
  EXPECT_FALSE(parse_chat_request(with_messages(",\"x\":" + closed)).ok());
}

TEST(ChatRequest, ManyEntriesTakeNoLongTime) {
  std::string bias = ",\"logit_bias\":{";
  for (int i = 0; i < 150'000; ++i) bias += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":1";
  const auto request = parse_chat_request(with_messages(bias + "}"));
  ASSERT_FALSE(request.ok());
  EXPECT_EQ(request.error().message, "logit_bias: found 150000 entries, expected at most 16384");
}

}  // namespace
}  // namespace weft
