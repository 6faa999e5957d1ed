// Objects of a schema: its properties in their order, then others where it says so.
#include <fmt/format.h>

#include <algorithm>

#include "model/schema_compiler.h"

namespace weft {
namespace {

// UTF-8 by the bytes that are still to come: 0 is between characters; `"`, `\` and controls are
// left out.
struct CharacterStep {
  int from;
  uint8_t low;
  uint8_t high;
  int to;
};
constexpr CharacterStep kCharacterSteps[] = {
    {0, 0x20, 0x21, 0}, {0, 0x23, 0x5B, 0}, {0, 0x5D, 0x7F, 0}, {0, 0xC2, 0xDF, 1},
    {0, 0xE0, 0xE0, 4}, {0, 0xE1, 0xEC, 2}, {0, 0xED, 0xED, 5}, {0, 0xEE, 0xEF, 2},
    {0, 0xF0, 0xF0, 6}, {0, 0xF1, 0xF3, 3}, {0, 0xF4, 0xF4, 7}, {1, 0x80, 0xBF, 0},
    {2, 0x80, 0xBF, 1}, {3, 0x80, 0xBF, 2}, {4, 0xA0, 0xBF, 1}, {5, 0x80, 0x9F, 1},
    {6, 0x90, 0xBF, 2}, {7, 0x80, 0x8F, 2}};

struct NameNode {
  std::map<uint8_t, size_t> next;
  bool is_name = false;
};

}  // namespace

SchemaCompiler::Rule SchemaCompiler::object(const TemplateValue& schema, const std::string& path) {
  const TemplateValue* const additional = schema.find("additionalProperties");
  const bool is_open = additional != nullptr
                           ? !additional->is(Kind::kBoolean) || additional->as_boolean()
                           : schema.find("properties") == nullptr;
  const auto known = properties_of(schema, path, additional);
  const auto required =
      std::count_if(known.begin(), known.end(), [](auto& p) { return p.required; });
  if (count(schema, "minProperties", path, 0) > required) {
    return fail_value(path + ".minProperties", *schema.find("minProperties"),
                      fmt::format("at most {}, which are required", required));
  }
  const auto most = static_cast<int64_t>(known.size());
  if (schema.find("maxProperties") != nullptr &&
      (is_open || count(schema, "maxProperties", path, most) < most)) {
    return fail_value(path + ".maxProperties", *schema.find("maxProperties"),
                      "at least as many as can come");
  }
  if (failed()) return rules_.value;
  if (!is_open) return properties(known, std::nullopt);
  const Rule other =
      additional == nullptr ? rules_.value : rule(*additional, path + ".additionalProperties");
  if (known.empty() && other == rules_.value) return rules_.object;
  return properties(known, other);
}

std::vector<SchemaCompiler::Property> SchemaCompiler::properties_of(
    const TemplateValue& schema, const std::string& path, const TemplateValue* additional) {
  std::vector<Property> out;
  std::map<std::string, size_t> places;
  if (const TemplateValue* listed = schema.find("properties")) {
    if (!listed->is(Kind::kDict)) {
      fail_value(path + ".properties", *listed, "a table of schemas");
      return out;
    }
    for (const auto& [name, value] : listed->as_dict()) {
      places[name] = out.size();
      out.push_back({name, value, fmt::format("{}.properties.{}", path, name)});
    }
  }
  const TemplateValue* const required = schema.find("required");
  if (required == nullptr) return out;
  if (!required->is(Kind::kList)) {
    fail_value(path + ".required", *required, "a list of names");
    return out;
  }
  for (const TemplateValue& item : required->as_list()) {
    if (!item.is(Kind::kText)) {
      fail_value(path + ".required", item, "a name");
      return out;
    }
    const auto [place, is_new] = places.emplace(item.as_text(), out.size());
    if (is_new) {
      out.push_back({item.as_text(),
                     additional == nullptr ? TemplateValue::boolean(true) : *additional,
                     path + ".required." + item.as_text()});
    }
    out[place->second].required = true;
  }
  return out;
}

// One state before each key, whatever came before it; optional keys may be passed over.
SchemaCompiler::Rule SchemaCompiler::properties(const std::vector<Property>& known,
                                                std::optional<Rule> additional) {
  const Rule start = b_.add_state();
  const Rule end = accepting_state();
  std::vector<Rule> keys;
  for (size_t i = 0; i <= known.size(); ++i) keys.push_back(b_.add_state());
  size_t optional_from = known.size();  // all from here on may be left out
  while (optional_from > 0 && !known[optional_from - 1].required) --optional_from;

  const Rule first = add_whitespace(b_, rules_, b_.add_text(start, "{"));
  b_.add_empty(first, keys[0]);
  if (optional_from == 0) b_.add_text(first, "}", end);
  const auto add_member = [&](Rule colon, Rule value, size_t next) {
    const Rule after = b_.add_state();
    b_.add_call(add_whitespace(b_, rules_, colon), value, after);
    if (next >= optional_from) b_.add_text(add_whitespace(b_, rules_, after), "}", end);
    if (next < known.size() || additional) {
      b_.add_empty(add_whitespace(b_, rules_, b_.add_text(after, ",")), keys[next]);
    }
  };
  for (size_t i = 0; i < known.size() && !failed(); ++i) {
    const std::string key = compact_json(TemplateValue::text(known[i].name)) + ":";
    add_member(b_.add_text(keys[i], key), rule(known[i].schema, known[i].path), i + 1);
    if (!known[i].required) b_.add_empty(keys[i], keys[i + 1]);
  }
  if (additional && !failed()) {
    const Rule after_key = b_.add_state();
    b_.add_call(keys.back(), other_key(known), after_key);
    add_member(b_.add_text(after_key, ":"), *additional, known.size());
  }
  return start;
}

// Any key but the known ones, without escapes, so that none is a known one in another spelling.
SchemaCompiler::Rule SchemaCompiler::other_key(const std::vector<Property>& known) {
  std::vector<NameNode> nodes(1);
  for (const Property& property : known) {
    size_t node = 0;
    for (const char letter : property.name) {
      const auto [place, is_new] =
          nodes[node].next.emplace(static_cast<uint8_t>(letter), nodes.size());
      node = place->second;
      if (is_new) nodes.emplace_back();
    }
    nodes[node].is_name = true;
  }
  const size_t outside = nodes.size();  // no longer the beginning of a name
  nodes.emplace_back();
  const Rule start = b_.add_state();
  const Rule end = accepting_state();
  std::map<std::pair<size_t, int>, Rule> states;
  std::vector<std::pair<size_t, int>> pending;
  const auto state_of = [&](size_t node, int place) {
    const auto [found, is_new] = states.emplace(std::pair(node, place), 0);
    if (is_new) {
      found->second = b_.add_state();
      pending.emplace_back(node, place);
    }
    return found->second;
  };
  b_.add_bytes(start, '"', '"', state_of(0, 0));
  while (!pending.empty()) {
    const auto [node, place] = pending.back();
    pending.pop_back();
    const Rule from = state_of(node, place);
    if (place == 0 && !nodes[node].is_name) b_.add_bytes(from, '"', '"', end);
    for (const CharacterStep& step : kCharacterSteps) {
      if (step.from != place) continue;
      int low = step.low;  // what no name goes on with, between its letters
      for (auto next = nodes[node].next.lower_bound(step.low);
           next != nodes[node].next.end() && next->first <= step.high; ++next) {
        b_.add_bytes(from, next->first, next->first, state_of(next->second, step.to));
        if (low < next->first) {
          b_.add_bytes(from, static_cast<uint8_t>(low), static_cast<uint8_t>(next->first - 1),
                       state_of(outside, step.to));
        }
        low = next->first + 1;
      }
      if (low <= step.high) {
        b_.add_bytes(from, static_cast<uint8_t>(low), step.high, state_of(outside, step.to));
      }
    }
  }
  return start;
}

}  // namespace weft
