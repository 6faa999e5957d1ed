// The translation from Oniguruma's syntax (Ruby's) and the calls into PCRE2 with its JIT compiler.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "model/regex.h"

#include <fmt/format.h>
#include <pcre2.h>

#include <array>

namespace weft {
namespace {

constexpr size_t kMaxPatternBytes = 1 << 16;
constexpr size_t kLargeStackBytes = 16 << 20;
constexpr uint32_t kMatchLimit = 1'000'000;

Error unsupported(std::string_view pattern, std::string_view what) {
  return bad_input(fmt::format("regex {:?}: {} is not supported", pattern, what));
}

// Walks the pattern once and writes what PCRE2 shall read.
class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  Result<std::string> run() {
    while (at_ < pattern_.size() && problem_.empty()) step();
    if (!problem_.empty()) return unsupported(pattern_, problem_);
    return std::move(out_);
  }

 private:
  void step() {
    const char c = pattern_[at_];
    if (c == '\\') {
      escape();
    } else if (in_class_) {
      class_character(c);
    } else if (c == '[') {
      in_class_ = true;
      copy(1);
      if (peek(0) == '^') copy(1);
      if (peek(0) == ']') copy(1);
    } else if (c == '(' && peek(1) == '?') {
      group();
    } else if (c == '}' && peek(1) == '+') {
      problem_ = "a bound followed by +";
    } else {
      copy(1);
    }
  }

  void class_character(char c) {
    if (c == ']') {
      in_class_ = false;
    } else if (c == '[') {
      problem_ = "a set inside a set";
    } else if (c == '&' && peek(1) == '&') {
      problem_ = "the set operation &&";
    }
    copy(1);
  }

  void escape() {
    const char c = peek(1);
    constexpr std::string_view kSame = "nrtfaexpPAzZG";
    if (c == 's' || c == 'S') {
      replace(c == 's' ? "\\p{WSpace}" : "\\P{WSpace}", 2);
    } else if (c == 'd' || c == 'D') {
      replace(c == 'd' ? "\\p{Nd}" : "\\P{Nd}", 2);
    } else if (c == 'v') {
      replace("\\x0b", 2);
    } else if (c == 'u' && at_ + 6 <= pattern_.size()) {
      replace(fmt::format("\\x{{{}}}", pattern_.substr(at_ + 2, 4)), 6);
    } else if (c == '\0') {
      problem_ = "a \\ at the end";
    } else if (is_word(c) && kSame.find(c) == std::string_view::npos) {
      problem_ = fmt::format("\\{}", c);
    } else {
      const bool is_property = (c == 'p' || c == 'P') && peek(2) == '{';
      const size_t close = is_property ? pattern_.find('}', at_) : std::string_view::npos;
      copy(close == std::string_view::npos ? 2 : close + 1 - at_);
    }
  }

  void group() {
    static constexpr std::array<std::string_view, 7> kKnown = {
        "(?:", "(?i:", "(?i)", "(?=", "(?!", "(?<=", "(?<!"};
    const std::string_view rest = pattern_.substr(at_);
    for (const std::string_view known : kKnown) {
      if (rest.starts_with(known)) return copy(known.size());
    }
    if (rest.starts_with("(?>")) return copy(3);
    problem_ = fmt::format("the group {}", rest.substr(0, 4));
  }

  static bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }
  [[nodiscard]] char peek(size_t ahead) const {
    return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : '\0';
  }
  void copy(size_t bytes) { replace(pattern_.substr(at_, bytes), bytes); }
  void replace(std::string_view with, size_t bytes) {
    out_ += with;
    at_ += bytes;
  }

  std::string_view pattern_;
  std::string out_;
  std::string problem_;
  size_t at_ = 0;
  bool in_class_ = false;
};

}  // namespace

Result<std::string> translate_regex(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes) return unsupported("...", "a pattern over 65536 bytes");
  return Translator(pattern).run();
}

void Regex::Free::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

Result<Regex> Regex::compile(std::string_view pattern) {
  auto translated = translate_regex(pattern);
  if (!translated.ok()) return translated.error();
  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  CHECK(context != nullptr);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int code = 0;
  size_t offset = 0;
  Regex regex;
  regex.code_.reset(pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(translated->data()), translated->size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE,
      &code, &offset, context.get()));
  if (regex.code_ == nullptr) {
    std::array<unsigned char, 160> reason{};
    pcre2_get_error_message(code, reason.data(), reason.size());
    return bad_input(fmt::format("regex {:?}: {} near byte {}", pattern,
                                 reinterpret_cast<const char*>(reason.data()), offset));
  }
  pcre2_jit_compile(regex.code_.get(), PCRE2_JIT_COMPLETE);  // without it, matching interprets
  return regex;
}

void RegexMatcher::Free::operator()(pcre2_real_match_data_8* data) const {
  pcre2_match_data_free(data);
}
void RegexMatcher::Free::operator()(pcre2_real_match_context_8* context) const {
  pcre2_match_context_free(context);
}
void RegexMatcher::Free::operator()(pcre2_real_jit_stack_8* stack) const {
  pcre2_jit_stack_free(stack);
}

RegexMatcher::RegexMatcher(const Regex& regex)
    : code_(regex.code_.get()),
      data_(pcre2_match_data_create(1, nullptr)),
      context_(pcre2_match_context_create(nullptr)) {
  CHECK(data_ != nullptr && context_ != nullptr);
  pcre2_set_match_limit(context_.get(), kMatchLimit);
}

void RegexMatcher::use_large_stack() {
  stack_.reset(pcre2_jit_stack_create(1 << 15, kLargeStackBytes, nullptr));
  pcre2_jit_stack_assign(context_.get(), nullptr, stack_.get());
}

bool RegexMatcher::find(std::string_view text, size_t from, RegexMatch& match) {
  const auto search = [&] {
    return pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                       PCRE2_NO_UTF_CHECK, data_.get(), context_.get());
  };
  int count = search();
  if (count == PCRE2_ERROR_JIT_STACKLIMIT && stack_ == nullptr) {
    use_large_stack();
    count = search();
  }
  if (count < 0) return false;
  const size_t* bounds = pcre2_get_ovector_pointer(data_.get());
  match = {bounds[0], bounds[1]};
  return true;
}

}  // namespace weft
