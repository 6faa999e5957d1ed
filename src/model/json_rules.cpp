// JSON, RFC 8259, state by state.
#include "model/json_rules.h"

#include <string_view>

namespace weft {
namespace {

constexpr int kMaxDigits = 18;  // an integer of so many fits 64 bits
constexpr int kMaxExponentDigits = 2;
constexpr int kMaxIndent = 40;
constexpr int kMaxTabs = 10;

void add_letter(GrammarBuilder& b, GrammarStateId from, char letter, GrammarStateId to) {
  b.add_bytes(from, static_cast<uint8_t>(letter), static_cast<uint8_t>(letter), to);
}

void add_any_of(GrammarBuilder& b, GrammarStateId from, std::string_view letters,
                GrammarStateId to) {
  for (const char letter : letters) add_letter(b, from, letter, to);
}

void add_hex(GrammarBuilder& b, GrammarStateId from, GrammarStateId to) {
  b.add_bytes(from, '0', '9', to);
  b.add_bytes(from, 'a', 'f', to);
  b.add_bytes(from, 'A', 'F', to);
}

GrammarStateId accepting(GrammarBuilder& b) {
  const GrammarStateId state = b.add_state();
  b.accept(state);
  return state;
}

GrammarStateId add_escape_rule(GrammarBuilder& b) {
  const GrammarStateId start = b.add_state();
  const GrammarStateId end = accepting(b);
  add_any_of(b, start, R"("\/bfnrt)", end);
  const GrammarStateId unit = b.add_state();
  add_letter(b, start, 'u', unit);
  const GrammarStateId three = b.add_state();
  const GrammarStateId two = b.add_state();
  const GrammarStateId one = b.add_state();
  add_any_of(b, unit, "0123456789abcefABCEF", three);
  add_hex(b, three, two);
  add_hex(b, two, one);
  add_hex(b, one, end);
  // Surrogates: D800 to DBFF, then \u and DC00 to DFFF.
  const GrammarStateId after_d = b.add_state();
  add_any_of(b, unit, "dD", after_d);
  b.add_bytes(after_d, '0', '7', two);
  const GrammarStateId high = b.add_state();
  add_any_of(b, after_d, "89abAB", high);
  const GrammarStateId high_last = b.add_state();
  add_hex(b, high, high_last);
  const GrammarStateId pause = b.add_state();
  add_hex(b, high_last, pause);
  const GrammarStateId low = b.add_text(pause, "\\u");
  const GrammarStateId low_next = b.add_state();
  add_any_of(b, low, "dD", low_next);
  add_any_of(b, low_next, "cdefCDEF", two);
  return start;
}

GrammarStateId add_string_rule(GrammarBuilder& b, const JsonRules& rules) {
  const GrammarStateId start = b.add_state();
  const GrammarStateId body = b.add_state();
  add_letter(b, start, '"', body);
  add_character(b, rules, body, body);
  add_letter(b, body, '"', accepting(b));
  return start;
}

GrammarStateId add_whitespace_rule(GrammarBuilder& b) {
  const GrammarStateId start = accepting(b);
  add_letter(b, start, ' ', accepting(b));
  const GrammarStateId line = accepting(b);
  add_letter(b, start, '\n', line);
  for (const auto& [letter, most] : {std::pair(' ', kMaxIndent), std::pair('\t', kMaxTabs)}) {
    GrammarStateId from = line;
    for (int i = 0; i < most; ++i) {
      const GrammarStateId next = accepting(b);
      add_letter(b, from, letter, next);
      from = next;
    }
  }
  return start;
}

GrammarStateId add_number_rule(GrammarBuilder& b, bool is_integer) {
  const GrammarStateId start = b.add_state();
  const GrammarStateId unsigned_start = b.add_state();
  const GrammarStateId end = accepting(b);
  add_letter(b, start, '-', unsigned_start);
  b.add_empty(start, unsigned_start);
  const GrammarStateId whole = is_integer ? end : b.add_state();
  add_letter(b, unsigned_start, '0', whole);
  const GrammarStateId digits = b.add_state();
  b.add_bytes(unsigned_start, '1', '9', digits);
  add_digits(b, digits, kMaxDigits - 1, whole);
  if (is_integer) return start;
  b.add_empty(whole, end);
  const GrammarStateId point = b.add_state();
  const GrammarStateId fraction = b.add_state();
  const GrammarStateId exponent = b.add_state();
  const GrammarStateId has_sign = b.add_state();
  const GrammarStateId last = b.add_state();
  add_letter(b, whole, '.', point);
  b.add_bytes(point, '0', '9', fraction);
  const GrammarStateId after = b.add_state();
  add_digits(b, fraction, kMaxDigits - 1, after);
  b.add_empty(after, end);
  for (const GrammarStateId from : {whole, after}) add_any_of(b, from, "eE", exponent);
  add_any_of(b, exponent, "+-", has_sign);
  b.add_empty(exponent, has_sign);
  b.add_bytes(has_sign, '0', '9', last);
  add_digits(b, last, kMaxExponentDigits - 1, end);
  return start;
}

GrammarStateId add_words_rule(GrammarBuilder& b, std::initializer_list<std::string_view> words) {
  const GrammarStateId start = b.add_state();
  const GrammarStateId end = accepting(b);
  for (const std::string_view word : words) b.add_text(start, word, end);
  return start;
}

// Items between brackets with commas; `add_item` leads from a state to the one after an item.
template <class AddItem>
void add_sequence(GrammarBuilder& b, const JsonRules& rules, GrammarStateId start, char open,
                  char close, AddItem add_item) {
  const GrammarStateId opened = b.add_state();
  const GrammarStateId end = accepting(b);
  add_letter(b, start, open, opened);
  const GrammarStateId first = add_whitespace(b, rules, opened);
  add_letter(b, first, close, end);
  const GrammarStateId after = b.add_state();
  add_item(first, after);
  const GrammarStateId comma = b.add_state();
  add_letter(b, after, ',', comma);
  add_item(add_whitespace(b, rules, comma), after);
  add_letter(b, add_whitespace(b, rules, after), close, end);
}

}  // namespace

void add_character(GrammarBuilder& b, const JsonRules& rules, GrammarStateId from,
                   GrammarStateId to) {
  b.add_bytes(from, 0x20, 0x21, to);
  b.add_bytes(from, 0x23, 0x5B, to);
  b.add_bytes(from, 0x5D, 0x7F, to);
  const GrammarStateId one = b.add_state();  // continuation bytes to come
  const GrammarStateId two = b.add_state();
  const GrammarStateId three = b.add_state();
  b.add_bytes(from, 0xC2, 0xDF, one);
  b.add_bytes(one, 0x80, 0xBF, to);
  b.add_bytes(from, 0xE1, 0xEC, two);
  b.add_bytes(from, 0xEE, 0xEF, two);
  b.add_bytes(two, 0x80, 0xBF, one);
  b.add_bytes(from, 0xF1, 0xF3, three);
  b.add_bytes(three, 0x80, 0xBF, two);
  struct Special {  // first bytes after which less is well-formed
    uint8_t lead, low, high;
    GrammarStateId next;
  };
  for (const Special& s : {Special{0xE0, 0xA0, 0xBF, one}, Special{0xED, 0x80, 0x9F, one},
                           Special{0xF0, 0x90, 0xBF, two}, Special{0xF4, 0x80, 0x8F, two}}) {
    const GrammarStateId second = b.add_state();
    b.add_bytes(from, s.lead, s.lead, second);
    b.add_bytes(second, s.low, s.high, s.next);
  }
  const GrammarStateId escaped = b.add_state();
  add_letter(b, from, '\\', escaped);
  b.add_call(escaped, rules.escape, to);
}

void add_digits(GrammarBuilder& b, GrammarStateId from, int most, GrammarStateId to) {
  b.add_empty(from, to);
  for (int i = 0; i < most; ++i) {
    const GrammarStateId next = b.add_state();
    b.add_bytes(from, '0', '9', next);
    b.add_empty(next, to);
    from = next;
  }
}

GrammarStateId add_whitespace(GrammarBuilder& b, const JsonRules& rules, GrammarStateId from) {
  const GrammarStateId after = b.add_state();
  b.add_call(from, rules.whitespace, after);
  return after;
}

JsonRules add_json_rules(GrammarBuilder& b) {
  JsonRules rules{};
  rules.escape = add_escape_rule(b);
  rules.string = add_string_rule(b, rules);
  rules.whitespace = add_whitespace_rule(b);
  rules.number = add_number_rule(b, false);
  rules.integer = add_number_rule(b, true);
  rules.boolean = add_words_rule(b, {"true", "false"});
  rules.null = add_words_rule(b, {"null"});
  rules.value = b.add_state();
  rules.object = b.add_state();
  rules.array = b.add_state();
  const GrammarStateId end = accepting(b);
  for (const GrammarStateId rule :
       {rules.string, rules.number, rules.boolean, rules.null, rules.object, rules.array}) {
    b.add_call(rules.value, rule, end);
  }
  add_sequence(b, rules, rules.object, '{', '}', [&](GrammarStateId from, GrammarStateId to) {
    const GrammarStateId after_key = b.add_state();
    b.add_call(from, rules.string, after_key);
    const GrammarStateId colon = b.add_text(after_key, ":");
    b.add_call(add_whitespace(b, rules, colon), rules.value, to);
  });
  add_sequence(b, rules, rules.array, '[', ']',
               [&](GrammarStateId from, GrammarStateId to) { b.add_call(from, rules.value, to); });
  b.mark_shared();
  return rules;
}

}  // namespace weft
