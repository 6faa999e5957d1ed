// Types and ranges, and the sentences for what is neither.
#include "api/fields.h"

#include <fmt/format.h>

#include <cmath>

#include "model/utf8.h"

namespace weft {
namespace {

using Kind = TemplateValue::Kind;
constexpr size_t kMaxShown = 60;

}  // namespace

std::string describe_value(const TemplateValue& value) {
  if (value.is(Kind::kDict)) return "an object";
  if (value.is(Kind::kList)) return value.as_list().empty() ? "an empty array" : "an array";
  if (!value.is(Kind::kText)) {
    const auto text = template_value_to_json(value, {});
    return text ? *text : "nothing";
  }
  const std::string& text = value.as_text();
  if (text.size() <= kMaxShown) return fmt::format("{:?}", text);
  const size_t cut = valid_utf8_bytes(std::string_view(text).substr(0, kMaxShown));
  return fmt::format("{:?}...", text.substr(0, cut));
}

std::optional<int64_t> whole_number(const TemplateValue& value) {
  if (value.is(Kind::kInteger)) return value.as_integer();
  if (!value.is(Kind::kFloat)) return std::nullopt;
  const double number = value.as_number();
  if (!(std::abs(number) < 1e15) || std::floor(number) != number) return std::nullopt;
  return static_cast<int64_t>(number);
}

void FirstError::set(std::string param, std::string_view found, std::string_view expected) {
  if (error_) return;
  std::string message = fmt::format("{}: found {}, expected {}", param, found, expected);
  error_ = invalid_request(std::move(param), std::move(message));
}

const TemplateValue* Fields::any(std::string_view key) const {
  const TemplateValue* value = object_.find(key);
  return value == nullptr || value->is(Kind::kNone) ? nullptr : value;
}

std::optional<bool> Fields::flag(std::string_view key) {
  const TemplateValue* value = any(key);
  if (value == nullptr) return std::nullopt;
  if (value->is(Kind::kBoolean)) return value->as_boolean();
  fail(key, *value, "true or false");
  return std::nullopt;
}

std::optional<double> Fields::number(std::string_view key, double low, double high) {
  const TemplateValue* value = any(key);
  if (value == nullptr) return std::nullopt;
  if (value->is(Kind::kInteger) || value->is(Kind::kFloat)) {
    const double found = value->as_number();
    if (found >= low && found <= high) return found;
  }
  fail(key, *value, fmt::format("a number from {} to {}", low, high));
  return std::nullopt;
}

std::optional<int64_t> Fields::integer(std::string_view key, int64_t low, int64_t high) {
  const TemplateValue* value = any(key);
  if (value == nullptr) return std::nullopt;
  const auto found = whole_number(*value);
  if (found && *found >= low && *found <= high) return found;
  fail(key, *value, fmt::format("a whole number from {} to {}", low, high));
  return std::nullopt;
}

std::optional<std::string> Fields::text(std::string_view key) {
  const TemplateValue* value = any(key);
  if (value == nullptr) return std::nullopt;
  if (value->is(Kind::kText)) return value->as_text();
  fail(key, *value, "a string");
  return std::nullopt;
}

const TemplateValue* Fields::list(std::string_view key, size_t most) {
  const TemplateValue* value = any(key);
  if (value == nullptr) return nullptr;
  if (!value->is(Kind::kList)) {
    fail(key, *value, "an array");
    return nullptr;
  }
  if (value->as_list().size() <= most) return value;
  error_.set(name(key), fmt::format("{} items", value->as_list().size()),
             fmt::format("at most {}", most));
  return nullptr;
}

const TemplateValue* Fields::object(std::string_view key) {
  const TemplateValue* value = any(key);
  if (value == nullptr || value->is(Kind::kDict)) return value;
  fail(key, *value, "an object");
  return nullptr;
}

void Fields::refuse(std::string_view key, std::string_view expected) {
  const TemplateValue* value = any(key);
  if (value != nullptr && value->truth()) fail(key, *value, expected);
}

void Fields::fail(std::string_view key, const TemplateValue& found, std::string_view expected) {
  error_.set(name(key), describe_value(found), expected);
}

void Fields::fail_missing(std::string_view key, std::string_view expected) {
  error_.set(name(key), "nothing", expected);
}

}  // namespace weft
