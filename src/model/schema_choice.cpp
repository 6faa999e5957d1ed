// enum, const, anyOf, oneOf and allOf.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "model/schema_compiler.h"

namespace weft {
namespace {

constexpr size_t kMaxOneOf = 100;
constexpr size_t kMaxCompared = 100'000;  // pairs of values
constexpr int kMaxResolved = 8;

enum KindBits : uint32_t {
  kWhole = 1,
  kBroken = 2,
  kString = 4,
  kBoolean = 8,
  kNull = 16,
  kList = 32,
  kTable = 64,
  kAnyKind = 127,
};

uint32_t kind_bits(const TemplateValue& value) {
  switch (value.kind()) {
    case TemplateValue::Kind::kInteger:
      return kWhole;
    case TemplateValue::Kind::kFloat:
      return std::floor(value.as_number()) == value.as_number() ? kWhole : kBroken;
    case TemplateValue::Kind::kText:
      return kString;
    case TemplateValue::Kind::kBoolean:
      return kBoolean;
    case TemplateValue::Kind::kNone:
      return kNull;
    case TemplateValue::Kind::kList:
      return kList;
    default:
      return kTable;
  }
}

uint32_t type_bits(std::string_view type) {
  if (type == "integer") return kWhole;
  if (type == "number") return kWhole | kBroken;
  if (type == "string") return kString;
  if (type == "boolean") return kBoolean;
  if (type == "null") return kNull;
  if (type == "array") return kList;
  return type == "object" ? kTable : kAnyKind;
}

uint32_t types_bits(const TemplateValue* types) {
  if (types == nullptr) return kAnyKind;
  if (types->is(TemplateValue::Kind::kText)) return type_bits(types->as_text());
  if (!types->is(TemplateValue::Kind::kList)) return kAnyKind;
  uint32_t bits = 0;
  for (const TemplateValue& type : types->as_list()) {
    bits |= type.is(TemplateValue::Kind::kText) ? type_bits(type.as_text()) : kAnyKind;
  }
  return bits;
}

// The values of an enum or a const, nothing for other schemas.
std::optional<TemplateValue::List> values_of(const TemplateValue& schema) {
  if (!schema.is(TemplateValue::Kind::kDict)) return std::nullopt;
  if (const auto* one = schema.find("const")) return TemplateValue::List{*one};
  const auto* many = schema.find("enum");
  if (many == nullptr || !many->is(TemplateValue::Kind::kList)) return std::nullopt;
  return many->as_list();
}

bool have_nothing_in_common(const std::optional<TemplateValue::List>& a,
                            const std::optional<TemplateValue::List>& b) {
  if (!a || !b || a->size() * b->size() > kMaxCompared) return false;
  return std::none_of(a->begin(), a->end(), [&](const TemplateValue& value) {
    return std::find(b->begin(), b->end(), value) != b->end();
  });
}

bool requires_property(const TemplateValue& schema, const std::string& name) {
  const auto* required = schema.find("required");
  if (required == nullptr || !required->is(TemplateValue::Kind::kList)) return false;
  const auto& names = required->as_list();
  return std::find(names.begin(), names.end(), TemplateValue::text(name)) != names.end();
}

}  // namespace

// Texts as a trie, so that those that begin alike are one state for as long as they do.
SchemaCompiler::Rule SchemaCompiler::words(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end());
  const Rule start = b_.add_state();
  const Rule end = accepting_state();
  std::vector<Rule> path = {start};
  std::string_view last;
  for (const std::string& text : texts) {
    const auto [here, there] = std::mismatch(last.begin(), last.end(), text.begin(), text.end());
    path.resize(static_cast<size_t>(there - text.begin()) + 1);
    for (auto letter = there; letter != text.end(); ++letter) {
      const Rule next = b_.add_state();
      b_.add_bytes(path.back(), static_cast<uint8_t>(*letter), static_cast<uint8_t>(*letter), next);
      path.push_back(next);
    }
    b_.add_empty(path.back(), end);
    last = text;
  }
  return start;
}

SchemaCompiler::Rule SchemaCompiler::enumeration(const TemplateValue& schema,
                                                 const std::string& path) {
  const bool is_const = schema.find("const") != nullptr;
  const std::string_view keyword = is_const ? "const" : "enum";
  const std::string_view only[] = {keyword, "type"};
  if (!has_only(schema, path, only, keyword)) return rules_.value;
  const auto values = values_of(schema);
  if (!values) return fail_value(path + ".enum", *schema.find("enum"), "a list of values");
  const uint32_t bits = types_bits(schema.find("type"));
  std::vector<std::string> texts;
  for (const TemplateValue& value : *values) {
    if ((kind_bits(value) & bits) != 0) texts.push_back(compact_json(value));
  }
  if (texts.empty()) {
    return fail(fmt::format("{}.{}", path, keyword), "no value of the schema's type",
                "one at least");
  }
  return words(std::move(texts));
}

SchemaCompiler::Rule SchemaCompiler::alternatives(const TemplateValue& schema,
                                                  const std::string& path,
                                                  std::string_view keyword) {
  const std::string_view only[] = {keyword};
  if (!has_only(schema, path, only, keyword)) return rules_.value;
  const TemplateValue& listed = *schema.find(keyword);
  const std::string here = fmt::format("{}.{}", path, keyword);
  if (!listed.is(Kind::kList) || listed.as_list().empty()) {
    return fail_value(here, listed, "a list of schemas");
  }
  const auto& items = listed.as_list();
  if (keyword == "allOf" && items.size() > 1) {
    return fail(here, fmt::format("{} schemas", items.size()), "one: more cannot be held together");
  }
  if (keyword == "oneOf") check_disjoint(items, here);
  std::vector<Rule> rules;
  for (size_t i = 0; i < items.size() && !failed(); ++i) {
    rules.push_back(rule(items[i], fmt::format("{}[{}]", here, i)));
  }
  return failed() ? rules_.value : any_of(rules);
}

void SchemaCompiler::check_disjoint(const TemplateValue::List& items, const std::string& path) {
  if (items.size() > kMaxOneOf) {
    fail(path, fmt::format("{} schemas", items.size()), fmt::format("at most {}", kMaxOneOf));
  }
  for (size_t i = 0; i < items.size() && !failed(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (are_disjoint(items[i], items[j])) continue;
      fail(path, fmt::format("schemas {} and {} that one value might satisfy both", j, i),
           "schemas that differ in type or in a required property's const or enum, or anyOf");
      return;
    }
  }
}

const TemplateValue& SchemaCompiler::resolved(const TemplateValue& schema) const {
  const TemplateValue* here = &schema;
  for (int i = 0; i < kMaxResolved && here->is(Kind::kDict); ++i) {
    const TemplateValue* pointer = here->find("$ref");
    if (pointer == nullptr || !pointer->is(Kind::kText)) break;
    const TemplateValue* target = find_target(pointer->as_text());
    if (target == nullptr) break;
    here = target;
  }
  return *here;
}

uint32_t SchemaCompiler::kinds(const TemplateValue& schema, int depth) const {
  const TemplateValue& here = resolved(schema);
  if (!here.is(Kind::kDict) || here.find("$ref") != nullptr || depth > kMaxResolved) {
    return kAnyKind;
  }
  if (const auto values = values_of(here)) {
    uint32_t bits = 0;
    for (const TemplateValue& value : *values) bits |= kind_bits(value);
    return bits;
  }
  for (const std::string_view keyword : {"anyOf", "oneOf", "allOf"}) {
    const TemplateValue* items = here.find(keyword);
    if (items == nullptr || !items->is(Kind::kList) || items->as_list().size() > kMaxOneOf)
      continue;
    uint32_t bits = 0;
    for (const TemplateValue& item : items->as_list()) {
      if (bits != kAnyKind) bits |= kinds(item, depth + 1);
    }
    return bits;
  }
  return types_bits(here.find("type"));
}

bool SchemaCompiler::are_disjoint(const TemplateValue& a, const TemplateValue& b) const {
  const uint32_t common = kinds(a, 0) & kinds(b, 0);
  if (common == 0) return true;
  const TemplateValue& first = resolved(a);
  const TemplateValue& second = resolved(b);
  if (have_nothing_in_common(values_of(first), values_of(second))) return true;
  if (common != kTable || !first.is(Kind::kDict) || !second.is(Kind::kDict)) return false;
  const TemplateValue* ours = first.find("properties");
  const TemplateValue* theirs = second.find("properties");
  if (ours == nullptr || theirs == nullptr || !ours->is(Kind::kDict) || !theirs->is(Kind::kDict)) {
    return false;
  }
  for (const auto& [name, schema] : ours->as_dict()) {
    const TemplateValue* other = theirs->find(name);
    if (other == nullptr || !requires_property(first, name) || !requires_property(second, name)) {
      continue;
    }
    if (have_nothing_in_common(values_of(resolved(schema)), values_of(resolved(*other)))) {
      return true;
    }
  }
  return false;
}

}  // namespace weft
