// Answers, letter by letter as OpenAI's reference shows them, and JSON text from any bytes.
#include "api/response.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "api/json_text.h"
#include "model/tokenizer_maker.h"
#include "model/utf8.h"

namespace weft {
namespace {

const Tokenizer& tokenizer() {
  static const Tokenizer kTokenizer = *Tokenizer::from_json(make_tokenizer_json(400, 1), "made");
  return kTokenizer;
}

// The token of one byte.
int32_t id(std::string_view text) { return tokenizer().encode(text, false).front(); }

Sample sample(std::string_view text, float logprob, std::vector<TokenLogprob> top = {}) {
  return {{id(text), logprob}, std::move(top)};
}

const AnswerHead kHead = {"chatcmpl-1", 1700000000, "tiny", "fp_1"};

TEST(ChatResponse, HasOpenAisShape) {
  ChatChoice choice;
  choice.content = "Hi \"you\"\n";
  EXPECT_EQ(chat_response(kHead, std::span(&choice, 1), {9, 3, 8}, tokenizer()),
            R"({"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"tiny",)"
            R"("system_fingerprint":"fp_1","choices":[{"index":0,"message":{"role":"assistant",)"
            R"("content":"Hi \"you\"\n","refusal":null},"logprobs":null,"finish_reason":"stop",)"
            R"("stop_reason":null}],"usage":{"prompt_tokens":9,"completion_tokens":3,)"
            R"("total_tokens":12,"prompt_tokens_details":{"cached_tokens":8}}})");
}

TEST(ChatResponse, HasCallsAndLogprobs) {
  ChatChoice choice;
  choice.index = 1;
  choice.calls = {{"call_1", "get", R"({"city": "Graz"})"}};
  choice.finish = FinishReason::kToolCalls;
  choice.has_logprobs = true;
  choice.samples = {sample("a", -0.5f, {{id("a"), -0.5f}, {id("b"), -2.f}})};
  const auto json =
      nlohmann::json::parse(chat_response(kHead, std::span(&choice, 1), {}, tokenizer()));
  EXPECT_EQ(
      json["choices"][0].dump(),
      R"({"finish_reason":"tool_calls","index":1,"logprobs":{"content":[{"bytes":[97],)"
      R"("logprob":-0.5,"token":"a","top_logprobs":[{"bytes":[97],"logprob":-0.5,"token":"a"},)"
      R"({"bytes":[98],"logprob":-2,"token":"b"}]}],"refusal":null},"message":{"content":null,)"
      R"("refusal":null,"role":"assistant","tool_calls":[{"function":{"arguments":)"
      R"("{\"city\": \"Graz\"}","name":"get"},"id":"call_1","type":"function"}]},)"
      R"("stop_reason":null})");
}

TEST(CompletionResponse, HasOpenAisShape) {
  CompletionChoice choice;
  choice.text = "aé";
  choice.finish = FinishReason::kLength;
  choice.has_logprobs = true;
  choice.samples = {sample("a", -1.f, {{id("a"), -1.f}}),
                    sample("b", -0.25f, {{id("c"), -0.125f}})};
  choice.offsets = {0, 1};
  AnswerHead head = kHead;
  head.id = "cmpl-1";
  head.fingerprint = "";
  EXPECT_EQ(completion_response(head, std::span(&choice, 1), {1, 2, 0}, tokenizer()),
            R"({"id":"cmpl-1","object":"text_completion","created":1700000000,"model":"tiny",)"
            R"("system_fingerprint":null,"choices":[{"index":0,"text":"aé","logprobs":{"tokens":)"
            R"(["a","b"],"token_logprobs":[-1,-0.25],"top_logprobs":[{"a":-1},{"c":-0.125}],)"
            R"("text_offset":[0,1]},"finish_reason":"length","stop_reason":null}],"usage":)"
            R"({"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":)"
            R"({"cached_tokens":0}}})");
}

TEST(ChatChunks, AreServerSentEvents) {
  const std::string head =
      R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,)"
      R"("model":"tiny","system_fingerprint":"fp_1","choices":[)";
  const ChatChunks chunks(kHead, tokenizer(), false);
  std::string out;
  chunks.role(out, 0);
  EXPECT_EQ(out, head + R"({"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,)"
                        R"("finish_reason":null}]})"
                        "\n\n");
  out.clear();
  chunks.content(out, 2, "x\ty");
  EXPECT_EQ(out, head + R"({"index":2,"delta":{"content":"x\ty"},"logprobs":null,)"
                        R"("finish_reason":null}]})"
                        "\n\n");
  out.clear();
  chunks.call(out, 0, 1, {"call_1", "get", "{}"});
  EXPECT_EQ(out, head + R"({"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_1","type":)"
                        R"("function","function":{"name":"get","arguments":"{}"}}]},)"
                        R"("logprobs":null,"finish_reason":null}]})"
                        "\n\n");
  out.clear();
  chunks.finish(out, 0, FinishReason::kStop, "END");
  EXPECT_EQ(out, head + R"({"index":0,"delta":{},"logprobs":null,"finish_reason":"stop",)"
                        R"("stop_reason":"END"}]})"
                        "\n\n");
  out.clear();
  chunks.usage(out, {5, 7, 4});
  EXPECT_EQ(out, head + R"(],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,)"
                        R"("prompt_tokens_details":{"cached_tokens":4}}})"
                        "\n\n");
  out.clear();
  append_done(out);
  EXPECT_EQ(out, "data: [DONE]\n\n");
  out.clear();
  append_stream_error(out, server_error("the device is gone"));
  EXPECT_EQ(out, R"(data: {"error":{"message":"the device is gone","type":"server_error",)"
                 R"("param":null,"code":"internal_error"}})"
                 "\n\n");
}

TEST(ChatChunks, SayThatUsageComes) {
  const ChatChunks chunks(kHead, tokenizer(), true);
  std::string out;
  const Sample one = sample("b", -0.5f);
  const Usage usage = {1, 1, 0};
  chunks.content(out, 0, "b", std::span(&one, 1));
  EXPECT_TRUE(out.ends_with(R"("finish_reason":null}],"usage":null})"
                            "\n\n"))
      << out;
  EXPECT_NE(out.find(R"("logprobs":{"content":[{"token":"b","logprob":-0.5,"bytes":[98],)"
                     R"("top_logprobs":[]}],"refusal":null})"),
            std::string::npos);
  out.clear();
  chunks.content(out, 0, "b", {}, &usage);
  EXPECT_NE(out.find(R"("usage":{"prompt_tokens":1,)"), std::string::npos);
}

TEST(CompletionChunks, AreServerSentEvents) {
  const std::string head =
      R"(data: {"id":"chatcmpl-1","object":"text_completion","created":1700000000,)"
      R"("model":"tiny","system_fingerprint":"fp_1","choices":[)";
  const CompletionChunks chunks(kHead, tokenizer(), false);
  std::string out;
  const Sample one = sample("a", -0.5f, {{id("a"), -0.5f}});
  const int64_t offset = 12;
  chunks.text(out, 0, "a", std::span(&one, 1), std::span(&offset, 1));
  EXPECT_EQ(out, head +
                     R"({"index":0,"text":"a","logprobs":{"tokens":["a"],"token_logprobs":[-0.5],)"
                     R"("top_logprobs":[{"a":-0.5}],"text_offset":[12]},"finish_reason":null}]})"
                     "\n\n");
  out.clear();
  chunks.finish(out, 0, FinishReason::kLength);
  EXPECT_EQ(out, head + R"({"index":0,"text":"","logprobs":null,"finish_reason":"length",)"
                        R"("stop_reason":null}]})"
                        "\n\n");
}

TEST(Models, AreListed) {
  const ModelInfo models[] = {{"tiny", 5, 4096}};
  const std::string one =
      R"({"id":"tiny","object":"model","created":5,"owned_by":"weft","max_model_len":4096})";
  EXPECT_EQ(model_response(models[0]), one);
  EXPECT_EQ(models_response(models), R"({"object":"list","data":[)" + one + "]}");
  const int32_t tokens[] = {1, 22};
  EXPECT_EQ(tokenize_response(tokens, 64), R"({"count":2,"max_model_len":64,"tokens":[1,22]})");
  EXPECT_EQ(detokenize_response("a\"b"), R"({"prompt":"a\"b"})");
}

TEST(ApiErrors, HaveOpenAisShape) {
  EXPECT_EQ(invalid_request("temperature", "too hot").to_json(),
            R"({"error":{"message":"too hot","type":"invalid_request_error","param":)"
            R"("temperature","code":null}})");
  EXPECT_EQ(model_not_found("x").status, 404);
  EXPECT_EQ(model_not_found("x").code, "model_not_found");
  EXPECT_EQ(body_too_large(5).status, 413);
  EXPECT_EQ(rate_limited("full").status, 429);
  EXPECT_EQ(context_exceeded(8, 6, 4, "messages").code, "context_length_exceeded");
  EXPECT_EQ(api_error({ErrorCode::kExhausted, "full"}).status, 429);
  EXPECT_EQ(api_error({ErrorCode::kUnavailable, "down"}).status, 503);
  EXPECT_EQ(api_error(bad_input("wrong"), "n").param, "n");
}

TEST(JsonText, NumbersThatJsonHasNot) {
  std::string out;
  append_json(out, std::numeric_limits<float>::infinity());
  append_json(out, 1.5f);
  append_json(out, int64_t{-3});
  append_json_bytes(out, "");
  EXPECT_EQ(out, "null1.5-3[]");
}

RC_GTEST_PROP(JsonText, AnyBytesBecomeJson, (const std::string& bytes)) {
  std::string out;
  append_json(out, bytes);
  RC_ASSERT(nlohmann::json::parse(out).get<std::string>() == replace_invalid_utf8(bytes));
}

}  // namespace
}  // namespace weft
