// For tests of grammars: whether a grammar takes a text, a random text of it, random schemas, and a
// validator that shares nothing with the compiler.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "model/grammar_machine.h"
#include "model/json_schema.h"

namespace weft {

using Json = nlohmann::ordered_json;

inline bool takes(const Grammar& grammar, std::string_view text) {
  GrammarMachine machine(grammar);
  auto set = machine.start();
  for (const char letter : text) set = machine.step(set, static_cast<uint8_t>(letter));
  return machine.ends(set);
}

inline Result<Grammar> grammar_of(std::string_view schema) {
  const auto value = template_value_from_json(schema, "schema");
  if (!value) return value.error();
  return json_schema_grammar(*value, "schema");
}

// Any byte that fits, again and again; from `hurry` bytes on those that lead to an end. Empty when
// nothing fitted, or the text has not ended after 20,000 bytes.
inline std::string random_text(const Grammar& grammar, Random& random, size_t hurry) {
  constexpr std::string_view kQuickest = "\"]}0123456789ntf,: ";
  GrammarMachine machine(grammar);
  auto set = machine.start();
  std::string text;
  while (text.size() < 20'000) {
    if (machine.ends(set) && (text.size() >= hurry || random.below(4) == 0)) return text;
    std::vector<uint8_t> fitting;
    for (int byte = 0; byte < 256; ++byte) {
      if (machine.step(set, static_cast<uint8_t>(byte)) != GrammarMachine::kDead) {
        fitting.push_back(static_cast<uint8_t>(byte));
      }
    }
    if (fitting.empty()) return machine.ends(set) ? text : "";
    uint8_t byte = fitting[random.below(fitting.size())];
    if (random.below(8) < (text.size() >= hurry ? 7 : 3)) {
      const auto quick = std::find_if(kQuickest.begin(), kQuickest.end(), [&](char letter) {
        return machine.step(set, static_cast<uint8_t>(letter)) != GrammarMachine::kDead;
      });
      if (quick != kQuickest.end()) byte = static_cast<uint8_t>(*quick);
    }
    set = machine.step(set, byte);
    text += static_cast<char>(byte);
  }
  return "";
}

inline Json random_scalar_schema(Random& random) {
  const auto number = [&] { return static_cast<double>(random.below(4000)) / 8 - 200; };
  switch (random.below(8)) {
    case 0:
      return {{"type", random.below(2) == 0 ? "string" : "number"}};
    case 1: {
      const auto least = random.below(4);
      return {{"type", "string"}, {"minLength", least}, {"maxLength", least + random.below(5)}};
    }
    case 2: {
      static const std::vector<std::string> kPatterns = {
          "^[a-c]+$", "x|^y", "^(ab|c){2,3}\\d?$", "^[^a-z\"]*z$", "\\w{2}", "^(a?b*)*$"};
      return {{"type", "string"}, {"pattern", kPatterns[random.below(kPatterns.size())]}};
    }
    case 3:
      return {{"type", "integer"}, {"minimum", number()}, {"exclusiveMaximum", 300}};
    case 4: {
      const double low = number();
      return {{"type", "number"}, {"exclusiveMinimum", low}, {"maximum", low + 0.25}};
    }
    case 5:
      return {{"type", {"boolean", "null"}}, {"title", "annotated"}};
    case 6:
      return {{"enum", {1, "one\n\"x\"", nullptr, {{"a", {1, 2}}}, 1.5}}};
    default:
      return {{"const", "\u00e9t\u00e9"}};
  }
}

// `names` are below $defs of the root and may be referred to where the schema can end without them.
inline Json random_schema(Random& random, int depth, int names) {
  if (depth == 0) return random_scalar_schema(random);
  switch (random.below(7)) {
    case 0:
    case 1: {
      Json out = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
      static const std::vector<std::string> kNames = {"a", "ab", "b", "\u00fc", "q\"uote", "c d"};
      for (const auto& name : kNames) {
        if (random.below(2) == 0) continue;
        out["properties"][name] = random_schema(random, depth - 1, names);
        if (random.below(2) == 0) out["required"].push_back(name);
      }
      if (random.below(2) == 0) out["additionalProperties"] = random_scalar_schema(random);
      return out;
    }
    case 2: {
      Json out = {{"type", "array"}, {"items", random_schema(random, depth - 1, names)}};
      if (random.below(2) == 0) out["minItems"] = random.below(3);
      if (random.below(2) == 0) out["maxItems"] = 2 + random.below(3);
      return out;
    }
    case 3: {
      Json out = {{"type", "array"}, {"prefixItems", Json::array()}};
      for (auto i = random.below(3); i-- > 0;) {
        out["prefixItems"].push_back(random_schema(random, depth - 1, names));
      }
      if (random.below(2) == 0) out["items"] = random_schema(random, depth - 1, names);
      return out;
    }
    case 4:
      return {{"anyOf",
               {random_schema(random, depth - 1, names), random_schema(random, depth - 1, names)}}};
    case 5:
      if (names == 0) return random_scalar_schema(random);
      return {{"anyOf",
               {{{"$ref", "#/$defs/" + std::to_string(random.below(names))}}, {{"type", "null"}}}}};
    default:
      return random_scalar_schema(random);
  }
}

inline int64_t code_points(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xC0) != 0x80; });
}

inline bool is_of_type(const Json& value, const std::string& type) {
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  return type == value.type_name();
}

// Whether `value` satisfies `schema`, whose $refs lead into `root`: what random_schema() makes.
inline bool satisfies(const Json& value, const Json& schema, const Json& root) {
  if (schema.is_boolean()) return schema.get<bool>();
  if (schema.contains("$ref")) {
    const auto pointer = schema["$ref"].get<std::string>().substr(1);
    return satisfies(value, root.at(Json::json_pointer(pointer)), root);
  }
  if (schema.contains("anyOf")) {
    return std::any_of(schema["anyOf"].begin(), schema["anyOf"].end(),
                       [&](const Json& one) { return satisfies(value, one, root); });
  }
  if (schema.contains("const")) return value == schema["const"];
  if (schema.contains("enum")) {
    return std::find(schema["enum"].begin(), schema["enum"].end(), value) != schema["enum"].end();
  }
  const Json types = schema["type"].is_array() ? schema["type"] : Json::array({schema["type"]});
  if (std::none_of(types.begin(), types.end(),
                   [&](const Json& type) { return is_of_type(value, type.get<std::string>()); })) {
    return false;
  }
  const auto limit = [&](const char* keyword, double otherwise) {
    return schema.value(keyword, otherwise);
  };
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    const auto length = static_cast<double>(code_points(text));
    if (length < limit("minLength", 0) || length > limit("maxLength", 1e9)) return false;
    return !schema.contains("pattern") ||
           std::regex_search(text, std::regex(schema["pattern"].get<std::string>()));
  }
  if (value.is_number()) {
    const auto number = value.get<double>();
    return number >= limit("minimum", -1e300) && number <= limit("maximum", 1e300) &&
           number > limit("exclusiveMinimum", -1e300) && number < limit("exclusiveMaximum", 1e300);
  }
  if (value.is_array()) {
    const auto size = static_cast<double>(value.size());
    if (size < limit("minItems", 0) || size > limit("maxItems", 1e9)) return false;
    const Json prefix = schema.value("prefixItems", Json::array());
    for (size_t i = 0; i < value.size(); ++i) {
      const Json item = i < prefix.size() ? prefix[i] : schema.value("items", Json(true));
      if (!satisfies(value[i], item, root)) return false;
    }
  }
  if (!value.is_object()) return true;
  for (const Json& name : schema.value("required", Json::array())) {
    if (!value.contains(name.get<std::string>())) return false;
  }
  for (const auto& [key, member] : value.items()) {
    const bool is_known = schema["properties"].contains(key);
    const Json of =
        is_known ? schema["properties"][key] : schema.value("additionalProperties", Json(true));
    if (!satisfies(member, of, root)) return false;
  }
  return true;
}

}  // namespace weft
