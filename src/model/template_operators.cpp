// Operators, subscripts and slices, as Python has them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "model/template_run.h"
#include "model/utf8.h"

namespace weft {
namespace {

using Kind = TemplateValue::Kind;

// Beginnings of the characters of a text, and its end.
std::vector<size_t> character_bounds(std::string_view text) {
  std::vector<size_t> bounds;
  for (size_t at = 0; at < text.size(); at += utf8_step(text.substr(at)).bytes)
    bounds.push_back(at);
  bounds.push_back(text.size());
  return bounds;
}

bool whole_operation(std::string_view op, int64_t a, int64_t b, int64_t& result) {
  if (op == "+") return !__builtin_add_overflow(a, b, &result);
  if (op == "-") return !__builtin_sub_overflow(a, b, &result);
  if (op == "*") return !__builtin_mul_overflow(a, b, &result);
  if (op == "**") {
    result = 1;
    for (; b > 0 && result != 0; --b) {
      if (__builtin_mul_overflow(result, a, &result)) return false;
      if (a == 1 || a == 0) break;
      if (a == -1) return result = b % 2 == 0 ? 1 : -1, true;
    }
    return true;
  }
  if (b == -1 && a == INT64_MIN) return false;
  const int64_t rest = a % b;
  const bool rounds_down = rest != 0 && (rest < 0) != (b < 0);
  result = op == "//" ? a / b - (rounds_down ? 1 : 0) : rest + (rounds_down ? b : 0);
  return true;
}

double float_operation(std::string_view op, double a, double b) {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (op == "/") return a / b;
  if (op == "//") return std::floor(a / b);
  if (op == "**") return std::pow(a, b);
  const double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

}  // namespace

TemplateValue TemplateRun::binary(std::string_view op, const TemplateValue& a,
                                  const TemplateValue& b) {
  for (const TemplateValue* side : {&a, &b}) {
    if (side->is(Kind::kUndefined)) return fail(std::string(side->undefined_name()));
  }
  if (a.is_number() && b.is_number()) {
    const bool divides = op == "/" || op == "//" || op == "%";
    if (divides && b.as_number() == 0) return fail("division by zero");
    const bool negative_power = op == "**" && b.as_number() < 0;
    if (!a.is_whole() || !b.is_whole() || op == "/" || negative_power) {
      return TemplateValue::number(float_operation(op, a.as_number(), b.as_number()));
    }
    int64_t result = 0;
    if (whole_operation(op, a.as_integer(), b.as_integer(), result)) {
      return TemplateValue::integer(result);
    }
    return fail("an integer over 64 bits is not supported");
  }
  if (op == "+" && a.is(Kind::kText) && b.is(Kind::kText))
    return new_text(a.as_text() + b.as_text());
  if (op == "+" && a.is(Kind::kList) && b.is(Kind::kList) && a.is_tuple() == b.is_tuple()) {
    TemplateValue::List items = a.as_list();
    items.insert(items.end(), b.as_list().begin(), b.as_list().end());
    return new_list(std::move(items), a.is_tuple());
  }
  if (op == "*" && a.is(Kind::kText) && b.is_whole()) {
    std::string text;
    for (int64_t i = 0; i < b.as_integer() && charge(1 + a.as_text().size() / 16); ++i) {
      text += a.as_text();
    }
    return new_text(std::move(text));
  }
  return fail(
      fmt::format("{} between {} and {} is not supported", op, a.kind_name(), b.kind_name()));
}

bool TemplateRun::compare(std::string_view op, const TemplateValue& a, const TemplateValue& b) {
  charge(1);
  if (op == "==") return a == b;
  if (op == "!=") return !(a == b);
  if (op == "not in") return !compare("in", a, b);
  if (op == "in") {
    if (b.is(Kind::kUndefined)) return false;
    if (b.is(Kind::kDict)) return a.is(Kind::kText) && b.find(a.as_text()) != nullptr;
    if (b.is(Kind::kText) && a.is(Kind::kText)) {
      charge(b.as_text().size() / 16);
      return b.as_text().find(a.as_text()) != std::string::npos;
    }
    if (b.is(Kind::kList)) {
      charge(b.as_list().size());
      return std::find(b.as_list().begin(), b.as_list().end(), a) != b.as_list().end();
    }
    fail(fmt::format("in between {} and {}", a.kind_name(), b.kind_name()));
    return false;
  }
  const bool numbers = a.is_number() && b.is_number();
  if (!numbers && !(a.is(Kind::kText) && b.is(Kind::kText))) {
    const TemplateValue& side = a.is(Kind::kUndefined) ? a : b;
    fail(side.is(Kind::kUndefined)
             ? std::string(side.undefined_name())
             : fmt::format("{} between {} and {}", op, a.kind_name(), b.kind_name()));
    return false;
  }
  const auto decide = [&](const auto& x, const auto& y) {
    if (op == "<") return x < y;
    if (op == "<=") return x <= y;
    return op == ">" ? x > y : x >= y;
  };
  if (!numbers) return decide(a.as_text(), b.as_text());
  if (a.is_whole() && b.is_whole()) return decide(a.as_integer(), b.as_integer());
  return decide(a.as_number(), b.as_number());
}

TemplateValue TemplateRun::item(const TemplateValue& object, const TemplateValue& key) {
  if (failed()) return {};
  if (object.is(Kind::kUndefined)) return fail(std::string(object.undefined_name()));
  if (key.is(Kind::kText)) {
    if (!object.is(Kind::kDict)) return attribute(object, key.as_text());
    const TemplateValue* value = object.find(key.as_text());
    return value != nullptr
               ? *value
               : TemplateValue::undefined(fmt::format("a mapping has no '{}'", key.as_text()));
  }
  if (!key.is_whole() || !(object.is(Kind::kList) || object.is(Kind::kText))) {
    return TemplateValue::undefined(
        fmt::format("{} has no item {}", object.kind_name(), key.repr()));
  }
  int64_t at = key.as_integer();
  if (object.is(Kind::kText)) {
    charge(object.as_text().size() / 16);
    const auto bounds = character_bounds(object.as_text());
    const auto count = static_cast<int64_t>(bounds.size()) - 1;
    if (at < 0) at += count;
    if (at < 0 || at >= count) return TemplateValue::undefined("a string has no such character");
    return new_text(object.as_text().substr(bounds[at], bounds[at + 1] - bounds[at]));
  }
  const auto count = static_cast<int64_t>(object.as_list().size());
  if (at < 0) at += count;
  if (at < 0 || at >= count) return TemplateValue::undefined("a list has no such item");
  return object.as_list()[at];
}

TemplateValue TemplateRun::slice(const TemplateValue& object, const TemplateValue* bounds) {
  if (object.is(Kind::kUndefined)) return fail(std::string(object.undefined_name()));
  if (!object.is(Kind::kList) && !object.is(Kind::kText)) {
    return fail(fmt::format("a slice of {}", object.kind_name()));
  }
  const bool is_text = object.is(Kind::kText);
  const auto starts = is_text ? character_bounds(object.as_text()) : std::vector<size_t>();
  const auto count = static_cast<int64_t>(is_text ? starts.size() - 1 : object.as_list().size());
  charge(static_cast<size_t>(count));
  for (int i = 0; i < 3; ++i) {
    if (!bounds[i].is_whole() && !bounds[i].is(Kind::kNone)) {
      return fail(fmt::format("a slice's bound that is {}", bounds[i].kind_name()));
    }
  }
  const int64_t step = bounds[2].is_whole() ? bounds[2].as_integer() : 1;
  if (step == 0) return fail("a slice with a step of 0");
  const int64_t low = step > 0 ? 0 : -1;
  const int64_t high = step > 0 ? count : count - 1;
  const auto bound = [&](const TemplateValue& value, int64_t fallback) {
    if (!value.is_whole()) return fallback;
    const int64_t at = value.as_integer();
    return std::clamp(at < 0 ? at + count : at, low, high);
  };
  const int64_t first = bound(bounds[0], step > 0 ? low : high);
  const int64_t last = bound(bounds[1], step > 0 ? high : low);
  std::string text;
  TemplateValue::List items;
  for (int64_t at = first; step > 0 ? at < last : at > last;) {
    if (is_text) {
      text += std::string_view(object.as_text()).substr(starts[at], starts[at + 1] - starts[at]);
    } else {
      items.push_back(object.as_list()[at]);
    }
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return is_text ? new_text(std::move(text)) : new_list(std::move(items), object.is_tuple());
}

TemplateValue::List TemplateRun::items_of(const TemplateValue& value) {
  TemplateValue::List items;
  if (failed() || value.is(Kind::kUndefined)) return items;
  if (value.is(Kind::kList)) {
    charge(value.as_list().size());
    return value.as_list();
  }
  if (value.is(Kind::kDict)) {
    for (const auto& entry : value.as_dict()) items.push_back(TemplateValue::text(entry.first));
  } else if (value.is(Kind::kText)) {
    const std::string_view text = value.as_text();
    for (size_t at = 0; at < text.size() && charge(1);) {
      const size_t bytes = utf8_step(text.substr(at)).bytes;
      items.push_back(TemplateValue::text(std::string(text.substr(at, bytes))));
      at += bytes;
    }
  } else {
    fail(fmt::format("a walk over {}", value.kind_name()));
  }
  return items;
}

}  // namespace weft
