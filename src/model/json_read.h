// Reading JSON by simdjson, shared by this folder's readers and not meant for others: a document
// within limits, and members by key. Null counts as absent.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft {

using JsonElement = simdjson::dom::element;
using JsonObject = simdjson::dom::object;
using JsonArray = simdjson::dom::array;

// The object that `json` is. Lives as long as `parser` does not read another. kBadInput: "NAME: not
// JSON: ...; expected WHAT".
Result<JsonObject> parse_json_object(simdjson::dom::parser& parser, std::string_view json,
                                     const std::string& name, std::string_view what);

std::optional<JsonElement> json_member(JsonObject object, std::string_view key);

// The member's value when it is there and of that type; otherwise nothing.
std::optional<std::string_view> json_text(JsonObject object, std::string_view key);
std::optional<bool> json_flag(JsonObject object, std::string_view key);
std::optional<int64_t> json_integer(JsonObject object, std::string_view key);
std::optional<double> json_number(JsonObject object, std::string_view key);

// As a message shows what it found: short, on one line.
std::string describe_json(JsonElement element);

}  // namespace weft
