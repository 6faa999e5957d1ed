// Regular expressions as JSON Schema's "pattern" has them (ECMA-262), for grammars: literals,
// classes, groups, alternatives, quantifiers, and ^ and $ at the ends of the whole pattern's
// alternatives. Others, like look-around and back references, are refused. Matching texts are
// spelled in one way: what needs no escape has none.
#pragma once

#include <string_view>

#include "base/result.h"
#include "model/json_rules.h"

namespace weft {

// Adds what lies between the quotes of a JSON string. Without ^ or $ anything may stand on that
// side. kBadInput: "found ... at byte N of the pattern, expected ...".
Status add_pattern(GrammarBuilder& builder, const JsonRules& rules, std::string_view pattern,
                   GrammarStateId from, GrammarStateId to);

}  // namespace weft
