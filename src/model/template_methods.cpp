// Methods of strings, lists and mappings: the ones that change nothing.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/template_run.h"
#include "model/template_text.h"

namespace weft {
namespace {

using Kind = TemplateValue::Kind;
using Arguments = TemplateArguments;

// An argument that must be a string; empty and failed when it is not.
std::string_view text_argument(TemplateRun& run, const Arguments& arguments, size_t index) {
  const TemplateValue* value = arguments.get(index, "");
  if (value == nullptr || value->is(Kind::kNone)) return {};
  if (!value->is(Kind::kText)) {
    run.fail(fmt::format("a string's method got {}, expected a string", value->kind_name()));
    return {};
  }
  return value->as_text();
}

int64_t count_argument(const Arguments& arguments, size_t index, std::string_view name) {
  const TemplateValue* value = arguments.get(index, name);
  return value != nullptr && value->is_whole() ? value->as_integer() : -1;
}

TemplateValue strip(TemplateRun& run, const std::string& self, const Arguments& arguments) {
  const std::string_view cut = text_argument(run, arguments, 0);
  return run.new_text(std::string(strip_left(strip_right(self, cut), cut)));
}
TemplateValue lstrip(TemplateRun& run, const std::string& self, const Arguments& arguments) {
  return run.new_text(std::string(strip_left(self, text_argument(run, arguments, 0))));
}
TemplateValue rstrip(TemplateRun& run, const std::string& self, const Arguments& arguments) {
  return run.new_text(std::string(strip_right(self, text_argument(run, arguments, 0))));
}

TemplateValue split(TemplateRun& run, const std::string& self, const Arguments& arguments) {
  const TemplateValue* separator = arguments.get(0, "sep");
  const bool given = separator != nullptr && !separator->is(Kind::kNone);
  if (given && (!separator->is(Kind::kText) || separator->as_text().empty())) {
    return run.fail("split() takes a separator that is not empty");
  }
  TemplateValue::List parts;
  run.charge(self.size() / 16);
  for (const std::string_view part : split_text(self, given ? separator->as_text() : "",
                                                count_argument(arguments, 1, "maxsplit"))) {
    parts.push_back(TemplateValue::text(std::string(part)));
  }
  return run.new_list(std::move(parts));
}

// Whether one of the given texts (a string or a tuple of them) fits.
template <class Fits>
TemplateValue any_text(TemplateRun& run, const Arguments& arguments, const Fits& fits) {
  const TemplateValue* value = arguments.get(0, "");
  if (value != nullptr && value->is(Kind::kText))
    return TemplateValue::boolean(fits(value->as_text()));
  if (value == nullptr || !value->is_tuple()) return run.fail("a string's method takes a string");
  return TemplateValue::boolean(std::any_of(
      value->as_list().begin(), value->as_list().end(),
      [&](const TemplateValue& item) { return item.is(Kind::kText) && fits(item.as_text()); }));
}
TemplateValue startswith(TemplateRun& run, const std::string& self, const Arguments& arguments) {
  return any_text(run, arguments, [&](const std::string& text) { return self.starts_with(text); });
}
TemplateValue endswith(TemplateRun& run, const std::string& self, const Arguments& arguments) {
  return any_text(run, arguments, [&](const std::string& text) { return self.ends_with(text); });
}

TemplateValue replace(TemplateRun& run, const std::string& self, const Arguments& arguments) {
  if (arguments.positional.size() < 2) return run.fail("replace() takes two strings");
  const std::string_view from = text_argument(run, arguments, 0);
  const std::string_view to = text_argument(run, arguments, 1);
  if (!run.charge((self.size() + 1) * (to.size() + 1) / 16)) return {};
  return run.new_text(replace_text(self, from, to, count_argument(arguments, 2, "count")));
}

TemplateValue upper(TemplateRun& run, const std::string& self, const Arguments&) {
  return run.new_text(upper_case(self));
}
TemplateValue lower(TemplateRun& run, const std::string& self, const Arguments&) {
  return run.new_text(lower_case(self));
}
TemplateValue title(TemplateRun& run, const std::string& self, const Arguments&) {
  return run.new_text(title_case(self));
}
TemplateValue capitalize(TemplateRun& run, const std::string& self, const Arguments&) {
  return run.new_text(capital_case(self));
}

TemplateValue join(TemplateRun& run, const std::string& self, const Arguments& arguments) {
  const TemplateValue* list = arguments.get(0, "");
  if (list == nullptr) return run.fail("join() takes a list");
  std::string text;
  bool first = true;
  for (const TemplateValue& item : run.items_of(*list)) {
    if (!item.is(Kind::kText)) return run.fail("join() takes strings");
    if (!std::exchange(first, false)) text += self;
    text += item.as_text();
    if (!run.charge(1 + (self.size() + item.as_text().size()) / 16)) return {};
  }
  return run.new_text(std::move(text));
}

TemplateValue find(TemplateRun& run, const std::string& self, const Arguments& arguments) {
  const size_t at = self.find(text_argument(run, arguments, 0));
  if (at == std::string::npos) return TemplateValue::integer(-1);
  const auto begin = self.begin();
  const auto characters = std::count_if(begin, begin + static_cast<std::ptrdiff_t>(at), [](char c) {
    return (static_cast<uint8_t>(c) & 0xC0) != 0x80;
  });
  return TemplateValue::integer(characters);
}

TemplateValue count(TemplateRun& run, const std::string& self, const Arguments& arguments) {
  const std::string_view wanted = text_argument(run, arguments, 0);
  if (wanted.empty()) return run.fail("count() takes a string that is not empty");
  return TemplateValue::integer(static_cast<int64_t>(split_text(self, wanted, -1).size()) - 1);
}

TemplateValue isdigit(TemplateRun&, const std::string& self, const Arguments&) {
  return TemplateValue::boolean(!self.empty() && std::all_of(self.begin(), self.end(), [](char c) {
    return c >= '0' && c <= '9';
  }));
}

TemplateValue removeprefix(TemplateRun& run, const std::string& self, const Arguments& arguments) {
  const std::string_view part = text_argument(run, arguments, 0);
  return run.new_text(self.starts_with(part) ? self.substr(part.size()) : self);
}
TemplateValue removesuffix(TemplateRun& run, const std::string& self, const Arguments& arguments) {
  const std::string_view part = text_argument(run, arguments, 0);
  return run.new_text(self.ends_with(part) ? self.substr(0, self.size() - part.size()) : self);
}

using TextMethod = TemplateValue (*)(TemplateRun&, const std::string&, const Arguments&);
constexpr std::array<std::pair<std::string_view, TextMethod>, 17> kTextMethods = {
    {{"strip", strip},
     {"lstrip", lstrip},
     {"rstrip", rstrip},
     {"split", split},
     {"startswith", startswith},
     {"endswith", endswith},
     {"replace", replace},
     {"upper", upper},
     {"lower", lower},
     {"title", title},
     {"capitalize", capitalize},
     {"join", join},
     {"find", find},
     {"count", count},
     {"isdigit", isdigit},
     {"removeprefix", removeprefix},
     {"removesuffix", removesuffix}}};

TemplateValue get_entry(TemplateRun& run, const TemplateValue& dict, const Arguments& arguments) {
  const TemplateValue* key = arguments.get(0, "key");
  if (key == nullptr) return run.fail("get() takes a key");
  const TemplateValue* value = key->is(Kind::kText) ? dict.find(key->as_text()) : nullptr;
  if (value != nullptr) return *value;
  const TemplateValue* fallback = arguments.get(1, "default");
  return fallback != nullptr ? *fallback : TemplateValue::none();
}

}  // namespace

TemplateValue TemplateRun::method(const TemplateValue& object, std::string_view name,
                                  const TemplateArguments& arguments) {
  if (object.is(Kind::kUndefined)) return fail(std::string(object.undefined_name()));
  if (object.is(Kind::kText)) {
    for (const auto& [known, apply] : kTextMethods) {
      if (known == name) return apply(*this, object.as_text(), arguments);
    }
  }
  if (object.is(Kind::kDict)) {
    if (name == "get") return get_entry(*this, object, arguments);
    if (name == "items" || name == "keys" || name == "values") {
      TemplateValue::List items;
      for (const auto& [key, value] : object.as_dict()) {
        const TemplateValue text = TemplateValue::text(key);
        items.push_back(name == "keys"     ? text
                        : name == "values" ? value
                                           : new_list({text, value}, true));
      }
      return new_list(std::move(items));
    }
    const TemplateValue* value = object.find(name);
    if (value != nullptr && value->is(Kind::kHandle) &&
        value->as_handle().kind == Handle::Kind::kMacro) {
      return call_macro(macros_[value->as_handle().index], arguments);
    }
  }
  return fail(fmt::format("the method {} of {} is not supported", name, object.kind_name()));
}

}  // namespace weft
