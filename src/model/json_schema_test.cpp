// Grammars of JSON and of schemas: what they take, what they refuse, and that whatever they let a
// model write satisfies the schema.
#include "model/json_schema.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "model/json_schema_testing.h"

namespace weft {
namespace {

bool schema_takes(std::string_view schema, std::string_view text) {
  const auto grammar = grammar_of(schema);
  EXPECT_TRUE(grammar.ok()) << schema << ": " << grammar.error().message;
  return grammar.ok() && takes(*grammar, text);
}

std::string refusal(std::string_view schema) {
  const auto grammar = grammar_of(schema);
  return grammar.ok() ? "" : grammar.error().message;
}

TEST(JsonGrammar, TakesObjectsAndNothingElse) {
  const Grammar grammar = json_object_grammar();
  for (const char* text :
       {"{}", " {}", "{ }", R"({"a":1})", R"({"a": [1, -0.5e+3, {}, []], "b": {"c": null}})",
        "{\n  \"a\": true,\n  \"b\": false\n}", R"({"\u00e9\ud83d\ude00\n": "é😀"})"}) {
    EXPECT_TRUE(takes(grammar, text)) << text;
  }
  for (const char* text : {"",
                           "[]",
                           "1",
                           "{",
                           "{}x",
                           "{}  ",
                           R"({"a":01})",
                           R"({"a":1,})",
                           R"({a:1})",
                           R"({"a" :1})",
                           "{   }",
                           R"({"a":"\ud83d"})",
                           R"({"a":"\x"})",
                           "{\"a\":\"\xff\"}",
                           "{\"a\":\"\n\"}",
                           R"({"a":1.})",
                           R"({"a":+1})",
                           R"({"a":1e999})",
                           "{\"\xc0\x80\":1}",
                           "{\"\xed\xa0\x80\":1}"}) {
    EXPECT_FALSE(takes(grammar, text)) << text;
  }
}

TEST(JsonSchema, KeepsPropertiesInOrderAndLeavesOptionalOnesOut) {
  constexpr std::string_view kSchema = R"({"type":"object","properties":{"a":{"type":"integer"},
      "b":{"type":"boolean"},"c":{"type":"null"}},"required":["b"]})";
  for (const char* text : {R"({"b":true})", R"({"a":1,"b":true})",
                           R"({"a": 1, "b": false, "c": null})", R"({"b":true,"c":null})"}) {
    EXPECT_TRUE(schema_takes(kSchema, text)) << text;
  }
  for (const char* text : {"{}", R"({"a":1})", R"({"b":true,"a":1})", R"({"b":true,"d":1})",
                           R"({"b":true,})", R"({"b":1})", R"({"b":true,"b":true})"}) {
    EXPECT_FALSE(schema_takes(kSchema, text)) << text;
  }
}

TEST(JsonSchema, OtherKeysAreNoneOfTheKnownOnes) {
  constexpr std::string_view kSchema = R"({"type":"object","properties":{"ab":{"type":"null"},
      "é":{"type":"null"}},"additionalProperties":{"type":"integer"}})";
  for (const char* text : {"{}", R"({"ab":null})", R"({"a":1})", R"({"abc":1,"":2})",
                           R"({"ab":null,"x":1})", R"({"è":1,"é!":3})"}) {
    EXPECT_TRUE(schema_takes(kSchema, text)) << text;
  }
  for (const char* text :
       {R"({"ab":1})", R"({"x":1,"ab":2})", R"({"é":1})", R"({"\u0061b":1})", R"({"x":null})"}) {
    EXPECT_FALSE(schema_takes(kSchema, text)) << text;
  }
}

TEST(JsonSchema, BoundsNumbers) {
  constexpr std::string_view kShare = R"({"type":"number","minimum":0,"maximum":1})";
  for (const char* text : {"0", "1", "0.5", "1.0", "0.000001", "1.000"})
    EXPECT_TRUE(schema_takes(kShare, text)) << text;
  for (const char* text : {"-0.1", "1.01", "2", "10", "-0", "0.", "00", "1e0"})
    EXPECT_FALSE(schema_takes(kShare, text)) << text;
  constexpr std::string_view kAges = R"({"type":"integer","exclusiveMinimum":-12,"maximum":130})";
  for (const char* text : {"-11", "-9", "0", "9", "130", "99"})
    EXPECT_TRUE(schema_takes(kAges, text)) << text;
  for (const char* text : {"-12", "-100", "131", "200", "1000", "1.0"})
    EXPECT_FALSE(schema_takes(kAges, text)) << text;
  EXPECT_TRUE(schema_takes(R"({"type":"integer","minimum":2.5,"exclusiveMaximum":4})", "3"));
  EXPECT_FALSE(schema_takes(R"({"type":"integer","minimum":2.5,"exclusiveMaximum":4})", "4"));
  EXPECT_NE(refusal(R"({"type":"integer","minimum":2.5,"maximum":2.75})"), "");
  EXPECT_TRUE(schema_takes(R"({"type":"integer"})", "-123456789012345678"));
  EXPECT_FALSE(schema_takes(R"({"type":"integer"})", "1234567890123456789"));
}

TEST(JsonSchema, BoundsStringsByCharacters) {
  constexpr std::string_view kSchema = R"({"type":"string","minLength":2,"maxLength":3})";
  for (const char* text : {R"("ab")", R"("abc")", R"("é😀")", R"("\n\ud83d\ude00x")"})
    EXPECT_TRUE(schema_takes(kSchema, text)) << text;
  for (const char* text : {R"("")", R"("a")", R"("abcd")", R"("éééé")"})
    EXPECT_FALSE(schema_takes(kSchema, text)) << text;
  EXPECT_TRUE(schema_takes(R"({"minLength":3})", R"("abcdefgh")"));
  EXPECT_FALSE(schema_takes(R"({"minLength":3})", R"("ab")"));
}

TEST(JsonSchema, HoldsPatternsAndFormats) {
  const auto matches = [](const std::string& pattern, const std::string& text) {
    return schema_takes(Json{{"type", "string"}, {"pattern", pattern}}.dump(), Json(text).dump());
  };
  EXPECT_TRUE(matches("^\\d{3}-[A-Z]+$", "123-AB"));
  EXPECT_FALSE(matches("^\\d{3}-[A-Z]+$", "123-"));
  EXPECT_TRUE(matches("b+", "abbc"));
  EXPECT_FALSE(matches("b+", "ac"));
  EXPECT_TRUE(matches("^a|b$", "axx"));
  EXPECT_TRUE(matches("^a|b$", "xxb"));
  EXPECT_FALSE(matches("^a|b$", "xx"));
  EXPECT_TRUE(matches("^(?:a|bc){2,}?$", "abca"));
  EXPECT_FALSE(matches("^(a|bc){2,3}$", "a"));
  EXPECT_TRUE(matches("^[^\\s\"]\\\\\"\\x41\\u00e9.$", "x\\\"Aé😀"));
  EXPECT_TRUE(matches("^[\\t-\\n]$", "\t"));
  EXPECT_TRUE(matches("^[à-ü]{2}$", "éü"));
  EXPECT_FALSE(matches("^[à-ü]{2}$", "ée"));
  EXPECT_TRUE(matches("^((a*)*)*$", "aaa"));
  EXPECT_TRUE(
      schema_takes(R"({"type":"string","format":"date-time"})", R"("2025-11-30T23:59:01.5Z")"));
  EXPECT_FALSE(schema_takes(R"({"type":"string","format":"date"})", R"("2025-02-30")"));
  EXPECT_TRUE(schema_takes(R"({"type":"string","format":"ipv4"})", R"("10.0.255.1")"));
  EXPECT_TRUE(schema_takes(R"({"type":"string","format":"email"})", R"("a.b@c-d.example.org")"));
  for (const char* pattern : {"(?=a)b", "a(?<n>b)", "\\bx", "(a", "a)", "[a", "a**", "*a", "a{2,1}",
                              "x{1001}", "\\p{L}", "a^b", "a$b"}) {
    EXPECT_NE(refusal(Json{{"type", "string"}, {"pattern", pattern}}.dump()), "") << pattern;
  }
}

TEST(JsonSchema, BoundsArrays) {
  constexpr std::string_view kSchema =
      R"({"type":"array","prefixItems":[{"type":"null"}],"items":{"type":"boolean"},
          "minItems":1,"maxItems":3})";
  for (const char* text : {"[null]", "[null,true]", "[null, true, false]", "[\n  null\n]"})
    EXPECT_TRUE(schema_takes(kSchema, text)) << text;
  for (const char* text : {"[]", "[true]", "[null,null]", "[null,true,true,true]", "[null,]"})
    EXPECT_FALSE(schema_takes(kSchema, text)) << text;
  EXPECT_TRUE(schema_takes(R"({"type":"array","items":{"type":"null"}})", "[null,null,null,null]"));
  EXPECT_TRUE(schema_takes(R"({"type":"array","maxItems":0})", "[]"));
  EXPECT_FALSE(schema_takes(R"({"type":"array","prefixItems":[true],"items":false})", "[1,2]"));
  EXPECT_TRUE(schema_takes(R"({"type":"array","minItems":2})", R"([1,"x",{}])"));
  EXPECT_FALSE(schema_takes(R"({"type":"array","minItems":2})", "[1]"));
}

TEST(JsonSchema, FollowsReferencesThatRecur) {
  constexpr std::string_view kTree = R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object",
      "properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},
      {"type":"null"}]}},
      "required":["v","next"]}}})";
  EXPECT_TRUE(schema_takes(kTree, R"({"v":1,"next":{"v":2,"next":null}})"));
  EXPECT_FALSE(schema_takes(kTree, R"({"v":1,"next":{"v":2}})"));
  std::string deep = "null";
  for (int i = 0; i < 200; ++i) deep = "{\"v\":1,\"next\":" + deep + "}";
  EXPECT_FALSE(schema_takes(kTree, deep));  // deeper than is begun
  EXPECT_TRUE(schema_takes(R"({"items":{"$ref":"#"}})", "[[],[[]]]"));
  EXPECT_TRUE(
      schema_takes(R"({"properties":{"a/b":{"type":"null"},"c":{"$ref":"#/properties/a~1b"}}})",
                   R"({"c":null})"));
}

TEST(JsonSchema, NamesWhatItCannotHold) {
  struct Case {
    std::string_view schema;
    std::string_view message;
  };
  for (const Case& c : {
           Case{R"({"type":"object","properties":{"n":{"type":"integer","multipleOf":5}}})",
                "schema.properties.n.multipleOf: found 5, expected no such keyword beside type "
                "integer: "
                "it cannot be held"},
           Case{R"({"type":"text"})",
                "schema.type: found \"text\", expected string, number, integer, boolean, "
                "object, array or null, or a list of them"},
           Case{R"({"$ref":"#/$defs/x"})",
                "schema.$ref: found \"#/$defs/x\", expected a place in this schema, "
                "like \"#/$defs/NAME\""},
           Case{R"({"$ref":"#"})", "schema: nothing that a model could write satisfies it"},
           Case{R"({"anyOf":[{"$ref":"#"},{"type":"null"}]})",
                "schema: found a $ref that leads to itself, expected something between"},
           Case{R"({"allOf":[{},{}]})",
                "schema.allOf: found 2 schemas, expected one: more cannot be held together"},
           Case{R"({"not":{}})",
                "schema.not: found a table, expected no such keyword beside nothing: it cannot be "
                "held"},
           Case{R"({"type":"array","uniqueItems":true})",
                "schema.uniqueItems: found true, expected false: others cannot be held"},
           Case{R"({"type":"string","format":"hostname"})",
                "schema.format: found \"hostname\", expected date, time, date-time, uuid, ipv4 or "
                "email"},
           Case{R"({"type":"string","maxLength":100000})",
                "schema.maxLength: found 100000, expected a whole number from 0 to 10000"},
           Case{R"({"oneOf":[{"type":"number"},{"type":"integer"}]})",
                "schema.oneOf: found schemas 0 and 1 that one value might satisfy both, expected "
                "schemas that differ in type or in a required property's const or enum, or anyOf"},
           Case{"false", "schema: found false, expected a schema that a value can satisfy"},
           Case{R"({"properties":{},"required":["a"],"additionalProperties":false})",
                "schema.required.a: found false, expected a schema that a value can satisfy"},
           Case{R"({"type":"object","patternProperties":{}})",
                "schema.patternProperties: found a table, expected no such keyword beside type "
                "object: it cannot be held"},
       }) {
    EXPECT_EQ(refusal(c.schema), c.message) << c.schema;
  }
}

TEST(JsonSchema, TakesOneOfWhoseChoicesExcludeEachOther) {
  EXPECT_TRUE(schema_takes(R"({"oneOf":[{"type":"string"},{"type":"null"}]})", "null"));
  constexpr std::string_view kShapes = R"({"oneOf":[
    {"type":"object","properties":{"kind":{"const":"a"},"x":{"type":"null"}},
      "required":["kind","x"]},
    {"$ref":"#/$defs/b"}],
    "$defs":{"b":{"type":"object","properties":{"kind":{"enum":["b","c"]}},"required":["kind"]}}})";
  EXPECT_TRUE(schema_takes(kShapes, R"({"kind":"a","x":null})"));
  EXPECT_TRUE(schema_takes(kShapes, R"({"kind":"c"})"));
  EXPECT_FALSE(schema_takes(kShapes, R"({"kind":"a"})"));
}

TEST(JsonSchema, TakesCalls) {
  CallGrammar calls;
  calls.begin = "<tool_call>\n";
  calls.between = "\n</tool_call>\n<tool_call>\n";
  calls.end = "\n</tool_call>";
  calls.choices = {
      {R"({"name": "f", "arguments": )",
       *template_value_from_json(R"({"properties":{"x":{"type":"null"}},"required":["x"]})", "p"),
       "}", "f"},
      {R"({"name": "fg", "arguments": )", {}, "}", "fg"}};
  const std::string f = R"({"name": "f", "arguments": {"x":null}})";
  const std::string g = R"({"name": "fg", "arguments": {"y": [1]}})";
  const auto one = call_grammar(calls);
  ASSERT_TRUE(one.ok());
  EXPECT_TRUE(takes(*one, calls.begin + f + calls.end));
  EXPECT_TRUE(takes(*one, calls.begin + g + calls.end));
  EXPECT_FALSE(takes(*one, calls.begin + f + calls.between + g + calls.end));
  calls.many = true;
  const auto many = call_grammar(calls);
  EXPECT_TRUE(takes(*many, calls.begin + f + calls.between + g + calls.end));
  EXPECT_FALSE(takes(*many, calls.begin + f + g + calls.end));
}

RC_GTEST_PROP(JsonGrammar, EveryTextParses, (uint64_t seed)) {
  static const Grammar kGrammar = json_object_grammar();
  Random random(seed);
  const std::string text = random_text(kGrammar, random, random.below(300));
  RC_ASSERT(!text.empty());
  RC_ASSERT(Json::parse(text).is_object());
}

RC_GTEST_PROP(JsonSchema, EveryTextSatisfiesTheSchema, (uint64_t seed)) {
  Random random(seed);
  Json schema = random_schema(random, 2, 2);
  schema["$defs"] = {{"0", random_schema(random, 2, 2)}, {"1", random_schema(random, 1, 2)}};
  RC_LOG() << schema.dump();
  const auto grammar = grammar_of(schema.dump());
  if (!grammar.ok()) {
    RC_ASSERT(grammar.error().message.ends_with(
        "a $ref that leads to itself, expected something between"));
    return;
  }
  for (int i = 0; i < 3; ++i) {
    const std::string text = random_text(*grammar, random, random.below(150));
    RC_LOG() << text;
    RC_ASSERT(!text.empty());
    RC_ASSERT(satisfies(Json::parse(text), schema, schema));
  }
}

RC_GTEST_PROP(JsonSchema, TakesWhatItsOwnValuesSpell, (uint64_t seed)) {
  Random random(seed);
  const Json schema = random_schema(random, 2, 0);
  const auto grammar = grammar_of(schema.dump());
  RC_ASSERT(grammar.ok());
  const std::string text = random_text(*grammar, random, 50);
  GrammarMachine machine(*grammar);  // and once more after forgetting everything on the way
  auto set = machine.start();
  for (size_t i = 0; i < text.size(); ++i) {
    if (i % 3 == 0) machine.forget_others(std::span(&set, 1));
    set = machine.step(set, static_cast<uint8_t>(text[i]));
  }
  RC_ASSERT(machine.ends(set));
}

}  // namespace
}  // namespace weft
