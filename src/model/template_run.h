// TemplateRun: one rendering of a chat template: its names, its output, and the limits that keep a
// hostile template from taking all time or memory. Keeps the first error and then does nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/template_ast.h"
#include "model/template_value.h"

namespace weft {

// What a call hands over, positional first.
struct TemplateArguments {
  std::vector<TemplateValue> positional;
  std::vector<std::pair<std::string, TemplateValue>> named;

  // By place or name; null when not given.
  [[nodiscard]] const TemplateValue* get(size_t index, std::string_view name) const;
  [[nodiscard]] size_t size() const { return positional.size() + named.size(); }
};

class TemplateRun {
 public:
  // `context` is a dict of names. `now`: seconds since 1970 in local time, for strftime_now.
  TemplateRun(const TemplateValue& context, std::optional<int64_t> now);

  // Once. kBadInput: "line N: ..."; a template's raise_exception says its own sentence.
  Result<std::string> run(const TemplateNode& root);

  // For filters, tests and methods.
  TemplateValue fail(std::string message);
  [[nodiscard]] bool failed() const { return error_.has_value(); }
  // Counts work, in steps or bytes; false (and failed) when too much.
  bool charge(size_t amount);
  // New values that are not larger or deeper than allowed.
  TemplateValue new_text(std::string text);
  TemplateValue new_list(TemplateValue::List items, bool is_tuple = false);
  TemplateValue new_dict(TemplateValue::Dict entries);
  // The items that a loop over the value sees: of a string its characters, of a dict its keys.
  TemplateValue::List items_of(const TemplateValue& value);
  TemplateValue attribute(const TemplateValue& object, std::string_view name);
  TemplateValue item(const TemplateValue& object, const TemplateValue& key);
  TemplateValue binary(std::string_view op, const TemplateValue& a, const TemplateValue& b);
  bool compare(std::string_view op, const TemplateValue& a, const TemplateValue& b);
  TemplateValue slice(const TemplateValue& object, const TemplateValue* bounds);
  // template_filters.cpp, template_tests.cpp, template_methods.cpp.
  TemplateValue filter(std::string_view name, const TemplateValue& input,
                       const TemplateArguments& arguments);
  bool test(std::string_view name, const TemplateValue& input, const TemplateArguments& arguments);
  TemplateValue method(const TemplateValue& object, std::string_view name,
                       const TemplateArguments& arguments);

 private:
  using Handle = TemplateValue::Handle;
  enum class Flow { kNext, kBreak, kContinue };
  struct Scope {
    std::vector<std::pair<std::string, TemplateValue>> names;
    Scope* parent;
  };
  struct Loop {
    TemplateValue::List items;
    size_t index = 0;
    int depth = 1;
    TemplateValue changed;
  };
  struct Macro {
    const TemplateNode* node;
    Scope* scope;  // where it stands
  };

  // Statements: template_run.cpp.
  Flow execute(const TemplateNode& node);
  Flow execute_sequence(const TemplateNode& node);
  Flow execute_if(const TemplateNode& node);
  Flow execute_for(const TemplateNode& node);
  Flow run_loop(const TemplateNode& node, uint32_t loop);
  void execute_with(const TemplateNode& node);
  TemplateValue::List loop_items(const TemplateNode& node);
  TemplateValue capture(const TemplateNode& body, const TemplateNode* filters);
  void assign(const TemplateNode& target, const TemplateValue& value);
  void write(std::string_view text);
  Scope* push_scope();
  void set_name(const std::string& name, TemplateValue value);

  // Expressions: template_evaluate.cpp.
  TemplateValue evaluate(const TemplateNode& node);
  TemplateValue evaluate_plain(const TemplateNode& node);
  TemplateValue lookup(const std::string& name);
  TemplateValue evaluate_list(const TemplateNode& node);
  TemplateValue evaluate_dict(const TemplateNode& node);
  TemplateValue evaluate_slice(const TemplateNode& node);
  TemplateValue evaluate_compare(const TemplateNode& node);
  TemplateValue evaluate_concat(const TemplateNode& node);
  TemplateValue evaluate_sign(const TemplateNode& node);
  TemplateValue evaluate_filter(const TemplateNode& node, const TemplateValue* input);
  TemplateValue evaluate_call(const TemplateNode& node);
  TemplateArguments arguments_of(const TemplateNode& node);
  TemplateValue call_function(std::string_view name, const TemplateArguments& arguments);
  TemplateValue call_macro(const Macro& macro, const TemplateArguments& arguments);
  TemplateValue make_namespace(const TemplateArguments& arguments);
  TemplateValue make_range(const TemplateArguments& arguments);
  TemplateValue format_time(const TemplateArguments& arguments);
  TemplateValue loop_attribute(const Loop& loop, std::string_view name);
  TemplateValue loop_method(Loop& loop, std::string_view name, const TemplateArguments& arguments);

  std::optional<int64_t> now_;
  std::optional<Error> error_;
  std::string out_;
  uint64_t work_ = 0;
  int line_ = 1;
  int depth_ = 0;
  int loop_depth_ = 0;
  std::deque<Scope> scopes_;  // none goes before the end: a macro may come back to it
  Scope* scope_ = nullptr;
  std::deque<Loop> loops_;
  std::deque<Macro> macros_;
  std::deque<TemplateValue::Dict> namespaces_;
};

}  // namespace weft
