// Python's truth, equality and spelling of values.
#include "model/template_value.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <cmath>

#include "model/utf8.h"

namespace weft {
namespace {

using Kind = TemplateValue::Kind;

int deepest(int depth, const TemplateValue& item) { return std::max(depth, item.depth() + 1); }

bool is_printable(char32_t code) {
  if (code == ' ') return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

std::string repr_character(char32_t code) {
  if (code == '\n') return "\\n";
  if (code == '\r') return "\\r";
  if (code == '\t') return "\\t";
  if (code < 0x100) return fmt::format("\\x{:02x}", static_cast<uint32_t>(code));
  if (code < 0x10000) return fmt::format("\\u{:04x}", static_cast<uint32_t>(code));
  return fmt::format("\\U{:08x}", static_cast<uint32_t>(code));
}

std::string repr_text(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  std::string result(1, quote);
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    const auto code = step.code;
    if (code == static_cast<char32_t>(quote) || code == '\\') {
      result += '\\';
      result += static_cast<char>(code);
    } else if (is_printable(code)) {
      append_utf8(result, code);
    } else {
      result += repr_character(code);
    }
    text.remove_prefix(step.bytes);
  }
  return result + quote;
}

}  // namespace

TemplateValue TemplateValue::undefined(std::string what) {
  TemplateValue result;
  result.state_ = Undefined{std::make_shared<const std::string>(std::move(what))};
  return result;
}

TemplateValue TemplateValue::none() {
  TemplateValue result;
  result.state_ = None{};
  return result;
}

TemplateValue TemplateValue::boolean(bool value) {
  TemplateValue result;
  result.state_ = value;
  return result;
}

TemplateValue TemplateValue::integer(int64_t value) {
  TemplateValue result;
  result.state_ = value;
  return result;
}

TemplateValue TemplateValue::number(double value) {
  TemplateValue result;
  result.state_ = value;
  return result;
}

TemplateValue TemplateValue::text(std::string value) {
  TemplateValue result;
  result.state_ = std::make_shared<const std::string>(std::move(value));
  return result;
}

TemplateValue TemplateValue::list(List items, bool is_tuple) {
  int depth = 1;
  for (const TemplateValue& item : items) depth = deepest(depth, item);
  TemplateValue result;
  result.state_ = std::make_shared<const ListData>(ListData{std::move(items), depth, is_tuple});
  return result;
}

TemplateValue TemplateValue::dict(Dict entries) {
  int depth = 1;
  std::vector<uint32_t> order(entries.size());  // by key, of equal ones in their order
  for (uint32_t i = 0; i < order.size(); ++i) {
    order[i] = i;
    depth = deepest(depth, entries[i].second);
  }
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const int compared = entries[a].first.compare(entries[b].first);
    return compared != 0 ? compared < 0 : a < b;
  });
  std::vector<bool> repeats(entries.size());
  for (size_t first = 0, next = 1; next < order.size(); ++next) {
    if (entries[order[next]].first != entries[order[first]].first) {
      first = next;
      continue;
    }
    entries[order[first]].second = std::move(entries[order[next]].second);
    repeats[order[next]] = true;
  }
  size_t kept = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (repeats[i]) continue;
    if (kept != i) entries[kept] = std::move(entries[i]);
    ++kept;
  }
  entries.resize(kept);
  TemplateValue result;
  result.state_ = std::make_shared<const DictData>(DictData{std::move(entries), depth});
  return result;
}

TemplateValue TemplateValue::handle(Handle value) {
  TemplateValue result;
  result.state_ = value;
  return result;
}

bool TemplateValue::is_tuple() const {
  return is(Kind::kList) && std::get<std::shared_ptr<const ListData>>(state_)->is_tuple;
}

int64_t TemplateValue::as_integer() const {
  return is(Kind::kBoolean) ? static_cast<int64_t>(as_boolean()) : std::get<int64_t>(state_);
}

double TemplateValue::as_number() const {
  return is(Kind::kFloat) ? std::get<double>(state_) : static_cast<double>(as_integer());
}

const std::string& TemplateValue::as_text() const {
  return *std::get<std::shared_ptr<const std::string>>(state_);
}

const TemplateValue::List& TemplateValue::as_list() const {
  return std::get<std::shared_ptr<const ListData>>(state_)->items;
}

const TemplateValue::Dict& TemplateValue::as_dict() const {
  return std::get<std::shared_ptr<const DictData>>(state_)->entries;
}

std::string_view TemplateValue::undefined_name() const {
  const auto& name = std::get<Undefined>(state_).name;
  return name == nullptr ? std::string_view("a value is undefined") : std::string_view(*name);
}

const TemplateValue* TemplateValue::find(std::string_view key) const {
  for (const auto& [name, value] : as_dict()) {
    if (name == key) return &value;
  }
  return nullptr;
}

bool TemplateValue::truth() const {
  switch (kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBoolean:
      return as_boolean();
    case Kind::kInteger:
    case Kind::kFloat:
      return as_number() != 0;
    case Kind::kText:
      return !as_text().empty();
    case Kind::kList:
      return !as_list().empty();
    case Kind::kDict:
      return !as_dict().empty();
    case Kind::kHandle:
      break;
  }
  return true;
}

int TemplateValue::depth() const {
  if (is(Kind::kList)) return std::get<std::shared_ptr<const ListData>>(state_)->depth;
  if (is(Kind::kDict)) return std::get<std::shared_ptr<const DictData>>(state_)->depth;
  return 0;
}

std::string_view TemplateValue::kind_name() const {
  switch (kind()) {
    case Kind::kUndefined:
      return "an undefined value";
    case Kind::kNone:
      return "none";
    case Kind::kBoolean:
      return "a boolean";
    case Kind::kInteger:
    case Kind::kFloat:
      return "a number";
    case Kind::kText:
      return "a string";
    case Kind::kList:
      return "a list";
    case Kind::kDict:
      return "a mapping";
    case Kind::kHandle:
      break;
  }
  constexpr std::string_view kHandles[] = {"a namespace", "a loop", "a macro", "a function"};
  return kHandles[static_cast<int>(as_handle().kind)];
}

std::string TemplateValue::str() const {
  if (is(Kind::kText)) return as_text();
  if (is(Kind::kUndefined)) return "";
  return repr();
}

std::string TemplateValue::repr() const {
  switch (kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "None";
    case Kind::kBoolean:
      return as_boolean() ? "True" : "False";
    case Kind::kInteger:
      return fmt::format("{}", as_integer());
    case Kind::kFloat:
      return python_float(as_number());
    case Kind::kText:
      return repr_text(as_text());
    case Kind::kHandle:
      return fmt::format("<{}>", kind_name());
    case Kind::kList:
    case Kind::kDict:
      break;
  }
  std::string result;
  const auto separate = [&] { result += result.empty() ? "" : ", "; };
  if (is(Kind::kDict)) {
    for (const auto& [key, value] : as_dict()) {
      separate();
      result += repr_text(key) + ": " + value.repr();
    }
    return fmt::format("{{{}}}", result);
  }
  for (const TemplateValue& item : as_list()) {
    separate();
    result += item.repr();
  }
  if (!is_tuple()) return fmt::format("[{}]", result);
  return fmt::format("({}{})", result, as_list().size() == 1 ? "," : "");
}

bool TemplateValue::operator==(const TemplateValue& other) const {
  if (is_whole() && other.is_whole()) return as_integer() == other.as_integer();
  if (is_number() && other.is_number()) return as_number() == other.as_number();
  if (kind() != other.kind()) return false;
  switch (kind()) {
    case Kind::kText:
      return as_text() == other.as_text();
    case Kind::kList:
      return is_tuple() == other.is_tuple() && as_list() == other.as_list();
    case Kind::kHandle:
      return as_handle() == other.as_handle();
    case Kind::kDict:
      break;
    default:
      return true;
  }
  const auto& entries = as_dict();
  if (entries.size() != other.as_dict().size()) return false;
  return std::all_of(entries.begin(), entries.end(), [&](const auto& entry) {
    const TemplateValue* same = other.find(entry.first);
    return same != nullptr && *same == entry.second;
  });
}

std::string python_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

}  // namespace weft
