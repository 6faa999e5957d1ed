// Grammars of the JSON texts that satisfy a JSON Schema (2020-12, and what is common of draft 7).
// A text of the grammar always satisfies the schema; not every text that does is in the grammar:
// properties come in the schema's order, those that are not declared only where the schema says
// additionalProperties, numbers and white space are bounded (model/json_rules.h).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "model/grammar.h"
#include "model/template_value.h"

namespace weft {

// Any JSON object ("response_format": {"type": "json_object"}).
Grammar json_object_grammar();

// kBadInput for whatever cannot be held: "NAME.properties.age.multipleOf: found 5, expected ...".
// Annotations (title, description, default, examples, x-...) are passed over.
Result<Grammar> json_schema_grammar(const TemplateValue& schema, const std::string& name);

// A text that calls functions: begin, calls with `between` between them, end. Each call is one of
// the choices: prefix, a JSON value by the schema, suffix.
struct CallGrammar {
  struct Choice {
    std::string prefix;
    TemplateValue schema;  // undefined or none: any object
    std::string suffix;
    std::string name;  // in messages
  };
  std::string begin;
  std::string between;
  std::string end;
  std::vector<Choice> choices;  // one at least
  bool many = false;            // more than one call may come
};
Result<Grammar> call_grammar(const CallGrammar& calls);

}  // namespace weft
