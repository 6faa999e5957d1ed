// Events out of bytes, and chunks out of events.
#include "real/sse_parser.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "real/completion_chunk.h"

namespace weft {

namespace {

std::vector<std::string> events_of(const std::string& bytes, size_t piece) {
  SseParser parser;
  std::vector<std::string> out;
  std::string_view data;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    parser.feed(std::string_view(bytes).substr(at, piece));
    while (parser.next(data)) out.emplace_back(data);
  }
  return out;
}

TEST(SseParser, EveryCutGivesTheSameEvents) {
  const std::string bytes =
      "\xEF\xBB\xBF: hello\r\n\r\ndata: caf\xC3\xA9 \xF0\x9F\x98\x80\n\n"
      "event: x\rid: 1\rdata: two\rdata:lines\r\rdata\r\n\r\nretry: 5\n\ndata: {\"a\": 1}\r\n\r\n";
  const std::vector<std::string> expected = {"caf\xC3\xA9 \xF0\x9F\x98\x80", "two\nlines", "",
                                             "{\"a\": 1}"};
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    EXPECT_EQ(events_of(bytes, piece), expected) << "pieces of " << piece;
  }
}

TEST(SseParser, AnEventWithoutItsBlankLineDoesNotCome) {
  SseParser parser;
  std::string_view data;
  parser.feed("data: one\n");
  EXPECT_FALSE(parser.next(data));
  EXPECT_TRUE(parser.in_event());
  parser.feed("\n");
  ASSERT_TRUE(parser.next(data));
  EXPECT_EQ(data, "one");
  EXPECT_FALSE(parser.next(data));
  EXPECT_FALSE(parser.in_event());
}

TEST(SseParser, WhatNeverEndsOverflows) {
  for (const std::string& line : {std::string("data: 0123456789\n"), std::string("0123456789")}) {
    SseParser parser(1000);
    std::string_view data;
    for (int i = 0; i < 1000; ++i) {
      parser.feed(line);
      ASSERT_FALSE(parser.next(data));
    }
    EXPECT_TRUE(parser.overflowed());
    parser.reset();
    parser.feed("data: again\n\n");
    EXPECT_TRUE(parser.next(data));
  }
}

RC_GTEST_PROP(SseParser, WhatWasWrittenIsRead, (const std::vector<std::string>& texts)) {
  std::string bytes;
  std::vector<std::string> expected;
  for (std::string text : texts) {
    std::erase_if(text, [](char c) { return c == '\n' || c == '\r'; });
    bytes += "data: " + text + "\n\n";
    expected.push_back(text);
  }
  const auto piece = *rc::gen::inRange<size_t>(1, 40);
  RC_ASSERT(events_of(bytes, piece) == expected);
}

TEST(CompletionReader, TellsContentFromWhatOnlyFramesIt) {
  CompletionReader reader;
  const auto content = [&reader](const std::string& choice) {
    const auto chunk = reader.read("{\"choices\":[" + choice + "]}");
    return chunk.ok() && chunk->choice && chunk->content;
  };
  EXPECT_TRUE(content(R"({"text":"a"})"));
  EXPECT_TRUE(content(R"({"delta":{"content":"a"}})"));
  EXPECT_TRUE(content(R"({"delta":{"reasoning_content":"a","content":null}})"));
  EXPECT_TRUE(content(R"({"delta":{"tool_calls":[{"index":0}]}})"));
  EXPECT_FALSE(content(R"({"text":"","finish_reason":"length"})"));
  EXPECT_FALSE(content(R"({"delta":{"role":"assistant","content":""}})"));
  EXPECT_FALSE(content(R"({"delta":{}})"));
}

TEST(CompletionReader, ReadsUsageFinishAndErrors) {
  CompletionReader reader;
  auto chunk =
      reader.read(R"({"choices":[{"text":"","finish_reason":"length"}],"usage":{"prompt_tokens":9,)"
                  R"("completion_tokens":4,"prompt_tokens_details":{"cached_tokens":8}}})");
  ASSERT_TRUE(chunk.ok());
  EXPECT_TRUE(chunk->finished);
  EXPECT_EQ(chunk->prompt_tokens, 9);
  EXPECT_EQ(chunk->completion_tokens, 4);
  EXPECT_EQ(chunk->cached_tokens, 8);
  EXPECT_EQ(reader.read(R"({"error":{"message":"no memory"}})")->error, "no memory");
  EXPECT_EQ(reader.read_error(R"({"detail":"Not Found"})"), "Not Found");
  EXPECT_EQ(reader.read_error("<html>\n"), "<html>.");
  for (const char* wrong : {"<html>", "[1]", "{}", "{\"choices\":3}", "{\"choices\":[}"}) {
    const auto refused = reader.read(wrong);
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_NE(refused.error().message.find(wrong), std::string::npos) << refused.error().message;
  }
}

TEST(CompletionReader, ReadsModelsAndTokenCounts) {
  CompletionReader reader;
  const auto models = reader.read_models(R"({"object":"list","data":[{"id":"a"},{"id":"b"}]})");
  ASSERT_TRUE(models.ok());
  EXPECT_EQ(*models, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(reader.read_models("<html>").ok());
  EXPECT_FALSE(reader.read_models(R"({"data":[{"name":"a"}]})").ok());
  EXPECT_EQ(*reader.read_token_count(R"({"count":12})"), 12);
  EXPECT_EQ(*reader.read_token_count(R"({"tokens":[1,2,3]})"), 3);
  EXPECT_FALSE(reader.read_token_count(R"({"detail":"Not Found"})").ok());
}

}  // namespace

}  // namespace weft
