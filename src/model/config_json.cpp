// config.json: simdjson's tree walked once, the fields that matter kept.
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "model/config_shape.h"

namespace weft {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr size_t kMaxBytes = 16 << 20;
constexpr int kMaxDepth = 8;

FieldValue convert_list(simdjson::dom::array array) {
  std::vector<int64_t> integers;
  std::vector<std::string> texts;
  for (const element item : array) {
    if (item.type() == element_type::INT64) {
      integers.push_back(item.get_int64().value_unsafe());
    } else if (item.type() == element_type::STRING) {
      texts.emplace_back(item.get_string().value_unsafe());
    } else {
      return ForeignValue{"a list of other things"};
    }
  }
  if (!integers.empty() && !texts.empty()) return ForeignValue{"a mixed list"};
  if (!integers.empty()) return integers;
  return texts;
}

FieldValue convert(element value) {
  switch (value.type()) {
    case element_type::INT64:
      return value.get_int64().value_unsafe();
    case element_type::UINT64:
      return ForeignValue{fmt::format("{}", value.get_uint64().value_unsafe())};
    case element_type::DOUBLE:
      return value.get_double().value_unsafe();
    case element_type::BOOL:
      return value.get_bool().value_unsafe();
    case element_type::STRING:
      return std::string(value.get_string().value_unsafe());
    case element_type::ARRAY:
      return convert_list(value.get_array().value_unsafe());
    case element_type::OBJECT:
      return ForeignValue{"a table"};
    case element_type::NULL_VALUE:
      break;
  }
  return ForeignValue{"null"};
}

bool is_known(std::string_view key) {
  const auto names = config_field_names();
  const auto found = std::lower_bound(
      names.begin(), names.end(), key,
      [](const FieldName& field, std::string_view wanted) { return field.name < wanted; });
  return found != names.end() && found->name == key;
}

bool is_prefix(std::string_view key) {
  return std::any_of(config_field_names().begin(), config_field_names().end(),
                     [&](const FieldName& field) {
                       return field.name.size() > key.size() && field.name.starts_with(key) &&
                              field.name[key.size()] == '.';
                     });
}

// Null means absent, as in Python.
void collect(simdjson::dom::object object, const std::string& prefix, int depth,
             ConfigFields& fields) {
  for (const auto& [name, value] : object) {
    if (value.type() == element_type::NULL_VALUE) continue;
    std::string key = prefix + std::string(name);
    if (is_known(key)) {
      fields.set(std::move(key), convert(value));
    } else if (is_prefix(key)) {
      if (value.type() == element_type::OBJECT && depth < kMaxDepth) {
        collect(value.get_object().value_unsafe(), key + ".", depth + 1, fields);
      } else {
        fields.set(std::move(key), convert(value));  // for whoever expects a table there
      }
    }
  }
}

Error not_json(const std::string& name, std::string_view reason) {
  return bad_input(
      fmt::format("{}: not JSON: {}; expected a Hugging Face config.json", name, reason));
}

}  // namespace

Result<ConfigFields> fields_from_config_json(std::string_view json, const std::string& name) {
  if (json.size() > kMaxBytes) {
    return bad_input(fmt::format("{}: found {} bytes, expected a config.json of at most {}", name,
                                 json.size(), kMaxBytes));
  }
  simdjson::dom::parser parser;
  element document;
  if (const auto error = parser.parse(json.data(), json.size()).get(document)) {
    return not_json(name, simdjson::error_message(error));
  }
  simdjson::dom::object root;
  if (document.get_object().get(root)) return not_json(name, "not an object");

  // Models that also see keep their language part in text_config (Kimi-K2.5); what the outer
  // object says of the same fields stands unless the inner one says more.
  ConfigFields fields(name);
  collect(root, "", 0, fields);
  simdjson::dom::object inner;
  if (!fields.has("hidden_size") && !root["text_config"].get_object().get(inner)) {
    collect(inner, "", 0, fields);
  }
  return fields;
}

Result<ModelShape> shape_from_config_json(std::string_view json, const std::string& name) {
  auto fields = fields_from_config_json(json, name);
  if (!fields) return fields.error();
  auto shape = shape_from_fields(std::move(*fields));
  if (shape.ok()) shape->name = name;
  return shape;
}

}  // namespace weft
