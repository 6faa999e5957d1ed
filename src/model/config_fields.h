// ConfigFields: the fields of a config.json that a model's shape depends on, whether they came from
// JSON or from catalog/models/*.toml, and typed readers that keep the first error.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace weft {

enum class FieldKind { kInteger, kNumber, kBoolean, kText, kIntegers, kTexts };

// One field that is understood. Dots walk nested objects: "quantization_config.quant_method".
struct FieldName {
  std::string_view name;
  FieldKind kind;
};
std::span<const FieldName> config_field_names();

// A value of a kind that no field has, kept to be named in an error: "a table".
struct ForeignValue {
  std::string text;
};
using FieldValue = std::variant<int64_t, double, bool, std::string, std::vector<int64_t>,
                                std::vector<std::string>, ForeignValue>;
// As people read it, long lists shortened.
std::string describe(const FieldValue& value);

class ConfigFields {
 public:
  // `source` stands for the document in messages.
  explicit ConfigFields(std::string source) : source_(std::move(source)) {}

  void set(std::string key, FieldValue value) { values_[std::move(key)] = std::move(value); }
  [[nodiscard]] bool has(std::string_view key) const { return values_.contains(key); }

  // Required: kBadInput "SOURCE: KEY: missing; expected ..." when absent.
  int integer(std::string_view key, int min, int max);
  int integer(std::string_view key, int fallback, int min, int max);
  // A real number; whole ones are real too.
  double number(std::string_view key, double fallback, double min, double max);
  bool boolean(std::string_view key, bool fallback);
  std::string text(std::string_view key, std::string_view fallback);
  std::vector<int64_t> integers(std::string_view key);   // empty when absent
  std::vector<std::string> texts(std::string_view key);  // empty when absent
  // A list, or one number that stands for a list of itself.
  std::vector<int64_t> one_or_more(std::string_view key);

  // Records "SOURCE: KEY: MESSAGE" unless an earlier error stands.
  void fail(std::string_view key, std::string_view message);
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] const std::string& source() const { return source_; }

 private:
  const FieldValue* find(std::string_view key) const;
  void wrong(std::string_view key, const FieldValue& value, std::string_view expected);

  std::string source_;
  std::map<std::string, FieldValue, std::less<>> values_;
  std::optional<Error> error_;
};

}  // namespace weft
