// A recursive descent that builds as it reads; a quantifier reads its atom once for each copy.
#include "model/json_pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "model/utf8.h"

namespace weft {
namespace {

constexpr int kMaxNesting = 40;
constexpr int kMaxRepeat = 1000;
constexpr uint32_t kMaxStates = 20'000;
constexpr char32_t kLastCode = 0x10FFFF;

struct CodeRange {
  char32_t low;
  char32_t high;
};
using CodeSet = std::vector<CodeRange>;

CodeSet inverted(CodeSet set) {
  std::sort(set.begin(), set.end(), [](auto& a, auto& b) { return a.low < b.low; });
  CodeSet out;
  char32_t next = 0;
  for (const CodeRange& range : set) {
    if (range.low > next) out.push_back({next, range.low - 1});
    next = std::max<char32_t>(next, range.high + 1);
  }
  if (next <= kLastCode) out.push_back({next, kLastCode});
  return out;
}

void append(CodeSet& set, const CodeSet& other) {
  set.insert(set.end(), other.begin(), other.end());
}

// \d, \w, \s and their opposites; nothing for another letter.
std::optional<CodeSet> class_of(char32_t letter) {
  const CodeSet digits = {{'0', '9'}};
  const CodeSet word = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  const CodeSet space = {{9, 13},          {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680},
                         {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                         {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  switch (letter) {
    case 'd':
      return digits;
    case 'D':
      return inverted(digits);
    case 'w':
      return word;
    case 'W':
      return inverted(word);
    case 's':
      return space;
    case 'S':
      return inverted(space);
    default:
      return std::nullopt;
  }
}

class PatternReader {
 public:
  PatternReader(GrammarBuilder& builder, const JsonRules& rules, std::string_view pattern)
      : b_(builder), rules_(rules), text_(pattern), last_state_(builder.size() + kMaxStates) {}

  Status read(GrammarStateId from, GrammarStateId to) {
    do {
      GrammarStateId state = from;
      if (!take('^')) state = add_anything(state);
      state = read_sequence(state, 0);
      if (!take('$')) state = add_anything(state);
      b_.add_empty(state, to);
    } while (!failed() && take('|'));
    if (!failed() && place_ < text_.size()) fail("what cannot stand there");
    if (b_.size() > last_state_) {
      return bad_input(
          fmt::format("found more than {} states, expected a smaller pattern", kMaxStates));
    }
    if (!error_.empty()) return bad_input(error_);
    return {};
  }

 private:
  [[nodiscard]] bool failed() const {
    return !error_.empty() || b_.is_full() || b_.size() > last_state_;
  }
  [[nodiscard]] char peek(size_t ahead = 0) const {
    return place_ + ahead < text_.size() ? text_[place_ + ahead] : '\0';
  }
  bool take(char letter) {
    if (place_ >= text_.size() || text_[place_] != letter) return false;
    ++place_;
    return true;
  }
  void fail(std::string_view found) {
    if (!error_.empty()) return;
    error_ = fmt::format(
        "found {} at byte {}, expected literals, classes, groups, alternatives and quantifiers",
        found, place_);
  }

  GrammarStateId add_anything(GrammarStateId from) {
    const GrammarStateId loop = b_.add_state();
    b_.add_empty(from, loop);
    add_character(b_, rules_, loop, loop);
    return loop;
  }

  GrammarStateId read_alternatives(GrammarStateId from, int nesting) {
    const GrammarStateId to = b_.add_state();
    do {
      b_.add_empty(read_sequence(from, nesting), to);
    } while (!failed() && take('|'));
    return to;
  }

  GrammarStateId read_sequence(GrammarStateId state, int nesting) {
    while (!failed() && place_ < text_.size() && peek() != '|' && peek() != ')' && peek() != '$') {
      state = read_repeated(state, nesting);
    }
    return state;
  }

  struct Copy {
    GrammarStateId start;  // nothing but the atom leaves it
    GrammarStateId end;
  };
  Copy read_copy(GrammarStateId from, int nesting) {
    const GrammarStateId start = b_.add_state();
    b_.add_empty(from, start);
    return {start, read_atom(start, nesting)};
  }

  // An atom and its quantifier.
  GrammarStateId read_repeated(GrammarStateId from, int nesting) {
    const size_t begin = place_;
    Copy last = read_copy(from, nesting);
    int least = 1;
    int most = 1;
    if (failed() || !read_quantifier(least, most)) return last.end;
    const size_t end = place_;
    const GrammarStateId to = b_.add_state();
    if (least == 0) b_.add_empty(from, to);
    if (most == 0) return to;
    const int copies = most < 0 ? std::max(least, 1) : most;
    for (int i = 1; i < copies && !failed(); ++i) {
      if (i >= least) b_.add_empty(last.end, to);
      place_ = begin;
      last = read_copy(last.end, nesting);
    }
    b_.add_empty(last.end, to);
    if (most < 0) b_.add_empty(last.end, last.start);
    place_ = end;
    return to;
  }

  // {n}, {n,}, {n,m}, *, + or ?, perhaps lazy; `most` is -1 for no bound.
  bool read_quantifier(int& least, int& most) {
    if (take('*')) {
      least = 0, most = -1;
    } else if (take('+')) {
      least = 1, most = -1;
    } else if (take('?')) {
      least = 0, most = 1;
    } else if (take('{')) {
      least = read_count();
      most = least;
      if (take(',')) most = peek() == '}' ? -1 : read_count();
      if (!take('}') || (most >= 0 && most < least)) fail("a wrong quantifier");
    } else {
      return false;
    }
    take('?');
    if (peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{') fail("two quantifiers");
    return true;
  }

  int read_count() {
    int count = 0;
    if (peek() < '0' || peek() > '9') fail("a quantifier without a count");
    for (; peek() >= '0' && peek() <= '9'; ++place_) {
      count = count * 10 + (peek() - '0');
      if (count > kMaxRepeat) {
        fail(fmt::format("a count over {}", kMaxRepeat));
        return 0;
      }
    }
    return count;
  }

  GrammarStateId read_atom(GrammarStateId from, int nesting) {
    if (take('(')) return read_group(from, nesting);
    const GrammarStateId to = b_.add_state();
    if (take('[')) {
      add_set(from, read_class(), to);
    } else if (take('.')) {
      add_set(from, inverted({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}), to);
    } else if (take('\\')) {
      add_set(from, read_escape(), to);
    } else if (peek() == '^' || peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{') {
      fail(fmt::format("{:?}", text_.substr(place_, 1)));
    } else {
      const char32_t code = read_code();
      add_set(from, {{code, code}}, to);
    }
    return to;
  }

  GrammarStateId read_group(GrammarStateId from, int nesting) {
    if (nesting >= kMaxNesting) {
      fail("groups too deep in each other");
      return from;
    }
    if (take('?') && !take(':')) {
      fail("a group that looks around or has a name");
      return from;
    }
    const GrammarStateId to = read_alternatives(from, nesting + 1);
    if (!failed() && !take(')')) fail("no end of a group");
    return to;
  }

  char32_t read_code() {
    const Utf8Step step = utf8_step(text_.substr(place_));
    place_ += step.bytes;
    return step.code;
  }

  // What follows a backslash.
  CodeSet read_escape() {
    if (place_ >= text_.size()) return fail("a backslash at the end"), CodeSet{};
    const char32_t letter = read_code();
    if (auto known = class_of(letter)) return *known;
    char32_t code = letter;
    switch (letter) {
      case 'n':
        code = '\n';
        break;
      case 'r':
        code = '\r';
        break;
      case 't':
        code = '\t';
        break;
      case 'f':
        code = '\f';
        break;
      case 'v':
        code = '\v';
        break;
      case 'x':
        code = read_hex(2);
        break;
      case 'u':
        code = read_hex(4);
        break;
      default: {
        const bool is_word = (letter >= '0' && letter <= '9') || (letter >= 'A' && letter <= 'Z') ||
                             (letter >= 'a' && letter <= 'z');
        if (is_word) fail("an escape that is not supported");
      }
    }
    return {{code, code}};
  }

  char32_t read_hex(int digits) {
    char32_t code = 0;
    for (int i = 0; i < digits; ++i, ++place_) {
      const char letter = peek();
      if (letter >= '0' && letter <= '9') {
        code = code * 16 + static_cast<char32_t>(letter - '0');
      } else if ((letter | 32) >= 'a' && (letter | 32) <= 'f') {
        code = code * 16 + static_cast<char32_t>((letter | 32) - 'a' + 10);
      } else {
        return fail("a wrong hexadecimal escape"), U'x';
      }
    }
    return code;
  }

  CodeSet read_class() {
    const bool is_inverted = take('^');
    CodeSet set;
    while (!failed() && !take(']')) {
      if (place_ >= text_.size()) return fail("no end of a class"), CodeSet{};
      const CodeSet low = take('\\') ? read_class_escape() : single(read_code());
      const bool is_range = peek() == '-' && peek(1) != ']' && peek(1) != '\0';
      if (!is_range || low.size() != 1 || low[0].low != low[0].high) {
        append(set, low);
        continue;
      }
      ++place_;
      const CodeSet high = take('\\') ? read_class_escape() : single(read_code());
      if (high.size() != 1 || high[0].low != high[0].high || high[0].low < low[0].low) {
        return fail("a wrong range"), CodeSet{};
      }
      set.push_back({low[0].low, high[0].low});
    }
    return is_inverted ? inverted(set) : set;
  }

  static CodeSet single(char32_t code) { return {{code, code}}; }

  CodeSet read_class_escape() {
    if (take('b')) return single('\b');
    return read_escape();
  }

  // One character of the set, as JSON spells it.
  void add_set(GrammarStateId from, const CodeSet& set, GrammarStateId to) {
    constexpr CodeRange kPlain[] = {{0x20, 0x21},        {0x23, 0x5B},    {0x5D, 0x7F},
                                    {0x80, 0x7FF},       {0x800, 0xD7FF}, {0xE000, 0xFFFF},
                                    {0x10000, kLastCode}};
    if (failed()) return;
    for (const CodeRange& range : set) {
      for (const CodeRange& plain : kPlain) {
        const char32_t low = std::max(range.low, plain.low);
        const char32_t high = std::min(range.high, plain.high);
        if (low <= high) add_utf8(from, low, high, to);
      }
      for (char32_t code = range.low; code < 0x20 && code <= range.high; ++code) {
        b_.add_text(from, control(code), to);
      }
      for (const char letter : {'"', '\\'}) {
        const auto code = static_cast<char32_t>(letter);
        if (code >= range.low && code <= range.high) {
          b_.add_text(from, std::string{'\\', letter}, to);
        }
      }
    }
  }

  static std::string control(char32_t code) {
    constexpr std::string_view kShort = "\b\t\n\f\r";
    constexpr std::string_view kLetters = "btnfr";
    const size_t at = kShort.find(static_cast<char>(code));
    if (at != std::string_view::npos) return std::string{'\\', kLetters[at]};
    return fmt::format("\\u{:04x}", static_cast<uint32_t>(code));
  }

  // Code points whose UTF-8 has the same length: split until each byte's range is independent.
  void add_utf8(GrammarStateId from, char32_t low, char32_t high, GrammarStateId to) {
    std::string first;
    std::string last;
    append_utf8(first, low);
    append_utf8(last, high);
    for (size_t tail = 1; tail < first.size(); ++tail) {  // continuation bytes that must be free
      const char32_t mask = (char32_t{1} << (6 * tail)) - 1;
      if ((low & ~mask) == (high & ~mask)) continue;
      if ((low & mask) != 0) {
        add_utf8(from, low, low | mask, to);
        return add_utf8(from, (low | mask) + 1, high, to);
      }
      if ((high & mask) != mask) {
        add_utf8(from, low, (high & ~mask) - 1, to);
        return add_utf8(from, high & ~mask, high, to);
      }
    }
    for (size_t i = 0; i < first.size(); ++i) {
      const GrammarStateId next = i + 1 == first.size() ? to : b_.add_state();
      b_.add_bytes(from, static_cast<uint8_t>(first[i]), static_cast<uint8_t>(last[i]), next);
      from = next;
    }
  }

  GrammarBuilder& b_;
  const JsonRules& rules_;
  std::string_view text_;
  GrammarStateId last_state_;
  size_t place_ = 0;
  std::string error_;
};

}  // namespace

Status add_pattern(GrammarBuilder& builder, const JsonRules& rules, std::string_view pattern,
                   GrammarStateId from, GrammarStateId to) {
  return PatternReader(builder, rules, pattern).read(from, to);
}

}  // namespace weft
