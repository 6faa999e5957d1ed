// The options that chat and other completions have in common. Behind api/request.h.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "api/fields.h"
#include "api/request.h"

namespace weft {

// Within 64 levels; nothing, and an error, when it is not a JSON object.
std::optional<TemplateValue> parse_body(std::string_view body, FirstError& error);
void read_options(Fields& fields, FirstError& error, GenerationOptions& options);
// An array of token ids.
std::vector<int32_t> read_token_ids(const TemplateValue& list, const std::string& param,
                                    FirstError& error);

}  // namespace weft
