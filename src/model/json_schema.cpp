// Keywords, references and types of a schema; the whole grammar around it.
#include "model/json_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "model/schema_compiler.h"

namespace weft {
namespace {

constexpr size_t kMaxSchemas = 10'000;
constexpr int64_t kMaxCount = 10'000;
constexpr size_t kMaxShown = 60;

constexpr std::string_view kAnnotations[] = {
    "$schema", "$id",      "$comment",   "$anchor",  "$defs",     "definitions", "title",
    "default", "examples", "deprecated", "readOnly", "writeOnly", "description", "example"};
constexpr std::string_view kStringKeywords[] = {"minLength", "maxLength", "pattern", "format"};
constexpr std::string_view kNumberKeywords[] = {"minimum", "maximum", "exclusiveMinimum",
                                                "exclusiveMaximum", "format"};
constexpr std::string_view kArrayKeywords[] = {"items", "prefixItems", "minItems", "maxItems",
                                               "uniqueItems"};
constexpr std::string_view kObjectKeywords[] = {"properties", "required", "additionalProperties",
                                                "minProperties", "maxProperties"};
struct TypeKeywords {
  std::string_view type;
  std::span<const std::string_view> keywords;
};
constexpr TypeKeywords kTypes[] = {{"string", kStringKeywords},
                                   {"number", kNumberKeywords},
                                   {"integer", kNumberKeywords},
                                   {"array", kArrayKeywords},
                                   {"object", kObjectKeywords},
                                   {"boolean", {}},
                                   {"null", {}}};

bool is_annotation(std::string_view keyword) {
  return keyword.starts_with("x-") || std::find(std::begin(kAnnotations), std::end(kAnnotations),
                                                keyword) != std::end(kAnnotations);
}

const TypeKeywords* find_type(std::string_view name) {
  const auto* const type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                        [&](const TypeKeywords& t) { return t.type == name; });
  return type == std::end(kTypes) ? nullptr : type;
}

// One token of a JSON pointer, its ~0 and ~1 undone.
std::string unescaped(std::string_view token) {
  std::string out;
  for (size_t i = 0; i < token.size(); ++i) {
    const bool is_escape =
        token[i] == '~' && i + 1 < token.size() && (token[i + 1] == '0' || token[i + 1] == '1');
    out += is_escape ? (token[++i] == '0' ? '~' : '/') : token[i];
  }
  return out;
}

}  // namespace

std::string compact_json(const TemplateValue& value) {
  JsonStyle style;
  style.item_separator = ",";
  style.key_separator = ":";
  auto text = template_value_to_json(value, style);
  return text ? *std::move(text) : "null";
}

std::string shown_json(const TemplateValue& value) {
  if (value.is(TemplateValue::Kind::kDict)) return "a table";
  if (value.is(TemplateValue::Kind::kList)) return "a list";
  JsonStyle style;
  style.ascii = true;
  const auto text = template_value_to_json(value, style);
  if (!text) return std::string(value.kind_name());
  return text->size() <= kMaxShown ? *text : text->substr(0, kMaxShown) + "...";
}

SchemaCompiler::Rule SchemaCompiler::fail(const std::string& path, std::string_view found,
                                          std::string_view expected) {
  if (error_.empty()) error_ = fmt::format("{}: found {}, expected {}", path, found, expected);
  return rules_.value;
}

SchemaCompiler::Rule SchemaCompiler::fail_value(const std::string& path, const TemplateValue& found,
                                                std::string_view expected) {
  return fail(path, shown_json(found), expected);
}

bool SchemaCompiler::has_only(const TemplateValue& schema, const std::string& path,
                              std::span<const std::string_view> keywords, std::string_view beside) {
  for (const auto& [key, value] : schema.as_dict()) {
    if (is_annotation(key)) continue;
    if (std::find(keywords.begin(), keywords.end(), key) != keywords.end()) continue;
    fail_value(fmt::format("{}.{}", path, key), value,
               fmt::format("no such keyword beside {}: it cannot be held", beside));
    return false;
  }
  return true;
}

int64_t SchemaCompiler::count(const TemplateValue& schema, std::string_view keyword,
                              const std::string& path, int64_t otherwise) {
  const TemplateValue* const value = schema.find(keyword);
  if (value == nullptr) return otherwise;
  const bool is_number = value->is(Kind::kInteger) || value->is(Kind::kFloat);
  const double number = is_number ? value->as_number() : -1;
  if (number >= 0 && number <= kMaxCount &&
      number == static_cast<double>(static_cast<int>(number))) {
    return static_cast<int64_t>(number);
  }
  fail_value(fmt::format("{}.{}", path, keyword), *value,
             fmt::format("a whole number from 0 to {}", kMaxCount));
  return otherwise;
}

SchemaCompiler::Rule SchemaCompiler::accepting_state() {
  const Rule state = b_.add_state();
  b_.accept(state);
  return state;
}

SchemaCompiler::Rule SchemaCompiler::any_of(std::span<const Rule> rules) {
  if (rules.size() == 1) return rules.front();
  const Rule start = b_.add_state();
  const Rule end = accepting_state();
  for (const Rule rule : rules) b_.add_call(start, rule, end);
  return start;
}

Result<GrammarStateId> SchemaCompiler::compile() {
  const Rule start = rule(root_, name_);
  while (!pending_.empty() && !failed()) {
    const Pending next = std::move(pending_.back());
    pending_.pop_back();
    b_.add_call(next.rule, rule(next.schema, next.path), accepting_state());
  }
  for (char& letter : error_) {  // names may hold anything, and messages are one line
    if (static_cast<uint8_t>(letter) < 0x20) letter = ' ';
  }
  if (!error_.empty()) return bad_input(error_);
  return start;
}

SchemaCompiler::Rule SchemaCompiler::rule(const TemplateValue& schema, const std::string& path) {
  if (failed()) return rules_.value;
  if (++schemas_ > kMaxSchemas) {
    return fail(path, fmt::format("more than {} schemas", kMaxSchemas), "fewer");
  }
  if (schema.is(Kind::kBoolean) && schema.as_boolean()) return rules_.value;
  if (!schema.is(Kind::kDict)) return fail_value(path, schema, "a schema that a value can satisfy");
  if (schema.find("$ref") != nullptr) return reference(schema, path);
  if (schema.find("enum") != nullptr || schema.find("const") != nullptr) {
    return enumeration(schema, path);
  }
  for (const std::string_view keyword : {"anyOf", "oneOf", "allOf"}) {
    if (schema.find(keyword) != nullptr) return alternatives(schema, path, keyword);
  }
  return typed(schema, path);
}

const TemplateValue* SchemaCompiler::find_target(std::string_view pointer) const {
  if (!pointer.starts_with('#')) return nullptr;
  pointer.remove_prefix(1);
  const TemplateValue* target = &root_;
  while (target != nullptr && !pointer.empty()) {
    if (pointer.front() != '/') return nullptr;
    pointer.remove_prefix(1);
    const size_t end = std::min(pointer.find('/'), pointer.size());
    const std::string token = unescaped(pointer.substr(0, end));
    pointer.remove_prefix(end);
    if (target->is(Kind::kDict)) {
      target = target->find(token);
    } else if (target->is(Kind::kList)) {
      size_t index = 0;
      const auto [last, error] = std::from_chars(token.data(), token.data() + token.size(), index);
      const bool is_index = error == std::errc() && last == token.data() + token.size();
      const auto& items = target->as_list();
      target = is_index && index < items.size() ? &items[index] : nullptr;
    } else {
      target = nullptr;
    }
  }
  return target;
}

SchemaCompiler::Rule SchemaCompiler::reference(const TemplateValue& schema,
                                               const std::string& path) {
  constexpr std::string_view kOnly[] = {"$ref"};
  if (!has_only(schema, path, kOnly, "$ref")) return rules_.value;
  const TemplateValue& pointer = *schema.find("$ref");
  const TemplateValue* const target =
      pointer.is(Kind::kText) ? find_target(pointer.as_text()) : nullptr;
  if (target == nullptr) {
    return fail_value(path + ".$ref", pointer, "a place in this schema, like \"#/$defs/NAME\"");
  }
  const auto known = references_.find(pointer.as_text());
  if (known != references_.end()) return known->second;
  const Rule entry = b_.add_state();
  references_.emplace(pointer.as_text(), entry);
  pending_.push_back({entry, *target, fmt::format("{}({})", name_, shown_json(pointer))});
  return entry;
}

std::vector<std::string_view> SchemaCompiler::types_of(const TemplateValue& schema,
                                                       const std::string& path) {
  std::vector<std::string_view> types;
  const TemplateValue* const named = schema.find("type");
  const auto add = [&](const TemplateValue& name) {
    const TypeKeywords* type = name.is(Kind::kText) ? find_type(name.as_text()) : nullptr;
    if (type == nullptr) {
      fail_value(path + ".type", name,
                 "string, number, integer, boolean, object, array or null, or a list of them");
    } else if (std::find(types.begin(), types.end(), type->type) == types.end()) {
      types.push_back(type->type);
    }
  };
  if (named != nullptr && named->is(Kind::kList)) {
    for (const TemplateValue& name : named->as_list()) add(name);
    if (types.empty()) fail(path + ".type", "none", "a type at least");
  } else if (named != nullptr) {
    add(*named);
  } else {  // the types that the keywords are for
    for (const TypeKeywords& type : kTypes) {
      if (type.type == "integer") continue;
      const bool is_meant =
          std::any_of(type.keywords.begin(), type.keywords.end(), [&](std::string_view keyword) {
            return keyword != "format" && schema.find(keyword) != nullptr;
          });
      if (is_meant) types.push_back(type.type);
    }
    if (types.empty() && schema.find("format") != nullptr) types.emplace_back("string");
  }
  return types;
}

SchemaCompiler::Rule SchemaCompiler::typed(const TemplateValue& schema, const std::string& path) {
  const auto types = types_of(schema, path);
  std::vector<std::string_view> keywords = {"type"};
  for (const std::string_view name : types) {
    const auto& more = find_type(name)->keywords;
    keywords.insert(keywords.end(), more.begin(), more.end());
  }
  const std::string beside = types.empty() ? "nothing" : fmt::format("type {}", types.front());
  if (failed() || !has_only(schema, path, keywords, beside)) return rules_.value;
  if (types.empty()) return rules_.value;
  std::vector<Rule> rules;
  rules.reserve(types.size());
  for (const std::string_view name : types) rules.push_back(of_type(name, schema, path));
  return any_of(rules);
}

SchemaCompiler::Rule SchemaCompiler::of_type(std::string_view type, const TemplateValue& schema,
                                             const std::string& path) {
  if (type == "string") return string(schema, path);
  if (type == "number") return number(schema, path, false);
  if (type == "integer") return number(schema, path, true);
  if (type == "array") return array(schema, path);
  if (type == "object") return object(schema, path);
  return type == "boolean" ? rules_.boolean : rules_.null;
}

Grammar json_object_grammar() {
  GrammarBuilder builder;
  const JsonRules rules = add_json_rules(builder);
  const GrammarStateId start = builder.add_state();
  const GrammarStateId end = builder.add_state();
  builder.accept(end);
  builder.add_call(add_whitespace(builder, rules, start), rules.object, end);
  return std::move(builder).finish(start).value();
}

Result<Grammar> json_schema_grammar(const TemplateValue& schema, const std::string& name) {
  GrammarBuilder builder;
  const JsonRules rules = add_json_rules(builder);
  const GrammarStateId start = builder.add_state();
  const GrammarStateId before = add_whitespace(builder, rules, start);
  const GrammarStateId end = builder.add_state();
  builder.accept(end);
  const auto rule = SchemaCompiler(builder, rules, schema, name).compile();
  if (!rule) return rule.error();
  builder.add_call(before, *rule, end);
  auto grammar = std::move(builder).finish(start);
  if (!grammar) return bad_input(name + ": " + grammar.error().message);
  return grammar;
}

Result<Grammar> call_grammar(const CallGrammar& calls) {
  GrammarBuilder builder;
  const JsonRules rules = add_json_rules(builder);
  const GrammarStateId start = builder.add_state();
  const GrammarStateId before = builder.add_text(start, calls.begin);
  const GrammarStateId after = builder.add_state();
  for (const CallGrammar::Choice& choice : calls.choices) {
    GrammarStateId rule = rules.object;
    const bool is_any = choice.schema.is(TemplateValue::Kind::kUndefined) ||
                        choice.schema.is(TemplateValue::Kind::kNone);
    if (!is_any) {
      const auto compiled = SchemaCompiler(builder, rules, choice.schema, choice.name).compile();
      if (!compiled) return compiled.error();
      rule = *compiled;
    }
    const GrammarStateId value_end = builder.add_state();
    builder.add_call(builder.add_text(before, choice.prefix), rule, value_end);
    builder.add_empty(builder.add_text(value_end, choice.suffix), after);
  }
  if (calls.many) builder.add_empty(builder.add_text(after, calls.between), before);
  builder.accept(builder.add_text(after, calls.end));
  auto grammar = std::move(builder).finish(start);
  if (!grammar) return bad_input(calls.choices.front().name + ": " + grammar.error().message);
  return grammar;
}

}  // namespace weft
