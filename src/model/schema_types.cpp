// Strings, numbers and arrays of a schema.
#include <fmt/format.h>

#include <algorithm>

#include "model/json_number.h"
#include "model/json_pattern.h"
#include "model/schema_compiler.h"

namespace weft {
namespace {

struct Format {
  std::string_view name;
  std::string_view pattern;
};
// RFC 3339 without leap seconds and leap days; RFC 9562; RFC 4291; common mail addresses.
constexpr std::string_view kDate = R"(\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|)"
                                   R"((0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8])))";
constexpr std::string_view kTime =
    R"(([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d))";
constexpr Format kFormats[] = {
    {"date", "^DATE$"},
    {"time", "^TIME$"},
    {"date-time", "^DATETTIME$"},
    {"uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
    {"ipv4", R"(^(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$)"},
    {"email", R"(^[A-Za-z0-9_+-]{1,20}(\.[A-Za-z0-9_+-]{1,20}){0,2})"
              R"(@([A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?\.){1,3}[A-Za-z]{2,10}$)"},
};

std::string expanded(std::string_view pattern) {
  std::string out(pattern);
  for (const auto& [word, with] :
       {std::pair<std::string_view, std::string_view>{"DATE", kDate}, {"TIME", kTime}}) {
    const size_t at = out.find(word);
    if (at != std::string::npos) out.replace(at, word.size(), with);
  }
  return out;
}

}  // namespace

SchemaCompiler::Rule SchemaCompiler::string(const TemplateValue& schema, const std::string& path) {
  const TemplateValue* const pattern = schema.find("pattern");
  const TemplateValue* const format = schema.find("format");
  const bool has_length =
      schema.find("minLength") != nullptr || schema.find("maxLength") != nullptr;
  if ((pattern != nullptr) + (format != nullptr) + has_length > 1) {
    return fail(path, "two of pattern, format and lengths",
                "one of them: they cannot be held together");
  }
  if (pattern != nullptr) {
    if (!pattern->is(Kind::kText)) return fail_value(path + ".pattern", *pattern, "a string");
    return patterned_string(pattern->as_text(), path + ".pattern");
  }
  if (format != nullptr) {
    const auto* const known = std::find_if(
        std::begin(kFormats), std::end(kFormats),
        [&](const Format& f) { return format->is(Kind::kText) && format->as_text() == f.name; });
    if (known == std::end(kFormats)) {
      return fail_value(path + ".format", *format, "date, time, date-time, uuid, ipv4 or email");
    }
    return patterned_string(expanded(known->pattern), path + ".format");
  }
  if (!has_length) return rules_.string;
  const int64_t least = count(schema, "minLength", path, 0);
  const int64_t most = count(schema, "maxLength", path, -1);
  if (most >= 0 && most < least) return fail(path + ".maxLength", "less than minLength", "more");
  return bounded_string(least, most);
}

SchemaCompiler::Rule SchemaCompiler::patterned_string(const std::string& pattern,
                                                      const std::string& path) {
  const Rule start = b_.add_state();
  const Rule inside = b_.add_text(start, "\"");
  const Rule end = b_.add_state();
  if (const auto status = add_pattern(b_, rules_, pattern, inside, end); !status) {
    if (error_.empty()) error_ = path + ": " + status.error().message;
  }
  b_.add_text(end, "\"", accepting_state());
  return start;
}

SchemaCompiler::Rule SchemaCompiler::bounded_string(int64_t least, int64_t most) {
  const Rule start = b_.add_state();
  const Rule end = accepting_state();
  const int64_t last = most < 0 ? least : most;
  Rule here = b_.add_text(start, "\"");
  const Rule first = here;
  constexpr Rule kStride = kCharacterStates + 1;
  for (int64_t i = 0; i <= last && !b_.is_full(); ++i) {
    if (i >= least) b_.add_text(here, "\"", end);
    if (i < last) {
      add_character(b_, rules_, here, here + kStride);
      here = b_.add_state();
    } else if (most < 0) {
      add_character(b_, rules_, here, here);
    } else {
      for (uint32_t j = 0; j < kCharacterStates; ++j) b_.add_state();
    }
  }
  b_.add_chain({first, kStride, static_cast<uint32_t>(last + 1), least, most});
  return start;
}

SchemaCompiler::Rule SchemaCompiler::number(const TemplateValue& schema, const std::string& path,
                                            bool is_integer) {
  NumberBounds bounds;
  bool has_bounds = false;
  const auto read = [&](std::string_view keyword, std::optional<Decimal>& bound, bool& is_open,
                        bool open) {
    const TemplateValue* const value = schema.find(keyword);
    if (value == nullptr) return;
    const bool is_number = value->is(Kind::kInteger) || value->is(Kind::kFloat);
    const auto decimal = is_number ? decimal_of(*value) : std::nullopt;
    const std::string here = fmt::format("{}.{}", path, keyword);
    if (!decimal) {
      fail_value(here, *value, "a number below 1e15");
    } else if (bound) {
      fail_value(here, *value, "one bound on each side");
    } else {
      bound = decimal;
      is_open = open;
      has_bounds = true;
    }
  };
  read("minimum", bounds.low, bounds.low_open, false);
  read("exclusiveMinimum", bounds.low, bounds.low_open, true);
  read("maximum", bounds.high, bounds.high_open, false);
  read("exclusiveMaximum", bounds.high, bounds.high_open, true);
  if (const TemplateValue* format = schema.find("format")) {
    const std::string name = format->is(Kind::kText) ? format->as_text() : "";
    const bool is_known = is_integer ? name == "int64" : name == "double" || name == "float";
    if (!is_known) {
      return fail_value(path + ".format", *format, is_integer ? "int64" : "double or float");
    }
  }
  if (failed() || !has_bounds) return is_integer ? rules_.integer : rules_.number;
  return add_bounded_number(b_, bounds, is_integer);
}

SchemaCompiler::Rule SchemaCompiler::array(const TemplateValue& schema, const std::string& path) {
  const int64_t least = count(schema, "minItems", path, 0);
  int64_t most = count(schema, "maxItems", path, -1);
  if (const TemplateValue* unique = schema.find("uniqueItems")) {
    if (!unique->is(Kind::kBoolean) || unique->as_boolean()) {
      return fail_value(path + ".uniqueItems", *unique, "false: others cannot be held");
    }
  }
  std::vector<Rule> prefix;
  if (const TemplateValue* listed = schema.find("prefixItems")) {
    if (!listed->is(Kind::kList)) return fail_value(path + ".prefixItems", *listed, "a list");
    for (size_t i = 0; i < listed->as_list().size() && !failed(); ++i) {
      prefix.push_back(rule(listed->as_list()[i], fmt::format("{}.prefixItems[{}]", path, i)));
    }
  }
  const auto listed = static_cast<int64_t>(prefix.size());
  const TemplateValue* const items = schema.find("items");
  const bool is_closed = items != nullptr && items->is(Kind::kBoolean) && !items->as_boolean();
  if (is_closed) most = most < 0 ? listed : std::min(most, listed);
  if (most >= 0 && most < least) {
    return fail(path, fmt::format("room for {} items", most), fmt::format("for {}", least));
  }
  const Rule item = items == nullptr || is_closed ? rules_.value : rule(*items, path + ".items");
  if (failed()) return rules_.value;

  const Rule start = b_.add_state();
  const Rule end = accepting_state();
  Rule here = add_whitespace(b_, rules_, b_.add_text(start, "["));
  if (least == 0) b_.add_text(here, "]", end);
  const int64_t last = most >= 0 ? most : std::max<int64_t>({least, listed + 1, 1});
  for (int64_t i = 0; i < last && !b_.is_full(); ++i) {
    const Rule after = b_.add_state();
    b_.add_call(here, i < listed ? prefix[static_cast<size_t>(i)] : item, after);
    if (i + 1 >= least) b_.add_text(add_whitespace(b_, rules_, after), "]", end);
    const bool loops = i + 1 == last && most < 0;
    if (i + 1 == last && !loops) break;
    const Rule next = add_whitespace(b_, rules_, b_.add_text(after, ","));
    if (loops) {
      b_.add_call(next, item, after);
    } else {
      here = next;
    }
  }
  return start;
}

}  // namespace weft
