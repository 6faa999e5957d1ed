// Regex: the regular expressions of tokenizer.json files, which are written for Oniguruma, matched
// by PCRE2. What the two read differently is translated, or refused by name.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

extern "C" {
struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;
struct pcre2_real_jit_stack_8;
}

namespace weft {

class Regex {
 public:
  // kBadInput says what of the pattern is not supported or wrong. Always over UTF-8.
  static Result<Regex> compile(std::string_view pattern);

 private:
  friend class RegexMatcher;
  struct Free {
    void operator()(pcre2_real_code_8* code) const;
  };
  std::unique_ptr<pcre2_real_code_8, Free> code_;
};

// The pattern as PCRE2 takes it: \s is the property White_Space, \d the category Nd; possessive
// bounds, \w, \b, \h, set operations and options other than i are refused.
Result<std::string> translate_regex(std::string_view pattern);

struct RegexMatch {
  size_t begin = 0;
  size_t end = 0;
};

// What one thread needs to search with one expression, which must outlive it.
class RegexMatcher {
 public:
  explicit RegexMatcher(const Regex& regex);

  // The first match at or after byte `from` of well-formed UTF-8; lookbehind sees what is before.
  // False when there is none, or when the search hits PCRE2's limits (hostile patterns do).
  bool find(std::string_view text, size_t from, RegexMatch& match);

 private:
  struct Free {
    void operator()(pcre2_real_match_data_8* data) const;
    void operator()(pcre2_real_match_context_8* context) const;
    void operator()(pcre2_real_jit_stack_8* stack) const;
  };
  void use_large_stack();

  const pcre2_real_code_8* code_;
  std::unique_ptr<pcre2_real_match_data_8, Free> data_;
  std::unique_ptr<pcre2_real_match_context_8, Free> context_;
  std::unique_ptr<pcre2_real_jit_stack_8, Free> stack_;
};

}  // namespace weft
