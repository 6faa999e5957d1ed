// Calls of tools in the families' formats, whole and in pieces, and what only looks like one.
#include "api/tool_parser.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/random.h"

namespace weft {
namespace {

// Content, and each call as name(arguments).
struct Parsed {
  std::string content;
  std::vector<std::string> calls;
  bool operator==(const Parsed&) const = default;
};

void add_to(Parsed& parsed, const ToolOutput& output) {
  parsed.content += output.content;
  for (const ToolCall& call : output.calls) {
    EXPECT_EQ(call.id.size(), 29u);
    parsed.calls.push_back(call.name + "(" + call.arguments + ")");
  }
}

Parsed parse(ToolFormat format, std::string_view text, size_t piece = 1000) {
  ToolParser parser(format, 1);
  Parsed parsed;
  for (size_t i = 0; i < text.size(); i += piece) add_to(parsed, parser.add(text.substr(i, piece)));
  add_to(parsed, parser.finish());
  EXPECT_EQ(parser.calls(), parsed.calls.size());
  return parsed;
}

struct Case {
  ToolFormat format;
  std::string_view text;
  Parsed parsed;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {ToolFormat::kHermes, "just text <tool", {"just text <tool", {}}},
      {ToolFormat::kHermes,
       "Let me see.\n<tool_call>\n{\"name\": \"get\", \"arguments\": {\"city\": \"Gr}az\", \"n\": "
       "1.0}}\n</tool_call>",
       {"Let me see.", {"get({\"city\": \"Gr}az\", \"n\": 1.0})"}}},
      {ToolFormat::kHermes,
       "<tool_call>{\"name\":\"a\",\"arguments\":{}}</"
       "tool_call>\n<tool_call>{\"arguments\":\"{\\\"x\\\":1}\",\"name\":\"b\"}</tool_call>\n",
       {"", {"a({})", "b({\"x\":1})"}}},
      {ToolFormat::kHermes, "<tool_call>{\"name\":\"a\"}", {"", {"a({})"}}},
      {ToolFormat::kHermes, "<tool_call>{\"name\":", {"<tool_call>{\"name\":", {}}},
      {ToolFormat::kHermes,
       "x <tool_call>nothing</tool_call> y",
       {"x <tool_call>nothing</tool_call> y", {}}},
      {ToolFormat::kHermes,
       "<tool_call>{\"name\":5}</tool_call>",
       {"<tool_call>{\"name\":5}</tool_call>", {}}},
      {ToolFormat::kLlama,
       "{\"name\": \"get\", \"parameters\": {\"q\": \"{\\\"\"}}",
       {"", {"get({\"q\": \"{\\\"\"})"}}},
      {ToolFormat::kLlama,
       "<|python_tag|>{\"name\": \"get\", \"parameters\": {}}",
       {"", {"get({})"}}},
      {ToolFormat::kLlama,
       "{\"name\":\"a\",\"parameters\":{}}; {\"name\":\"b\",\"parameters\":{}}",
       {"", {"a({})", "b({})"}}},
      {ToolFormat::kLlama,
       "Hello {\"name\":\"a\",\"parameters\":{}}",
       {"Hello {\"name\":\"a\",\"parameters\":{}}", {}}},
      {ToolFormat::kLlama,
       "  {\"a\": [1, {\"b\": 2}]} and so on",
       {"  {\"a\": [1, {\"b\": 2}]} and so on", {}}},
      {ToolFormat::kLlama, "{\"name\": \"cut", {"{\"name\": \"cut", {}}},
      {ToolFormat::kLlama, "<|python_tag|>print(1)", {"<|python_tag|>print(1)", {}}},
      {ToolFormat::kDeepseek,
       "Sure.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get\n```json\n{\"a\":"
       " 1}\n```<｜tool▁call▁end｜>\n"
       "<｜tool▁call▁begin｜>function<｜tool▁sep｜>put\n```json\n{}\n```<｜tool▁call▁end｜><"
       "｜tool▁calls▁end｜>",
       {"Sure.", {"get({\"a\": 1})", "put({})"}}},
      {ToolFormat::kDeepseek,
       "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get<｜tool▁sep｜>{\"a\":[]}<｜tool▁call▁end｜><"
       "｜tool▁calls▁end｜>",
       {"", {"get({\"a\":[]})"}}},
      {ToolFormat::kDeepseek,
       "<｜tool▁call▁begin｜>x<｜tool▁call▁end｜>",
       {"<｜tool▁call▁begin｜>x<｜tool▁call▁end｜>", {}}},
      {ToolFormat::kNone,
       "<tool_call>{\"name\":\"a\"}</tool_call> ",
       {"<tool_call>{\"name\":\"a\"}</tool_call> ", {}}},
  };
  return kCases;
}

TEST(ToolParser, TellsCallsFromText) {
  for (const Case& c : cases()) {
    const Parsed whole = parse(c.format, c.text);
    EXPECT_EQ(whole.content, c.parsed.content) << c.text;
    EXPECT_EQ(whole.calls, c.parsed.calls) << c.text;
  }
}

RC_GTEST_PROP(ToolParser, TellsTheSameHoweverTextComes, (uint64_t seed)) {
  Random random(seed);
  const Case& c = cases()[random.below(cases().size())];
  std::string text(c.text);
  if (random.below(2) == 0) text += cases()[random.below(cases().size())].text;
  if (random.below(2) == 0) text.erase(random.below(text.size()), random.below(9));
  RC_LOG() << text;
  RC_ASSERT(parse(c.format, text, 1 + random.below(7)) == parse(c.format, text));
}

TEST(ToolParser, TextGoesOutAsItComes) {
  ToolParser parser(ToolFormat::kHermes, 1);
  EXPECT_EQ(parser.add("Hello").content, "Hello");
  EXPECT_EQ(parser.add(" <").content, "");
  EXPECT_EQ(parser.add("b>").content, " <b>");
  EXPECT_EQ(parser.add("<tool_call>").content, "");
  EXPECT_TRUE(parser.add("{\"name\":\"f\"}").calls.empty());
  const auto output = parser.add("</tool_call>");
  ASSERT_EQ(output.calls.size(), 1u);
  EXPECT_NE(output.calls[0].id, ToolParser(ToolFormat::kHermes, 2)
                                    .add("<tool_call>{\"name\":\"f\"}</tool_call>")
                                    .calls[0]
                                    .id);
}

TEST(ToolFormat, IsToldFromTheTemplate) {
  EXPECT_EQ(tool_format_of("{{ '<tool_call>\\n{\"name\": ' }}"), ToolFormat::kHermes);
  EXPECT_EQ(tool_format_of("<tool_call>\n<function=example>"), ToolFormat::kNone);
  EXPECT_EQ(tool_format_of("{{- '<|python_tag|>' }}"), ToolFormat::kLlama);
  EXPECT_EQ(tool_format_of("{'role': 'ipython'} {\"parameters\": }"), ToolFormat::kLlama);
  EXPECT_EQ(tool_format_of("{{'<｜tool▁calls▁begin｜>'}}"), ToolFormat::kDeepseek);
  EXPECT_EQ(tool_format_of("{% for m in messages %}{% endfor %}"), ToolFormat::kNone);
}

}  // namespace
}  // namespace weft
