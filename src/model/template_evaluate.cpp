// Expressions, and the functions that every template knows: namespace, dict, range,
// raise_exception and strftime_now.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "model/template_run.h"

namespace weft {
namespace {

using Kind = TemplateNode::Kind;
using ValueKind = TemplateValue::Kind;

constexpr int kMaxDepth = 400;
constexpr int64_t kMaxRange = 100'000;
constexpr std::array<std::string_view, 5> kFunctions = {"namespace", "range", "dict",
                                                        "raise_exception", "strftime_now"};

}  // namespace

TemplateValue TemplateRun::evaluate(const TemplateNode& node) {
  if (failed() || !charge(1)) return {};
  if (depth_ >= kMaxDepth) return fail(fmt::format("more than {} levels of nesting", kMaxDepth));
  ++depth_;
  TemplateValue value = evaluate_plain(node);
  --depth_;
  return value;
}

TemplateValue TemplateRun::evaluate_plain(const TemplateNode& node) {
  switch (node.kind) {
    case Kind::kConstant:
      return node.value;
    case Kind::kName:
      return lookup(node.text);
    case Kind::kList:
    case Kind::kTuple:
      return evaluate_list(node);
    case Kind::kDict:
      return evaluate_dict(node);
    case Kind::kAttribute:
      return attribute(evaluate(*node.children[0]), node.text);
    case Kind::kItem: {
      const TemplateValue object = evaluate(*node.children[0]);
      return item(object, evaluate(*node.children[1]));
    }
    case Kind::kSlice:
      return evaluate_slice(node);
    case Kind::kCall:
      return evaluate_call(node);
    case Kind::kFilter:
      return evaluate_filter(node, nullptr);
    case Kind::kTest: {
      const TemplateValue input = evaluate(*node.children[0]);
      const TemplateArguments arguments = arguments_of(node);
      return failed() ? TemplateValue() : TemplateValue::boolean(test(node.text, input, arguments));
    }
    case Kind::kNot:
      return TemplateValue::boolean(!evaluate(*node.children[0]).truth());
    case Kind::kNegative:
    case Kind::kPositive:
      return evaluate_sign(node);
    case Kind::kBinary: {
      const TemplateValue left = evaluate(*node.children[0]);
      const TemplateValue right = evaluate(*node.children[1]);
      return failed() ? TemplateValue() : binary(node.text, left, right);
    }
    case Kind::kAnd:
    case Kind::kOr: {
      TemplateValue left = evaluate(*node.children[0]);
      return left.truth() == (node.kind == Kind::kOr) ? left : evaluate(*node.children[1]);
    }
    case Kind::kCompare:
      return evaluate_compare(node);
    case Kind::kConcat:
      return evaluate_concat(node);
    case Kind::kChoice:
      if (evaluate(*node.children[0]).truth()) return evaluate(*node.children[1]);
      if (node.children[2] != nullptr) return evaluate(*node.children[2]);
      return TemplateValue::undefined("the inline if has no else");
    default:
      break;
  }
  return fail("a statement where a value was expected");
}

TemplateValue TemplateRun::lookup(const std::string& name) {
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    for (const auto& [known, value] : scope->names) {
      if (known == name) return value;
    }
  }
  for (uint32_t i = 0; i < kFunctions.size(); ++i) {
    const bool lacks_time = kFunctions[i] == "strftime_now" && !now_;
    if (kFunctions[i] == name && !lacks_time) {
      return TemplateValue::handle({Handle::Kind::kFunction, i});
    }
  }
  return TemplateValue::undefined(fmt::format("'{}' is undefined", name));
}

TemplateValue TemplateRun::evaluate_list(const TemplateNode& node) {
  TemplateValue::List items;
  for (const TemplateTree& child : node.children) items.push_back(evaluate(*child));
  return new_list(std::move(items), node.kind == Kind::kTuple);
}

TemplateValue TemplateRun::evaluate_dict(const TemplateNode& node) {
  TemplateValue::Dict entries;
  for (size_t i = 0; i + 1 < node.children.size() && !failed(); i += 2) {
    const TemplateValue key = evaluate(*node.children[i]);
    if (!failed() && !key.is(ValueKind::kText)) {
      return fail(fmt::format("a mapping's key that is {} is not supported", key.kind_name()));
    }
    if (!failed()) entries.emplace_back(key.as_text(), evaluate(*node.children[i + 1]));
  }
  return failed() ? TemplateValue() : new_dict(std::move(entries));
}

TemplateValue TemplateRun::evaluate_slice(const TemplateNode& node) {
  const TemplateValue object = evaluate(*node.children[0]);
  std::array<TemplateValue, 3> bounds;
  for (size_t i = 0; i < 3; ++i) {
    const TemplateTree& bound = node.children[i + 1];
    bounds[i] = bound == nullptr ? TemplateValue::none() : evaluate(*bound);
  }
  return failed() ? TemplateValue() : slice(object, bounds.data());
}

TemplateValue TemplateRun::evaluate_compare(const TemplateNode& node) {
  TemplateValue left = evaluate(*node.children[0]);
  for (size_t i = 0; i < node.names.size() && !failed(); ++i) {
    TemplateValue right = evaluate(*node.children[i + 1]);
    if (failed() || !compare(node.names[i], left, right)) return TemplateValue::boolean(false);
    left = std::move(right);
  }
  return TemplateValue::boolean(true);
}

TemplateValue TemplateRun::evaluate_concat(const TemplateNode& node) {
  std::string text;
  for (const TemplateTree& child : node.children) text += evaluate(*child).str();
  return new_text(std::move(text));
}

TemplateValue TemplateRun::evaluate_sign(const TemplateNode& node) {
  TemplateValue value = evaluate(*node.children[0]);
  if (failed()) return {};
  if (!value.is_number()) return fail(fmt::format("a sign before {}", value.kind_name()));
  if (node.kind == Kind::kPositive) return value;
  return binary("-", TemplateValue::integer(0), value);
}

TemplateArguments TemplateRun::arguments_of(const TemplateNode& node) {
  TemplateArguments arguments;
  for (size_t i = 0; i < node.names.size() && !failed(); ++i) {
    TemplateValue value = evaluate(*node.children[i + 1]);
    if (node.names[i].empty()) {
      arguments.positional.push_back(std::move(value));
    } else {
      arguments.named.emplace_back(node.names[i], std::move(value));
    }
  }
  return arguments;
}

// `input`: what the innermost filter of a block's chain works on.
TemplateValue TemplateRun::evaluate_filter(const TemplateNode& node, const TemplateValue* input) {
  if (failed()) return {};
  TemplateValue value;
  if (node.children[0] == nullptr) {
    if (input != nullptr) value = *input;
  } else if (input != nullptr && node.children[0]->kind == Kind::kFilter) {
    value = evaluate_filter(*node.children[0], input);
  } else {
    value = evaluate(*node.children[0]);
  }
  const TemplateArguments arguments = arguments_of(node);
  return failed() ? TemplateValue() : filter(node.text, value, arguments);
}

TemplateValue TemplateRun::evaluate_call(const TemplateNode& node) {
  const TemplateNode& callee = *node.children[0];
  if (callee.kind == Kind::kAttribute) {
    const TemplateValue object = evaluate(*callee.children[0]);
    const TemplateArguments arguments = arguments_of(node);
    if (failed()) return {};
    if (object.is(ValueKind::kHandle) && object.as_handle().kind == Handle::Kind::kLoop) {
      return loop_method(loops_[object.as_handle().index], callee.text, arguments);
    }
    if (!object.is(ValueKind::kHandle)) return method(object, callee.text, arguments);
    const TemplateValue value = attribute(object, callee.text);
    if (value.is(ValueKind::kHandle) && value.as_handle().kind == Handle::Kind::kMacro) {
      return call_macro(macros_[value.as_handle().index], arguments);
    }
    return fail(
        fmt::format("the method {} of {} is not supported", callee.text, object.kind_name()));
  }
  const TemplateValue value = evaluate(callee);
  const TemplateArguments arguments = arguments_of(node);
  if (failed()) return {};
  if (value.is(ValueKind::kHandle) && value.as_handle().kind == Handle::Kind::kMacro) {
    return call_macro(macros_[value.as_handle().index], arguments);
  }
  if (value.is(ValueKind::kHandle) && value.as_handle().kind == Handle::Kind::kFunction) {
    return call_function(kFunctions[value.as_handle().index], arguments);
  }
  if (value.is(ValueKind::kUndefined) && callee.kind == Kind::kName) {
    return fail(fmt::format("the function {} is not supported", callee.text));
  }
  return fail(fmt::format("{} cannot be called", value.kind_name()));
}

TemplateValue TemplateRun::call_function(std::string_view name,
                                         const TemplateArguments& arguments) {
  if (name == "namespace") return make_namespace(arguments);
  if (name == "range") return make_range(arguments);
  if (name == "strftime_now") return format_time(arguments);
  if (name == "dict" && arguments.positional.empty()) return new_dict(arguments.named);
  if (name == "raise_exception") {
    const TemplateValue* message = arguments.get(0, "message");
    if (!failed()) {
      error_ = bad_input(fmt::format("line {}: the template refuses: {}", line_,
                                     message == nullptr ? "no reason" : message->str()));
      std::replace(error_->message.begin(), error_->message.end(), '\n', ' ');
    }
    return {};
  }
  return fail(fmt::format("the function {} is not supported", name));
}

TemplateValue TemplateRun::call_macro(const Macro& macro, const TemplateArguments& arguments) {
  const auto& names = macro.node->names;
  if (arguments.positional.size() > names.size()) {
    return fail(fmt::format("the macro {} takes {} arguments, found {}", macro.node->text,
                            names.size(), arguments.positional.size()));
  }
  for (const auto& [name, value] : arguments.named) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return fail(fmt::format("the macro {} takes no argument {}", macro.node->text, name));
    }
  }
  Scope* caller = std::exchange(scope_, macro.scope);
  scope_ = push_scope();
  const int line = line_;
  for (size_t i = 0; i < names.size(); ++i) {
    const TemplateValue* given = arguments.get(i, names[i]);
    const TemplateTree& fallback = macro.node->children[i + 1];
    set_name(names[i], given != nullptr      ? *given
                       : fallback != nullptr ? evaluate(*fallback)
                                             : TemplateValue::undefined(fmt::format(
                                                   "parameter '{}' was not provided", names[i])));
  }
  std::string outer = std::exchange(out_, {});
  execute(*macro.node->children[0]);
  TemplateValue value = new_text(std::exchange(out_, std::move(outer)));
  scope_ = caller;
  line_ = line;
  return value;
}

TemplateValue TemplateRun::make_namespace(const TemplateArguments& arguments) {
  TemplateValue::Dict names;
  if (!arguments.positional.empty()) {
    if (!arguments.positional[0].is(ValueKind::kDict)) {
      return fail("namespace() takes a mapping or named values");
    }
    names = arguments.positional[0].as_dict();
  }
  for (const auto& entry : arguments.named) names.push_back(entry);
  namespaces_.push_back(std::move(names));
  return TemplateValue::handle(
      {Handle::Kind::kNamespace, static_cast<uint32_t>(namespaces_.size() - 1)});
}

TemplateValue TemplateRun::make_range(const TemplateArguments& arguments) {
  const auto& given = arguments.positional;
  const bool whole = std::all_of(given.begin(), given.end(),
                                 [](const TemplateValue& value) { return value.is_whole(); });
  if (given.empty() || given.size() > 3 || !whole) return fail("range() takes 1 to 3 integers");
  int64_t start = given.size() > 1 ? given[0].as_integer() : 0;
  const int64_t stop = given[given.size() > 1 ? 1 : 0].as_integer();
  const int64_t step = given.size() > 2 ? given[2].as_integer() : 1;
  if (step == 0) return fail("range() with a step of 0");
  TemplateValue::List items;
  while (step > 0 ? start < stop : start > stop) {
    if (static_cast<int64_t>(items.size()) == kMaxRange) {
      return fail(fmt::format("range() of more than {} values", kMaxRange));
    }
    items.push_back(TemplateValue::integer(start));
    if (__builtin_add_overflow(start, step, &start)) break;
  }
  return new_list(std::move(items));
}

TemplateValue TemplateRun::format_time(const TemplateArguments& arguments) {
  const TemplateValue* format = arguments.get(0, "format");
  if (format == nullptr || !format->is(ValueKind::kText))
    return fail("strftime_now() takes a format");
  if (!now_) return fail("strftime_now(): the time is not known here");
  constexpr std::string_view kKnown = "aAbBdHIjmMpSyYfFTRDeCuUWwhnt%";
  const std::string& pattern = format->as_text();
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') continue;
    const char c = ++i < pattern.size() ? pattern[i] : '\0';
    if (c == 'f' || kKnown.find(c) == std::string_view::npos) {
      return fail(fmt::format("strftime_now(): %{} is not supported", c == '\0' ? ' ' : c));
    }
  }
  const std::time_t seconds = *now_;
  std::tm parts{};
  if (gmtime_r(&seconds, &parts) == nullptr || pattern.size() > 1000) {
    return fail("strftime_now(): a time or format out of range");
  }
  std::array<char, 1 << 16> buffer{};
  const size_t bytes = std::strftime(buffer.data(), buffer.size(), pattern.c_str(), &parts);
  return new_text(std::string(buffer.data(), bytes));
}

TemplateValue TemplateRun::loop_attribute(const Loop& loop, std::string_view name) {
  const auto at = static_cast<int64_t>(loop.index);
  const auto length = static_cast<int64_t>(loop.items.size());
  if (name == "index0") return TemplateValue::integer(at);
  if (name == "index") return TemplateValue::integer(at + 1);
  if (name == "revindex0") return TemplateValue::integer(length - at - 1);
  if (name == "revindex") return TemplateValue::integer(length - at);
  if (name == "length") return TemplateValue::integer(length);
  if (name == "depth") return TemplateValue::integer(loop.depth);
  if (name == "depth0") return TemplateValue::integer(loop.depth - 1);
  if (name == "first") return TemplateValue::boolean(at == 0);
  if (name == "last") return TemplateValue::boolean(at + 1 == length);
  if (name == "previtem") {
    return at > 0 ? loop.items[loop.index - 1]
                  : TemplateValue::undefined("there is no previous item");
  }
  if (name == "nextitem") {
    return at + 1 < length ? loop.items[loop.index + 1]
                           : TemplateValue::undefined("there is no next item");
  }
  return fail(fmt::format("loop.{} is not supported", name));
}

TemplateValue TemplateRun::loop_method(Loop& loop, std::string_view name,
                                       const TemplateArguments& arguments) {
  if (name == "cycle" && !arguments.positional.empty()) {
    return arguments.positional[loop.index % arguments.positional.size()];
  }
  if (name == "changed") {
    TemplateValue now = new_list(arguments.positional, true);
    const bool is_new = !(loop.changed == now);
    loop.changed = std::move(now);
    return TemplateValue::boolean(is_new);
  }
  return fail(fmt::format("loop.{}() is not supported", name));
}

TemplateValue TemplateRun::attribute(const TemplateValue& object, std::string_view name) {
  if (failed()) return {};
  if (object.is(ValueKind::kUndefined)) return fail(std::string(object.undefined_name()));
  if (object.is(ValueKind::kDict)) {
    // A method of Python's dict would be found first.
    for (const std::string_view known :
         {"items", "keys", "values", "get", "copy", "pop", "update"}) {
      if (name == known) return fail(fmt::format("the method {} without its call", name));
    }
    if (const TemplateValue* value = object.find(name)) return *value;
  }
  if (object.is(ValueKind::kHandle)) {
    const Handle handle = object.as_handle();
    if (handle.kind == Handle::Kind::kLoop) return loop_attribute(loops_[handle.index], name);
    if (handle.kind == Handle::Kind::kNamespace) {
      for (const auto& [known, value] : namespaces_[handle.index]) {
        if (known == name) return value;
      }
    }
  }
  return TemplateValue::undefined(
      fmt::format("{} has no attribute '{}'", object.kind_name(), name));
}

}  // namespace weft
