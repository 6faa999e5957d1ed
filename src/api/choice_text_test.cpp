// From tokens to what a client sees.
#include "api/choice_text.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>

#include "model/tokenizer_maker.h"

namespace weft {
namespace {

const Tokenizer& tokenizer() {
  static const Tokenizer kTokenizer = [] {
    auto json = nlohmann::json::parse(make_tokenizer_json(400, 1));
    json["added_tokens"].push_back({{"id", 400},
                                    {"content", "<|python_tag|>"},
                                    {"special", true},
                                    {"normalized", false},
                                    {"lstrip", false},
                                    {"rstrip", false},
                                    {"single_word", false}});
    return *Tokenizer::from_json(json.dump(), "made");
  }();
  return kTokenizer;
}

struct Said {
  std::string text;
  size_t calls = 0;
  size_t tokens = 0;  // until it stopped
};

Said say(ChoiceText& choice, std::string_view text) {
  Said said;
  const auto add = [&said](const ToolOutput& output) {
    said.text += output.content;
    said.calls += output.calls.size();
  };
  for (const int32_t token : tokenizer().encode(text, false)) {
    if (choice.has_stopped()) break;
    add(choice.add(token));
    ++said.tokens;
  }
  add(choice.finish());
  return said;
}

TEST(ChoiceText, EndsBeforeAStopString) {
  GenerationOptions options;
  options.stop = {"STOP"};
  ChoiceText choice(tokenizer(), options, ToolFormat::kNone, 1);
  EXPECT_EQ(say(choice, "go on STOP here").text, "go on ");
  EXPECT_TRUE(choice.has_stopped());
  EXPECT_EQ(choice.stop(), "STOP");
  EXPECT_EQ(choice.reason(true), FinishReason::kStop);
}

TEST(ChoiceText, GoesOnWhereNoneComes) {
  GenerationOptions options;
  options.stop = {"STOP"};
  ChoiceText choice(tokenizer(), options, ToolFormat::kNone, 1);
  EXPECT_EQ(say(choice, "go on STO").text, "go on STO");
  EXPECT_EQ(choice.stop(), "");
  EXPECT_EQ(choice.reason(true), FinishReason::kLength);
  EXPECT_EQ(choice.reason(false), FinishReason::kStop);
}

TEST(ChoiceText, StopsCountAfterTheLeastTokens) {
  GenerationOptions options;
  options.stop = {"x"};
  options.min_tokens = 3;
  ChoiceText choice(tokenizer(), options, ToolFormat::kNone, 1);
  const Said said = say(choice, "x\nx\nx\nx");
  EXPECT_EQ(said.text, "x\n");
  EXPECT_EQ(said.tokens, 3u);
}

TEST(ChoiceText, SpecialMarkersOfCallsAreRead) {
  GenerationOptions options;
  ChoiceText choice(tokenizer(), options, ToolFormat::kLlama, 1);
  const Said said = say(choice, "Well <|python_tag|>{\"name\": \"f\", \"parameters\": {}}<|eos|>");
  EXPECT_EQ(said.text, "Well");
  EXPECT_EQ(said.calls, 1u);
  EXPECT_EQ(choice.reason(false), FinishReason::kToolCalls);
  ChoiceText plain(tokenizer(), options, ToolFormat::kNone, 1);
  EXPECT_EQ(say(plain, "Well <|python_tag|>x").text, "Well x");
}

RC_GTEST_PROP(ChoiceText, SaysTheWholeTextWithoutStops, (const std::string& text)) {
  GenerationOptions options;
  options.skip_special_tokens = false;
  ChoiceText choice(tokenizer(), options, ToolFormat::kNone, 1);
  const auto tokens = tokenizer().encode(text, false);
  std::string said;
  for (const int32_t token : tokens) said += choice.add(token).content;
  said += choice.finish().content;
  RC_ASSERT(said == tokenizer().decode(tokens, false));
}

TEST(ChoiceText, CallsAreReadWhereTheyMayCome) {
  const auto format = [](std::string_view more) {
    const auto request = parse_chat_request(
        R"({"messages":[{"role":"user","content":"u"}],"tools":[{"function":{"name":"f"}}])" +
        std::string(more) + "}");
    return answer_format(*request, ToolFormat::kHermes);
  };
  EXPECT_EQ(format(""), ToolFormat::kHermes);
  EXPECT_EQ(format(R"(,"tool_choice":"none")"), ToolFormat::kNone);
  EXPECT_EQ(format(R"(,"response_format":{"type":"json_object"})"), ToolFormat::kNone);
  EXPECT_EQ(format(R"(,"response_format":{"type":"json_object"},"tool_choice":"required")"),
            ToolFormat::kHermes);
}

int32_t token_of_byte(char byte) {
  int32_t id = 0;
  while (tokenizer().token_bytes(id) != std::string_view(&byte, 1)) ++id;
  return id;
}

TEST(ChoiceText, CountsCharactersBeforeEachToken) {
  ChoiceText choice(tokenizer(), {}, ToolFormat::kNone, 1);
  std::vector<int64_t> offsets;
  std::string text;
  for (const char byte : std::string("a\xE6\x9D\xB1\x80\x80z")) {
    offsets.push_back(choice.characters());
    text += choice.add(token_of_byte(byte)).content;
  }
  text += choice.finish().content;
  EXPECT_EQ(text, "a東\uFFFD\uFFFDz");
  EXPECT_EQ(offsets, (std::vector<int64_t>{0, 1, 1, 1, 2, 3, 4}));
}

}  // namespace
}  // namespace weft
