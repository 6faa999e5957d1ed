// Fields: the members of a JSON object as typed values, or the first thing that is wrong with one.
// Behind api/request.h, not for others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/error.h"
#include "model/template_value.h"

namespace weft {

// The first error of a request; later ones do not count.
class FirstError {
 public:
  void set(std::string param, std::string_view found, std::string_view expected);
  [[nodiscard]] bool is_set() const { return error_.has_value(); }
  [[nodiscard]] const ApiError& get() const { return *error_; }

 private:
  std::optional<ApiError> error_;
};

// As messages show a value: short, on one line.
std::string describe_value(const TemplateValue& value);

class Fields {
 public:
  // `path` goes before the names: "messages[0].", or "". Requires a dict. All must outlive it.
  Fields(const TemplateValue& object, std::string path, FirstError& error)
      : object_(object), path_(std::move(path)), error_(error) {}

  // Nothing when the field is absent or null; an error too when it is wrong.
  std::optional<bool> flag(std::string_view key);
  std::optional<double> number(std::string_view key, double low, double high);
  std::optional<int64_t> integer(std::string_view key, int64_t low, int64_t high);
  std::optional<std::string> text(std::string_view key);
  const TemplateValue* list(std::string_view key, size_t most);
  const TemplateValue* object(std::string_view key);
  const TemplateValue* any(std::string_view key) const;

  // Refuses a field that says something other than nothing: null, false, 0, "", [] and {}.
  void refuse(std::string_view key, std::string_view expected);
  void fail(std::string_view key, const TemplateValue& found, std::string_view expected);
  void fail_missing(std::string_view key, std::string_view expected);
  [[nodiscard]] std::string name(std::string_view key) const { return path_ + std::string(key); }

 private:
  const TemplateValue& object_;
  std::string path_;
  FirstError& error_;
};

// A whole number, also one written with a fraction of zero.
std::optional<int64_t> whole_number(const TemplateValue& value);

}  // namespace weft
