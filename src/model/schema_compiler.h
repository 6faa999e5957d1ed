// SchemaCompiler: one JSON Schema into rules of a grammar. Behind model/json_schema.h, not for
// others.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/json_rules.h"
#include "model/template_value.h"

namespace weft {

class SchemaCompiler {
 public:
  // `name` begins every message. The others must outlive it.
  SchemaCompiler(GrammarBuilder& builder, const JsonRules& rules, const TemplateValue& root,
                 std::string name)
      : b_(builder), rules_(rules), root_(root), name_(std::move(name)) {}

  // The rule of the whole schema.
  Result<GrammarStateId> compile();

 private:
  using Kind = TemplateValue::Kind;
  using Rule = GrammarStateId;
  struct Property {
    std::string name;
    TemplateValue schema;
    std::string path;
    bool required = false;
  };

  // Keeps the first failure; a rule comes back all the same.
  Rule fail(const std::string& path, std::string_view found, std::string_view expected);
  Rule fail_value(const std::string& path, const TemplateValue& found, std::string_view expected);
  [[nodiscard]] bool failed() const { return !error_.empty() || b_.is_full(); }
  // Whether nothing but these and annotations is there.
  bool has_only(const TemplateValue& schema, const std::string& path,
                std::span<const std::string_view> keywords, std::string_view beside);
  // A count of at most kMaxCount, `otherwise` when absent.
  int64_t count(const TemplateValue& schema, std::string_view keyword, const std::string& path,
                int64_t otherwise);
  Rule accepting_state();
  Rule any_of(std::span<const Rule> rules);

  Rule rule(const TemplateValue& schema, const std::string& path);
  Rule reference(const TemplateValue& schema, const std::string& path);
  const TemplateValue* find_target(std::string_view pointer) const;
  Rule typed(const TemplateValue& schema, const std::string& path);
  std::vector<std::string_view> types_of(const TemplateValue& schema, const std::string& path);
  Rule of_type(std::string_view type, const TemplateValue& schema, const std::string& path);

  // schema_choice.cpp
  Rule enumeration(const TemplateValue& schema, const std::string& path);
  Rule alternatives(const TemplateValue& schema, const std::string& path, std::string_view keyword);
  void check_disjoint(const TemplateValue::List& items, const std::string& path);
  bool are_disjoint(const TemplateValue& a, const TemplateValue& b) const;
  const TemplateValue& resolved(const TemplateValue& schema) const;
  uint32_t kinds(const TemplateValue& schema, int depth) const;
  Rule words(std::vector<std::string> texts);

  // schema_types.cpp
  Rule string(const TemplateValue& schema, const std::string& path);
  Rule bounded_string(int64_t least, int64_t most);
  Rule patterned_string(const std::string& pattern, const std::string& path);
  Rule number(const TemplateValue& schema, const std::string& path, bool is_integer);
  Rule array(const TemplateValue& schema, const std::string& path);

  // schema_object.cpp
  Rule object(const TemplateValue& schema, const std::string& path);
  std::vector<Property> properties_of(const TemplateValue& schema, const std::string& path,
                                      const TemplateValue* additional);
  Rule properties(const std::vector<Property>& properties, std::optional<Rule> additional);
  Rule other_key(const std::vector<Property>& properties);

  GrammarBuilder& b_;
  const JsonRules& rules_;
  const TemplateValue& root_;
  std::string name_;
  std::string error_;
  size_t schemas_ = 0;
  std::map<std::string, Rule, std::less<>> references_;  // by pointer
  struct Pending {
    Rule rule;
    TemplateValue schema;
    std::string path;
  };
  std::vector<Pending> pending_;  // rules that are called and not yet there
};

// A short spelling for messages, and the JSON that a model has to write.
std::string shown_json(const TemplateValue& value);
std::string compact_json(const TemplateValue& value);

}  // namespace weft
