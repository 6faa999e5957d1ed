// The rules of JSON itself for grammars that a model writes by. Everything is bounded but strings,
// lists and tables, so that a model cannot go on for ever with blanks or digits: white space is one
// blank, or a newline and an indentation, and stands only before a value, a key or a closing
// bracket; numbers have up to 18 digits before and after the point and an exponent of two.
#pragma once

#include "model/grammar.h"

namespace weft {

struct JsonRules {
  GrammarStateId escape;  // what follows a backslash; surrogates only in pairs
  GrammarStateId string;
  GrammarStateId whitespace;  // perhaps none
  GrammarStateId number;
  GrammarStateId integer;
  GrammarStateId boolean;
  GrammarStateId null;
  GrammarStateId value;
  GrammarStateId object;
  GrammarStateId array;
};

// Requires a new builder; the same states each time, marked as shared.
JsonRules add_json_rules(GrammarBuilder& builder);

// One character of a string from `from` to `to`, in any spelling, through kCharacterStates states
// that are added.
inline constexpr uint32_t kCharacterStates = 8;
void add_character(GrammarBuilder& builder, const JsonRules& rules, GrammarStateId from,
                   GrammarStateId to);
// Up to `most` digits, and on to `to` after each, or after none.
void add_digits(GrammarBuilder& builder, GrammarStateId from, int most, GrammarStateId to);
// White space, and then on at the state that comes back.
GrammarStateId add_whitespace(GrammarBuilder& builder, const JsonRules& rules, GrammarStateId from);

}  // namespace weft
