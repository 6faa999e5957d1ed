// Filters and tests: Jinja's own, and tojson as transformers has it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "model/template_run.h"
#include "model/template_text.h"
#include "model/utf8.h"

namespace weft {
namespace {

using Kind = TemplateValue::Kind;
using Arguments = TemplateArguments;
using Value = TemplateValue;

bool flag(const Arguments& arguments, size_t index, std::string_view name) {
  const Value* value = arguments.get(index, name);
  return value != nullptr && value->truth();
}

std::string text_of(const Arguments& arguments, size_t index, std::string_view name,
                    std::string fallback = {}) {
  const Value* value = arguments.get(index, name);
  return value == nullptr || value->is(Kind::kNone) ? std::move(fallback) : value->str();
}

Value tojson(TemplateRun& run, const Value& input, const Arguments& arguments) {
  JsonStyle style;
  style.ascii = flag(arguments, 0, "ensure_ascii");
  style.sort_keys = flag(arguments, 3, "sort_keys");
  const Value* indent = arguments.get(1, "indent");
  if (indent != nullptr && indent->is_whole()) {
    style.indent = static_cast<int>(std::clamp<int64_t>(indent->as_integer(), 0, 64));
    style.item_separator.resize(1);  // no space before a newline
  }
  const Value* separators = arguments.get(2, "separators");
  if (separators != nullptr && separators->is(Kind::kList) && separators->as_list().size() == 2) {
    style.item_separator = separators->as_list()[0].str();
    style.key_separator = separators->as_list()[1].str();
  }
  auto json = template_value_to_json(input, style);
  return json.ok() ? run.new_text(std::move(*json))
                   : run.fail(fmt::format("tojson: {}", json.error().message));
}

Value trim(TemplateRun& run, const Value& input, const Arguments& arguments) {
  const std::string text = input.str();
  const std::string cut = text_of(arguments, 0, "chars");
  return run.new_text(std::string(strip_left(strip_right(text, cut), cut)));
}
Value upper(TemplateRun& run, const Value& input, const Arguments&) {
  return run.new_text(upper_case(input.str()));
}
Value lower(TemplateRun& run, const Value& input, const Arguments&) {
  return run.new_text(lower_case(input.str()));
}
Value capitalize(TemplateRun& run, const Value& input, const Arguments&) {
  return run.new_text(capital_case(input.str()));
}
Value title(TemplateRun& run, const Value& input, const Arguments&) {
  return run.new_text(title_case(input.str()));
}
Value string(TemplateRun& run, const Value& input, const Arguments&) {
  return run.new_text(input.str());
}
Value safe(TemplateRun&, const Value& input, const Arguments&) { return input; }

Value replace(TemplateRun& run, const Value& input, const Arguments& arguments) {
  if (arguments.size() < 2) return run.fail("the filter replace takes two strings");
  return run.method(Value::text(input.str()), "replace", arguments);
}

Value length(TemplateRun& run, const Value& input, const Arguments&) {
  if (input.is(Kind::kUndefined)) return Value::integer(0);
  if (input.is(Kind::kList)) return Value::integer(static_cast<int64_t>(input.as_list().size()));
  if (input.is(Kind::kDict)) return Value::integer(static_cast<int64_t>(input.as_dict().size()));
  if (!input.is(Kind::kText)) return run.fail(fmt::format("the length of {}", input.kind_name()));
  const std::string& text = input.as_text();
  run.charge(text.size() / 16);
  return Value::integer(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

// An attribute by a path like "function.name" or "0".
Value walk(TemplateRun& run, Value value, std::string_view path) {
  for (const std::string_view part : split_text(path, ".", -1)) {
    int64_t index = 0;
    const auto read = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index = read.ec == std::errc() && read.ptr == part.data() + part.size();
    value = run.item(value, is_index ? Value::integer(index) : Value::text(std::string(part)));
  }
  return value;
}

Value join(TemplateRun& run, const Value& input, const Arguments& arguments) {
  const std::string separator = text_of(arguments, 0, "d");
  const std::string attribute = text_of(arguments, 1, "attribute");
  std::string text;
  bool first = true;
  for (const Value& item : run.items_of(input)) {
    if (!std::exchange(first, false)) text += separator;
    text += attribute.empty() ? item.str() : walk(run, item, attribute).str();
    if (!run.charge(1 + separator.size() / 16)) return {};
  }
  return run.new_text(std::move(text));
}

Value fallback(TemplateRun& run, const Value& input, const Arguments& arguments) {
  const bool replaces =
      input.is(Kind::kUndefined) || (flag(arguments, 1, "boolean") && !input.truth());
  if (!replaces) return input;
  const Value* value = arguments.get(0, "default_value");
  return value != nullptr ? *value : run.new_text("");
}

Value first(TemplateRun& run, const Value& input, const Arguments&) {
  const auto items = run.items_of(input);
  return items.empty() ? Value::undefined("the first of no items is undefined") : items.front();
}
Value last(TemplateRun& run, const Value& input, const Arguments&) {
  const auto items = run.items_of(input);
  return items.empty() ? Value::undefined("the last of no items is undefined") : items.back();
}
Value list(TemplateRun& run, const Value& input, const Arguments&) {
  return run.new_list(run.items_of(input));
}

Value items(TemplateRun& run, const Value& input, const Arguments&) {
  if (input.is(Kind::kUndefined)) return run.new_list({});
  if (!input.is(Kind::kDict)) return run.fail(fmt::format("the items of {}", input.kind_name()));
  return run.method(input, "items", {});
}

Value dictsort(TemplateRun& run, const Value& input, const Arguments&) {
  if (!input.is(Kind::kDict)) return run.fail(fmt::format("dictsort of {}", input.kind_name()));
  auto entries = input.as_dict();
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return lower_case(a.first) < lower_case(b.first);
  });
  return run.method(Value::dict(std::move(entries)), "items", {});
}

Value reverse(TemplateRun& run, const Value& input, const Arguments&) {
  const Value bounds[] = {Value::none(), Value::none(), Value::integer(-1)};
  if (input.is(Kind::kText)) return run.slice(input, bounds);
  auto all = run.items_of(input);
  std::reverse(all.begin(), all.end());
  return run.new_list(std::move(all));
}

Value unique(TemplateRun& run, const Value& input, const Arguments&) {
  Value::List kept;
  for (const Value& item : run.items_of(input)) {
    if (!run.charge(kept.size())) return {};
    if (std::find(kept.begin(), kept.end(), item) == kept.end()) kept.push_back(item);
  }
  return run.new_list(std::move(kept));
}

// Ordered like sorted(), texts without regard to case unless told.
Value sort(TemplateRun& run, const Value& input, const Arguments& arguments) {
  const std::string attribute = text_of(arguments, 2, "attribute");
  const bool sensitive = flag(arguments, 1, "case_sensitive");
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : run.items_of(input)) {
    Value key = attribute.empty() ? item : walk(run, item, attribute);
    if (!sensitive && key.is(Kind::kText)) key = Value::text(lower_case(key.as_text()));
    keyed.emplace_back(std::move(key), item);
  }
  const bool texts = !keyed.empty() && keyed[0].first.is(Kind::kText);
  for (const auto& [key, item] : keyed) {
    if (key.is(Kind::kText) == texts && (texts || key.is_number())) continue;
    return run.fail("sort takes strings or numbers");
  }
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return run.compare("<", a.first, b.first);
  });
  if (flag(arguments, 0, "reverse")) std::reverse(keyed.begin(), keyed.end());
  Value::List sorted;
  for (auto& [key, item] : keyed) sorted.push_back(std::move(item));
  return run.new_list(std::move(sorted));
}

Value to_integer(TemplateRun&, const Value& input, const Arguments& arguments) {
  const Value* given = arguments.get(0, "default");
  Value otherwise = given != nullptr ? *given : Value::integer(0);
  if (input.is_whole()) return Value::integer(input.as_integer());
  double number = 0;
  if (input.is(Kind::kFloat)) {
    number = input.as_number();
  } else if (input.is(Kind::kText)) {
    const std::string_view text = strip_left(strip_right(input.as_text()));
    int64_t whole = 0;
    const char* end = text.data() + text.size();
    if (std::from_chars(text.data(), end, whole).ptr == end && !text.empty()) {
      return Value::integer(whole);
    }
    if (std::from_chars(text.data(), end, number).ptr != end || text.empty()) return otherwise;
  } else {
    return otherwise;
  }
  return std::abs(number) < 0x1p62 ? Value::integer(static_cast<int64_t>(number)) : otherwise;
}

Value to_float(TemplateRun&, const Value& input, const Arguments& arguments) {
  if (input.is_number()) return Value::number(input.as_number());
  if (input.is(Kind::kText)) {
    const std::string_view text = strip_left(strip_right(input.as_text()));
    double number = 0;
    const char* end = text.data() + text.size();
    if (!text.empty() && std::from_chars(text.data(), end, number).ptr == end) {
      return Value::number(number);
    }
  }
  const Value* given = arguments.get(0, "default");
  return given != nullptr ? *given : Value::number(0);
}

Value absolute(TemplateRun& run, const Value& input, const Arguments&) {
  if (!input.is_number()) return run.fail(fmt::format("abs of {}", input.kind_name()));
  if (input.as_number() >= 0) return input;
  return run.binary("-", Value::integer(0), input);
}

Value sum(TemplateRun& run, const Value& input, const Arguments& arguments) {
  const std::string attribute = text_of(arguments, 0, "attribute");
  Value total = Value::integer(0);
  for (const Value& item : run.items_of(input)) {
    total = run.binary("+", total, attribute.empty() ? item : walk(run, item, attribute));
    if (run.failed()) return {};
  }
  return total;
}

Value indent(TemplateRun& run, const Value& input, const Arguments& arguments) {
  const Value* width = arguments.get(0, "width");
  const bool spaces = width == nullptr || width->is_whole();
  const int64_t count = width != nullptr && spaces ? width->as_integer() : 4;
  const std::string margin =
      spaces ? std::string(static_cast<size_t>(std::clamp<int64_t>(count, 0, 1000)), ' ')
             : width->str();
  const std::string all = input.str();
  std::string text = flag(arguments, 1, "first") ? margin : "";
  bool is_first = true;
  for (const std::string_view line : split_text(all, "\n", -1)) {
    if (!is_first) text += '\n';
    if (!is_first && (!line.empty() || flag(arguments, 2, "blank"))) text += margin;
    text += line;
    is_first = false;
    if (!run.charge(1 + margin.size() / 16)) return {};
  }
  return run.new_text(std::move(text));
}

Arguments rest_of(const Arguments& arguments, size_t skip) {
  Arguments rest;
  for (size_t i = skip; i < arguments.positional.size(); ++i) {
    rest.positional.push_back(arguments.positional[i]);
  }
  rest.named = arguments.named;
  return rest;
}

Value map(TemplateRun& run, const Value& input, const Arguments& arguments) {
  Value::List results;
  const Value* attribute = arguments.positional.empty() ? arguments.get(1, "attribute") : nullptr;
  if (attribute == nullptr && arguments.positional.empty()) return run.fail("map takes a filter");
  const Value* given = arguments.get(9, "default");
  for (const Value& item : run.items_of(input)) {
    if (run.failed()) return {};
    if (attribute == nullptr) {
      results.push_back(run.filter(arguments.positional[0].str(), item, rest_of(arguments, 1)));
      continue;
    }
    Value value = walk(run, item, attribute->str());
    results.push_back(value.is(Kind::kUndefined) && given != nullptr ? *given : value);
  }
  return run.new_list(std::move(results));
}

// select, reject, selectattr and rejectattr.
Value choose(TemplateRun& run, const Value& input, const Arguments& arguments, bool by_attribute,
             bool keeps) {
  const size_t skip = by_attribute ? 1 : 0;
  if (arguments.positional.size() < skip) return run.fail("selectattr takes an attribute");
  Value::List kept;
  for (const Value& item : run.items_of(input)) {
    if (run.failed()) return {};
    const Value value = by_attribute ? walk(run, item, arguments.positional[0].str()) : item;
    const bool fits =
        arguments.positional.size() > skip
            ? run.test(arguments.positional[skip].str(), value, rest_of(arguments, skip + 1))
            : value.truth();
    if (fits == keeps) kept.push_back(item);
  }
  return run.new_list(std::move(kept));
}
Value select(TemplateRun& run, const Value& input, const Arguments& arguments) {
  return choose(run, input, arguments, false, true);
}
Value reject(TemplateRun& run, const Value& input, const Arguments& arguments) {
  return choose(run, input, arguments, false, false);
}
Value selectattr(TemplateRun& run, const Value& input, const Arguments& arguments) {
  return choose(run, input, arguments, true, true);
}
Value rejectattr(TemplateRun& run, const Value& input, const Arguments& arguments) {
  return choose(run, input, arguments, true, false);
}

using Filter = Value (*)(TemplateRun&, const Value&, const Arguments&);
constexpr std::array<std::pair<std::string_view, Filter>, 32> kFilters = {
    {{"tojson", tojson},
     {"trim", trim},
     {"upper", upper},
     {"lower", lower},
     {"capitalize", capitalize},
     {"title", title},
     {"string", string},
     {"safe", safe},
     {"replace", replace},
     {"length", length},
     {"count", length},
     {"join", join},
     {"default", fallback},
     {"d", fallback},
     {"first", first},
     {"last", last},
     {"list", list},
     {"items", items},
     {"dictsort", dictsort},
     {"reverse", reverse},
     {"unique", unique},
     {"sort", sort},
     {"int", to_integer},
     {"float", to_float},
     {"abs", absolute},
     {"sum", sum},
     {"indent", indent},
     {"map", map},
     {"select", select},
     {"reject", reject},
     {"selectattr", selectattr},
     {"rejectattr", rejectattr}}};

using Test = bool (*)(const Value&);
bool is_text(const Value& v) { return v.is(Kind::kText); }
bool is_boolean(const Value& v) { return v.is(Kind::kBoolean); }
bool is_sequence(const Value& v) {
  return v.is(Kind::kList) || v.is(Kind::kText) || v.is(Kind::kDict) || v.is(Kind::kUndefined);
}
bool is_odd(const Value& v) { return v.is_whole() && v.as_integer() % 2 != 0; }
bool is_callable(const Value& v) {
  return v.is(Kind::kHandle) && (v.as_handle().kind == Value::Handle::Kind::kMacro ||
                                 v.as_handle().kind == Value::Handle::Kind::kFunction);
}
constexpr std::array<std::pair<std::string_view, Test>, 17> kTests = {
    {{"defined", [](const Value& v) { return !v.is(Kind::kUndefined); }},
     {"undefined", [](const Value& v) { return v.is(Kind::kUndefined); }},
     {"none", [](const Value& v) { return v.is(Kind::kNone); }},
     {"string", is_text},
     {"mapping", [](const Value& v) { return v.is(Kind::kDict); }},
     {"iterable", is_sequence},
     {"sequence", is_sequence},
     {"number", [](const Value& v) { return v.is_number(); }},
     {"integer", [](const Value& v) { return v.is(Kind::kInteger); }},
     {"float", [](const Value& v) { return v.is(Kind::kFloat); }},
     {"boolean", is_boolean},
     {"true", [](const Value& v) { return is_boolean(v) && v.as_boolean(); }},
     {"false", [](const Value& v) { return is_boolean(v) && !v.as_boolean(); }},
     {"odd", is_odd},
     {"even", [](const Value& v) { return v.is_whole() && !is_odd(v); }},
     {"callable", is_callable},
     {"lower",
      [](const Value& v) { return is_text(v) && lower_case(v.as_text()) == v.as_text(); }}}};

// Tests that compare with their argument, and the operators that they are.
constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kComparisons = {
    {{"equalto", "=="},
     {"eq", "=="},
     {"==", "=="},
     {"ne", "!="},
     {"!=", "!="},
     {"lt", "<"},
     {"lessthan", "<"},
     {"le", "<="},
     {"gt", ">"},
     {"greaterthan", ">"},
     {"ge", ">="},
     {"in", "in"},
     {"sameas", "=="}}};

}  // namespace

TemplateValue TemplateRun::filter(std::string_view name, const TemplateValue& input,
                                  const TemplateArguments& arguments) {
  if (failed() || !charge(1)) return {};
  for (const auto& [known, apply] : kFilters) {
    if (known == name) return apply(*this, input, arguments);
  }
  return fail(fmt::format("the filter {} is not supported", name));
}

bool TemplateRun::test(std::string_view name, const TemplateValue& input,
                       const TemplateArguments& arguments) {
  if (failed() || !charge(1)) return false;
  for (const auto& [known, holds] : kTests) {
    if (known == name) return holds(input);
  }
  for (const auto& [known, op] : kComparisons) {
    if (known == name && arguments.positional.size() == 1) {
      return compare(op, input, arguments.positional[0]);
    }
  }
  if (name == "divisibleby" && arguments.positional.size() == 1) {
    const TemplateValue rest = binary("%", input, arguments.positional[0]);
    return !failed() && !rest.truth();
  }
  fail(fmt::format("the test {} is not supported", name));
  return false;
}

}  // namespace weft
