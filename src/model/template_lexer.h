// Tokens of a Jinja template, with white space cut as transformers has Jinja cut it: the newline
// behind a block goes (trim_blocks), as does what indents one (lstrip_blocks).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft {

struct TemplateToken {
  enum class Kind {
    kText,           // literal output
    kVariableBegin,  // {{
    kVariableEnd,
    kBlockBegin,  // {%
    kBlockEnd,
    kName,
    kString,  // its value, escapes resolved
    kInteger,
    kFloat,
    kOperator,
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::string text;
  int line = 1;
};

// The last token is kEnd. kBadInput: "line N: ...".
Result<std::vector<TemplateToken>> lex_template(std::string_view source);

}  // namespace weft
