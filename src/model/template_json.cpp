// JSON to template values and back, spelled as Python's json.dumps spells it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "model/json_read.h"
#include "model/template_value.h"
#include "model/utf8.h"

namespace weft {
namespace {

using Kind = TemplateValue::Kind;
using simdjson::dom::element_type;

bool convert(JsonElement element, int depth, TemplateValue& value) {
  if (depth > kMaxValueDepth) return false;
  switch (element.type()) {
    case element_type::INT64:
      value = TemplateValue::integer(element.get_int64().value_unsafe());
      return true;
    case element_type::UINT64:
      value = TemplateValue::number(static_cast<double>(element.get_uint64().value_unsafe()));
      return true;
    case element_type::DOUBLE:
      value = TemplateValue::number(element.get_double().value_unsafe());
      return true;
    case element_type::BOOL:
      value = TemplateValue::boolean(element.get_bool().value_unsafe());
      return true;
    case element_type::STRING:
      value = TemplateValue::text(std::string(element.get_string().value_unsafe()));
      return true;
    case element_type::NULL_VALUE:
      value = TemplateValue::none();
      return true;
    case element_type::ARRAY: {
      TemplateValue::List items;
      const JsonArray array = element.get_array();
      for (const JsonElement item : array) {
        if (!convert(item, depth + 1, items.emplace_back())) return false;
      }
      value = TemplateValue::list(std::move(items));
      return true;
    }
    case element_type::OBJECT:
      break;
  }
  TemplateValue::Dict entries;
  const JsonObject object = element.get_object();
  for (const auto& [key, item] : object) {
    if (!convert(item, depth + 1, entries.emplace_back(std::string(key), TemplateValue()).second)) {
      return false;
    }
  }
  value = TemplateValue::dict(std::move(entries));
  return true;
}

class Writer {
 public:
  explicit Writer(const JsonStyle& style) : style_(style) {}

  bool write(const TemplateValue& value, int level) {
    switch (value.kind()) {
      case Kind::kUndefined:
      case Kind::kHandle:
        wrong_ = value.kind_name();
        return false;
      case Kind::kNone:
        out_ += "null";
        return true;
      case Kind::kBoolean:
        out_ += value.as_boolean() ? "true" : "false";
        return true;
      case Kind::kInteger:
        out_ += fmt::format("{}", value.as_integer());
        return true;
      case Kind::kFloat:
        write_float(value.as_number());
        return true;
      case Kind::kText:
        write_text(value.as_text());
        return true;
      case Kind::kList:
        return write_list(value.as_list(), level);
      case Kind::kDict:
        break;
    }
    return write_dict(value.as_dict(), level);
  }

  std::string take() { return std::move(out_); }
  [[nodiscard]] std::string_view wrong() const { return wrong_; }

 private:
  void write_float(double value) {
    if (std::isnan(value)) {
      out_ += "NaN";
    } else if (std::isinf(value)) {
      out_ += value < 0 ? "-Infinity" : "Infinity";
    } else {
      out_ += python_float(value);
    }
  }

  void write_escape(uint32_t unit) { out_ += fmt::format("\\u{:04x}", unit); }

  void write_character(char32_t code) {
    constexpr std::string_view kShort = "\"\\\n\r\t\b\f";
    constexpr std::string_view kLetters = "\"\\nrtbf";
    const size_t at = code < 0x80 ? kShort.find(static_cast<char>(code)) : std::string_view::npos;
    if (at != std::string_view::npos) {
      out_ += '\\';
      out_ += kLetters[at];
    } else if (code < 0x20 || (style_.ascii && code > 0x7E && code < 0x10000)) {
      write_escape(code);
    } else if (style_.ascii && code >= 0x10000) {
      write_escape(0xD800 + ((code - 0x10000) >> 10));
      write_escape(0xDC00 + ((code - 0x10000) & 0x3FF));
    } else {
      append_utf8(out_, code);
    }
  }

  void write_text(std::string_view text) {
    out_ += '"';
    while (!text.empty()) {
      const Utf8Step step = utf8_step(text);
      write_character(step.code);
      text.remove_prefix(step.bytes);
    }
    out_ += '"';
  }

  void break_line(int level) {
    if (!style_.indent) return;
    out_ += '\n';
    out_.append(static_cast<size_t>(level) * static_cast<size_t>(*style_.indent), ' ');
  }

  bool write_list(const TemplateValue::List& items, int level) {
    if (items.empty()) return out_ += "[]", true;
    out_ += '[';
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      break_line(level + 1);
      if (!write(items[i], level + 1)) return false;
    }
    break_line(level);
    out_ += ']';
    return true;
  }

  bool write_dict(const TemplateValue::Dict& entries, int level) {
    if (entries.empty()) return out_ += "{}", true;
    std::vector<const std::pair<std::string, TemplateValue>*> order;
    for (const auto& entry : entries) order.push_back(&entry);
    if (style_.sort_keys) {
      std::sort(order.begin(), order.end(),
                [](const auto* a, const auto* b) { return a->first < b->first; });
    }
    out_ += '{';
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      break_line(level + 1);
      write_text(order[i]->first);
      out_ += style_.key_separator;
      if (!write(order[i]->second, level + 1)) return false;
    }
    break_line(level);
    out_ += '}';
    return true;
  }

  const JsonStyle& style_;
  std::string out_;
  std::string_view wrong_;
};

}  // namespace

Result<TemplateValue> template_value_from_json(std::string_view json, const std::string& name) {
  simdjson::dom::parser parser;
  JsonElement document;
  if (json.empty()) json = "";  // simdjson copies from a null pointer otherwise
  if (const auto error = parser.parse(json.data(), json.size()).get(document)) {
    return bad_input(fmt::format("{}: not JSON: {}", name, simdjson::error_message(error)));
  }
  TemplateValue value;
  if (!convert(document, 0, value)) {
    return bad_input(fmt::format("{}: found lists and tables more than {} deep, expected fewer",
                                 name, kMaxValueDepth));
  }
  return value;
}

Result<std::string> template_value_to_json(const TemplateValue& value, const JsonStyle& style) {
  Writer writer(style);
  if (!writer.write(value, 0)) {
    return bad_input(fmt::format("found {}, expected what JSON can hold", writer.wrong()));
  }
  return writer.take();
}

}  // namespace weft
