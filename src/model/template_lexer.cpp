// The lexer: text up to the next tag, then the tag's own tokens.
#include "model/template_lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/utf8.h"

namespace weft {
namespace {

using Kind = TemplateToken::Kind;
constexpr size_t kNone = std::string_view::npos;
constexpr size_t kMaxSource = 1 << 20;

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<uint8_t>(c) >= 0x80;
}

// Newlines of every kind become \n, and the last one goes.
std::string unify_newlines(std::string_view source) {
  std::string text;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      text += source[i];
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  Result<std::vector<TemplateToken>> run() {
    while (at_ < source_.size() && problem_.empty()) lex_text();
    if (!problem_.empty()) return bad_input(fmt::format("line {}: {}", line_, problem_));
    push(Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  [[nodiscard]] std::string_view rest() const { return std::string_view(source_).substr(at_); }
  [[nodiscard]] char peek(size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }
  void push(Kind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }
  void advance(size_t bytes) {
    const std::string_view passed = rest().substr(0, bytes);
    line_ += static_cast<int>(std::count(passed.begin(), passed.end(), '\n'));
    at_ += passed.size();
  }
  void skip_space() {
    while (at_ < source_.size() && is_space(peek())) advance(1);
  }

  void lex_text() {
    size_t tag = at_;
    for (;;) {
      tag = source_.find('{', tag);
      if (tag == kNone) return push_text(source_.size() - at_, '+', true);
      const char next = tag + 1 < source_.size() ? source_[tag + 1] : '\0';
      if (next == '%' || next == '{' || next == '#') break;
      ++tag;
    }
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    push_text(tag - at_, sign, kind == '{');
    advance(sign == '-' || sign == '+' ? 3 : 2);
    if (kind == '#') return skip_comment();
    if (kind == '%' && lex_raw()) return;
    lex_tag(kind == '{');
  }

  // Literal output, without what the tag behind it takes.
  void push_text(size_t bytes, char sign, bool is_variable) {
    std::string_view text = rest().substr(0, bytes);
    if (sign == '-') {
      while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    } else if (sign != '+' && !is_variable) {
      const size_t newline = text.rfind('\n');
      const size_t start = newline == kNone ? 0 : newline + 1;
      const std::string_view indent = text.substr(start);
      const bool starts_line = start > 0 || line_starting_;
      if (starts_line && std::all_of(indent.begin(), indent.end(), is_space)) {
        text = text.substr(0, start);
      }
    }
    if (!text.empty()) push(Kind::kText, std::string(text));
    advance(bytes);
    line_starting_ = false;
  }

  void skip_comment() {
    const size_t end = source_.find("#}", at_);
    if (end == kNone) {
      problem_ = "a comment without its #}";
      return;
    }
    const char sign = end > at_ ? source_[end - 1] : '\0';
    advance(end + 2 - at_);
    close_tag(sign, true);
  }

  // Behind the end of a tag: "-" takes all white space; blocks take one newline.
  void close_tag(char sign, bool trims) {
    const size_t begin = at_;
    if (sign == '-') {
      skip_space();
    } else if (trims && sign != '+' && peek() == '\n') {
      advance(1);
    }
    line_starting_ = at_ > begin && source_[at_ - 1] == '\n';
  }

  // {% raw %} ... {% endraw %}: whether there was one.
  bool lex_raw() {
    const size_t start = at_;
    const int line = line_;
    skip_space();
    if (!rest().starts_with("raw")) return rewind(start, line);
    advance(3);
    skip_space();
    const char sign = peek() == '-' ? '-' : '+';
    if (!rest().substr(sign == '-' ? 1 : 0).starts_with("%}")) return rewind(start, line);
    advance(sign == '-' ? 3 : 2);
    close_tag(sign, false);
    size_t tag = at_;
    while ((tag = source_.find("{%", tag)) != kNone) {
      if (close_raw(tag)) return true;
      ++tag;
    }
    problem_ = "raw without endraw";
    return true;
  }

  bool rewind(size_t at, int line) {
    at_ = at;
    line_ = line;
    return false;
  }

  bool close_raw(size_t tag) {
    const std::string_view source = source_;
    size_t at = tag + 2;
    const char sign = at < source.size() ? source[at] : '\0';
    if (sign == '-' || sign == '+') ++at;
    const auto skip = [&] {
      while (at < source.size() && is_space(source[at])) ++at;
    };
    skip();
    if (!source.substr(at).starts_with("endraw")) return false;
    at += 6;
    skip();
    const char end_sign = at < source.size() ? source[at] : '\0';
    if (end_sign == '-' || end_sign == '+') ++at;
    if (!source.substr(at).starts_with("%}")) return false;
    push_text(tag - at_, sign, false);
    advance(at + 2 - at_);
    close_tag(end_sign, true);
    return true;
  }

  void lex_tag(bool is_variable) {
    push(is_variable ? Kind::kVariableBegin : Kind::kBlockBegin, "");
    const std::string_view end = is_variable ? "}}" : "%}";
    std::string open;  // brackets that wait for their other half
    while (problem_.empty()) {
      skip_space();
      if (at_ == source_.size()) {
        problem_ = fmt::format("a tag without its {}", end);
        return;
      }
      const char sign = peek();
      const bool has_sign = sign == '-' || (sign == '+' && !is_variable);
      if (open.empty() && rest().substr(has_sign ? 1 : 0).starts_with(end)) {
        push(is_variable ? Kind::kVariableEnd : Kind::kBlockEnd, "");
        advance(has_sign ? 3 : 2);
        return close_tag(has_sign ? sign : '\0', !is_variable);
      }
      lex_token(open);
    }
  }

  void lex_token(std::string& open) {
    const char c = peek();
    if (is_name_start(c)) {
      size_t length = 1;
      while (is_name_start(peek(length)) || is_digit(peek(length))) ++length;
      push(Kind::kName, std::string(rest().substr(0, length)));
      advance(length);
    } else if (is_digit(c)) {
      lex_number();
    } else if (c == '"' || c == '\'') {
      lex_string(c);
    } else {
      lex_operator(open);
    }
  }

  void lex_number() {
    size_t length = 1;
    const auto digits = [&] {
      while (is_digit(peek(length)) || (peek(length) == '_' && is_digit(peek(length + 1)))) {
        ++length;
      }
    };
    digits();
    bool is_float = false;
    const bool behind_dot = !tokens_.empty() && tokens_.back().text == ".";
    if (!behind_dot && peek(length) == '.' && is_digit(peek(length + 1))) {
      is_float = true;
      ++length;
      digits();
    }
    const size_t sign = peek(length + 1) == '-' || peek(length + 1) == '+' ? 1 : 0;
    if (!behind_dot && (peek(length) | 0x20) == 'e' && is_digit(peek(length + 1 + sign))) {
      is_float = true;
      length += 1 + sign;
      digits();
    }
    std::string text(rest().substr(0, length));
    std::erase(text, '_');
    push(is_float ? Kind::kFloat : Kind::kInteger, std::move(text));
    advance(length);
  }

  void lex_operator(std::string& open) {
    constexpr std::array<std::string_view, 6> kDouble = {"**", "//", "==", "!=", "<=", ">="};
    constexpr std::string_view kSingle = "+-/*%~[](){}|,:.<>=";
    const char c = peek();
    for (const std::string_view op : kDouble) {
      if (!rest().starts_with(op)) continue;
      push(Kind::kOperator, std::string(op));
      return advance(2);
    }
    if (kSingle.find(c) == kNone) {
      problem_ = fmt::format("the character {:?} is not supported", std::string_view(&c, 1));
      return;
    }
    if (c == '(' || c == '[' || c == '{') open += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (open.empty() || open.back() != c) {
        problem_ = fmt::format("a {} without its other half", c);
        return;
      }
      open.pop_back();
    }
    push(Kind::kOperator, std::string(1, c));
    advance(1);
  }

  void lex_string(char quote) {
    const int line = line_;
    std::string value;
    advance(1);
    while (problem_.empty() && at_ < source_.size() && peek() != quote) {
      if (peek() == '\\' && at_ + 1 < source_.size()) {
        lex_escape(value);
      } else {
        value += peek();
        advance(1);
      }
    }
    if (!problem_.empty()) return;
    if (at_ == source_.size()) {
      problem_ = "a string without its end";
      line_ = line;
      return;
    }
    advance(1);
    tokens_.push_back({Kind::kString, std::move(value), line});
  }

  // Python's escapes; an unknown one stands for itself.
  void lex_escape(std::string& value) {
    constexpr std::string_view kLetters = "ntrabfv\\'\"";
    constexpr std::string_view kValues = "\n\t\r\a\b\f\v\\'\"";
    const char c = peek(1);
    const size_t known = kLetters.find(c);
    if (c == '\n') return advance(2);
    if (known != kNone) {
      value += kValues[known];
      return advance(2);
    }
    if (c >= '0' && c <= '7') return lex_code(value, 1, 3, 8);
    if (c == 'x') return lex_code(value, 2, 2, 16);
    if (c == 'u') return lex_code(value, 2, 4, 16);
    if (c == 'U') return lex_code(value, 2, 8, 16);
    value += '\\';
    advance(1);
  }

  void lex_code(std::string& value, size_t from, size_t most, uint32_t base) {
    uint32_t code = 0;
    size_t length = 0;
    for (; length < most; ++length) {
      const char c = peek(from + length);
      const uint32_t digit = is_digit(c) ? static_cast<uint32_t>(c - '0')
                             : (c | 0x20) >= 'a' && (c | 0x20) <= 'f'
                                 ? static_cast<uint32_t>((c | 0x20) - 'a' + 10)
                                 : base;
      if (digit >= base) break;
      code = code * base + digit;
    }
    const bool is_surrogate = code >= 0xD800 && code < 0xE000;
    if ((base == 16 && length < most) || code > 0x10FFFF || is_surrogate) {
      problem_ = "an escape that stands for no character";
      return;
    }
    append_utf8(value, code);
    advance(from + length);
  }

  std::string source_;
  std::vector<TemplateToken> tokens_;
  std::string problem_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
};

}  // namespace

Result<std::vector<TemplateToken>> lex_template(std::string_view source) {
  if (source.size() > kMaxSource) {
    return bad_input(fmt::format("found {} bytes, expected a template of at most {}", source.size(),
                                 kMaxSource));
  }
  return Lexer(unify_newlines(source)).run();
}

}  // namespace weft
