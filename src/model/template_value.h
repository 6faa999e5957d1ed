// TemplateValue: what a chat template computes with: Python's values as JSON has them. Immutable;
// copies share what they hold, because a template hands whole conversations from name to name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace weft {

class TemplateValue {
 public:
  enum class Kind { kUndefined, kNone, kBoolean, kInteger, kFloat, kText, kList, kDict, kHandle };
  using List = std::vector<TemplateValue>;
  using Dict = std::vector<std::pair<std::string, TemplateValue>>;  // in order, keys once

  // Something that lives in a rendering: a namespace, a loop, a macro, a function.
  struct Handle {
    enum class Kind { kNamespace, kLoop, kMacro, kFunction } kind;
    uint32_t index;
    bool operator==(const Handle&) const = default;
  };

  TemplateValue() = default;                         // undefined
  static TemplateValue undefined(std::string what);  // says so in errors
  static TemplateValue none();
  static TemplateValue boolean(bool value);
  static TemplateValue integer(int64_t value);
  static TemplateValue number(double value);
  static TemplateValue text(std::string value);
  static TemplateValue list(List items, bool is_tuple = false);
  static TemplateValue dict(Dict entries);  // of equal keys the last counts
  static TemplateValue handle(Handle value);

  [[nodiscard]] Kind kind() const { return static_cast<Kind>(state_.index()); }
  [[nodiscard]] bool is(Kind kind) const { return this->kind() == kind; }
  [[nodiscard]] bool is_number() const {  // as Python: booleans too
    return is(Kind::kBoolean) || is(Kind::kInteger) || is(Kind::kFloat);
  }
  [[nodiscard]] bool is_whole() const { return is(Kind::kBoolean) || is(Kind::kInteger); }
  [[nodiscard]] bool is_tuple() const;

  // Each requires its kind; as_integer takes booleans, as_number every number.
  [[nodiscard]] bool as_boolean() const { return std::get<bool>(state_); }
  [[nodiscard]] int64_t as_integer() const;
  [[nodiscard]] double as_number() const;
  [[nodiscard]] const std::string& as_text() const;
  [[nodiscard]] const List& as_list() const;
  [[nodiscard]] const Dict& as_dict() const;
  [[nodiscard]] Handle as_handle() const { return std::get<Handle>(state_); }
  // What is undefined, like "'name' is undefined".
  [[nodiscard]] std::string_view undefined_name() const;

  // A dict's entry; null when absent. Requires a dict.
  [[nodiscard]] const TemplateValue* find(std::string_view key) const;

  [[nodiscard]] bool truth() const;
  // How deep lists and dicts lie in each other; 0 for plain values.
  [[nodiscard]] int depth() const;
  // What errors call it: "a string", "none".
  [[nodiscard]] std::string_view kind_name() const;
  // As Python's str() and repr().
  [[nodiscard]] std::string str() const;
  [[nodiscard]] std::string repr() const;
  // As Python's ==.
  bool operator==(const TemplateValue& other) const;

 private:
  struct Undefined {
    std::shared_ptr<const std::string> name;
  };
  struct None {};
  struct ListData {
    List items;
    int depth;
    bool is_tuple;
  };
  struct DictData {
    Dict entries;
    int depth;
  };
  std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const ListData>, std::shared_ptr<const DictData>, Handle>
      state_;
};

// How deep values may lie in each other; deeper ones are refused where they would arise.
inline constexpr int kMaxValueDepth = 64;

// Any JSON value. kBadInput: "NAME: not JSON: ..."
Result<TemplateValue> template_value_from_json(std::string_view json, const std::string& name);

// How Python's json.dumps writes it.
struct JsonStyle {
  std::optional<int> indent;  // spaces per level; without: one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool ascii = false;  // escapes what is not ASCII
  bool sort_keys = false;
};
// kBadInput for what JSON cannot hold (undefined values, macros).
Result<std::string> template_value_to_json(const TemplateValue& value, const JsonStyle& style);

// As Python's repr() of a float: the shortest that reads back the same.
std::string python_float(double value);

}  // namespace weft
