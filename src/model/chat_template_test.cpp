// Chat templates: what jinja2 renders (tests/reference/template_reference.py wrote it down), the
// sandbox's limits, and errors that name what is not supported.
#include "model/chat_template.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace weft {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TemplateValue json(const std::string& text) {
  auto value = template_value_from_json(text, "context");
  EXPECT_TRUE(value.ok());
  return std::move(*value);
}

Result<std::string> render(std::string_view source, const std::string& context = "{}") {
  auto parsed = ChatTemplate::parse(source);
  if (!parsed.ok()) return parsed.error();
  return parsed->render(json(context), 1767225600);
}

std::string text_of(std::string_view source, const std::string& context = "{}") {
  auto text = render(source, context);
  EXPECT_TRUE(text.ok()) << text.error().message;
  return text.ok() ? std::move(*text) : "";
}

std::string error_of(std::string_view source, const std::string& context = "{}") {
  const auto text = render(source, context);
  EXPECT_FALSE(text.ok()) << *text;
  return text.ok() ? "" : text.error().message;
}

TEST(ChatTemplate, RendersWhatJinjaRenders) {
  const std::string folder = "tests/reference/templates/";
  std::ifstream rows(folder + "expected.jsonl");
  int compared = 0;
  for (std::string line; std::getline(rows, line);) {
    const TemplateValue row = json(line);
    for (const auto& [name, expected] : row.find("expected")->as_dict()) {
      const auto parsed = ChatTemplate::parse(read_file(folder + name));
      ASSERT_TRUE(parsed.ok()) << parsed.error().message;
      const auto text = parsed->render(*row.find("context"));
      const bool refused = expected.is(TemplateValue::Kind::kNone);
      ASSERT_EQ(text.ok(), !refused) << name << ": " << line;
      if (!refused) {
        EXPECT_EQ(*text, expected.as_text()) << name << ": " << line;
      }
      ++compared;
    }
  }
  EXPECT_EQ(compared, 36);
}

TEST(ChatTemplate, TimeIsHandedIn) {
  EXPECT_EQ(text_of("{{ strftime_now('%d %b %Y') }}"), "01 Jan 2026");
  EXPECT_EQ(text_of("{{ strftime_now is defined }} {{ other is defined }}"), "True False");
  EXPECT_NE(error_of("{{ strftime_now('%Q') }}").find("%Q is not supported"), std::string::npos);
}

TEST(ChatTemplate, UnsupportedPartsAreNamedWithTheirLine) {
  EXPECT_EQ(error_of("a\n{% include 'x' %}"),
            "chat template: line 2: the statement \"include\" is not supported");
  EXPECT_EQ(error_of("\n\n{{ 'x' | pprint }}"),
            "chat template: line 3: the filter pprint is not supported");
  EXPECT_EQ(error_of("{{ 1 is weird }}"), "chat template: line 1: the test weird is not supported");
  EXPECT_EQ(error_of("{{ 'x'.encode() }}"),
            "chat template: line 1: the method encode of a string is not supported");
  EXPECT_EQ(error_of("{{ lipsum() }}"),
            "chat template: line 1: the function lipsum is not supported");
  EXPECT_EQ(error_of("{{ [].append(1) }}"),
            "chat template: line 1: the method append of a list is not supported");
}

TEST(ChatTemplate, MistakesAreNamedWithTheirLine) {
  EXPECT_NE(error_of("\n{% if x %}").find("line 2: a block from line 2 without its endif"),
            std::string::npos);
  EXPECT_NE(error_of("{{ x").find("line 1: a tag without its }}"), std::string::npos);
  EXPECT_NE(error_of("{{ 'x }}").find("a string without its end"), std::string::npos);
  EXPECT_NE(error_of(R"({{ '\x{' }})").find("an escape that stands for no"), std::string::npos);
  EXPECT_NE(error_of("{{ (1 }}").find("without its other half"), std::string::npos);
  EXPECT_NE(error_of("{{ x.y }}").find("'x' is undefined"), std::string::npos);
  EXPECT_NE(error_of("{{ 'a' + 1 }}").find("+ between a string and a number"), std::string::npos);
  EXPECT_NE(error_of("{% break %}").find("a break outside a loop"), std::string::npos);
  EXPECT_NE(
      error_of("\n{{ raise_exception('no\nway') }}").find("line 2: the template refuses: no way"),
      std::string::npos);
}

TEST(ChatTemplate, HostileTemplatesEnd) {
  EXPECT_NE(error_of("{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) "
                     "%}x{% endfor %}{% endfor %}{% endfor %}")
                .find("steps"),
            std::string::npos);
  EXPECT_NE(error_of("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}").find("levels of nesting"),
            std::string::npos);
  EXPECT_NE(error_of("{{ 'x' * 99999999999 }}").find("line 1: "), std::string::npos);
  EXPECT_NE(error_of("{{ 'xx' | replace('', 'y' * 1000000) | replace('', 'y' * 1000000) }}")
                .find("line 1: "),
            std::string::npos);
  EXPECT_NE(error_of("{% set ns = namespace(x=[]) %}{% for i in range(99) %}{% set ns.x = [ns.x] "
                     "%}{% endfor %}")
                .find("deep"),
            std::string::npos);
  EXPECT_NE(error_of("{{ " + std::string(5000, '(') + std::string(5000, ')') + " }}")
                .find("levels of nesting"),
            std::string::npos);
  std::string sum = "{{ 1";
  for (int i = 0; i < 5000; ++i) sum += " + 1";
  EXPECT_NE(error_of(sum + " }}").find("levels of nesting"), std::string::npos);
  EXPECT_NE(error_of("{{ range(1000000) }}").find("range() of more than"), std::string::npos);
}

TEST(ChatTemplate, ScopesAreJinjas) {
  EXPECT_EQ(
      text_of("{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = 5 %}{% endfor %}{{ x }}"),
      "111");
  EXPECT_EQ(text_of("{% set x = 1 %}{% macro m(a, b=x) %}{{ a }}{{ b }}{% endmacro %}{% set x = 2 "
                    "%}{{ m(0) }}{{ m(b=3, a=4) }}"),
            "0243");
  EXPECT_EQ(text_of("{% for i in [] %}a{% else %}b{% endfor %}"), "b");
  EXPECT_EQ(text_of("{% if true %}{% set y = 1 %}{% endif %}{{ y }}"), "1");
}

TEST(ChatTemplate, ValuesPrintAsPythonPrintsThem) {
  EXPECT_EQ(text_of("{{ x }}", R"({"x": [1, 1.0, "a'b", null, true, {"k": "\n"}, 1e300]})"),
            "[1, 1.0, \"a'b\", None, True, {'k': '\\n'}, 1e+300]");
  EXPECT_EQ(text_of("{{ x | tojson }}", R"({"x": {"z": "\u0001é\"", "a": 1.5e-7, "l": []}})"),
            R"({"z": "\u0001é\"", "a": 1.5e-07, "l": []})");
}

}  // namespace
}  // namespace weft
