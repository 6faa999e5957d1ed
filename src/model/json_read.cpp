// Thin helpers over simdjson's document tree.
#include "model/json_read.h"

#include <fmt/format.h>

namespace weft {
namespace {

constexpr size_t kMaxBytes = 256 << 20;
constexpr size_t kMaxShown = 60;

}  // namespace

Result<JsonObject> parse_json_object(simdjson::dom::parser& parser, std::string_view json,
                                     const std::string& name, std::string_view what) {
  if (json.size() > kMaxBytes) {
    return bad_input(fmt::format("{}: found {} bytes, expected {} of at most {}", name, json.size(),
                                 what, kMaxBytes));
  }
  JsonElement document;
  if (json.empty()) json = "";  // simdjson copies from a null pointer otherwise
  if (const auto error = parser.parse(json.data(), json.size()).get(document)) {
    return bad_input(
        fmt::format("{}: not JSON: {}; expected {}", name, simdjson::error_message(error), what));
  }
  JsonObject root;
  if (document.get_object().get(root)) {
    return bad_input(fmt::format("{}: found {}, expected {}", name, describe_json(document), what));
  }
  return root;
}

std::optional<JsonElement> json_member(JsonObject object, std::string_view key) {
  JsonElement value;
  if (object.at_key(key).get(value) || value.is_null()) return std::nullopt;
  return value;
}

std::optional<std::string_view> json_text(JsonObject object, std::string_view key) {
  const auto member = json_member(object, key);
  std::string_view value;
  if (!member || member->get_string().get(value)) return std::nullopt;
  return value;
}

std::optional<bool> json_flag(JsonObject object, std::string_view key) {
  const auto member = json_member(object, key);
  bool value = false;
  if (!member || member->get_bool().get(value)) return std::nullopt;
  return value;
}

std::optional<int64_t> json_integer(JsonObject object, std::string_view key) {
  const auto member = json_member(object, key);
  int64_t value = 0;
  if (!member || member->get_int64().get(value)) return std::nullopt;
  return value;
}

std::optional<double> json_number(JsonObject object, std::string_view key) {
  const auto member = json_member(object, key);
  double value = 0;
  if (!member || member->get_double().get(value)) return std::nullopt;
  return value;
}

std::string describe_json(JsonElement element) {
  if (element.is_object()) return "a table";
  if (element.is_array()) return "a list";
  std::string_view text;
  if (!element.get_string().get(text)) {
    const bool is_long = text.size() > kMaxShown;
    return fmt::format("{:?}{}", text.substr(0, kMaxShown), is_long ? "..." : "");
  }
  return simdjson::minify(element);
}

}  // namespace weft
