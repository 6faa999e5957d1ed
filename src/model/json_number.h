// Numbers between bounds, for grammars: a finite automaton over decimal digits that compares with
// the bounds' digits as it reads.
#pragma once

#include <optional>
#include <string>

#include "model/grammar.h"
#include "model/template_value.h"

namespace weft {

// A finite decimal number: its sign, digits before the point without leading zeros, and digits
// after it without trailing ones.
struct Decimal {
  bool negative = false;
  std::string whole = "0";
  std::string fraction;
};
// The shortest decimal that reads back as `value`; nothing below 1e-18 or from 1e15 on (integers:
// 1e18). Requires a number.
std::optional<Decimal> decimal_of(const TemplateValue& value);

struct NumberBounds {
  std::optional<Decimal> low;
  std::optional<Decimal> high;
  bool low_open = false;  // the bound itself does not count
  bool high_open = false;
};

// A rule for numbers within bounds, written without exponent; of 15 digits at most, which doubles
// tell apart, and whole ones of 18. Perhaps for none at all, when nothing lies between.
GrammarStateId add_bounded_number(GrammarBuilder& builder, const NumberBounds& bounds,
                                  bool is_integer);

}  // namespace weft
