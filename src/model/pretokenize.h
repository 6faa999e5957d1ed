// PreTokenizer: cuts a normalised text into the words that BPE never joins, one splitting step
// after another. Immutable; a PreTokenizer::Run holds what one thread needs.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/regex.h"
#include "model/tokenizer_spec.h"

namespace weft {

// GPT-2's own pattern, which a ByteLevel step with use_regex stands for.
extern const std::string_view kGpt2Pattern;

class PreTokenizer {
 public:
  static Result<PreTokenizer> build(const std::vector<SplitSpec>& splits);

  class Run {
   public:
    explicit Run(const PreTokenizer& tokenizer);
    // The words of well-formed UTF-8, in order, none empty. Valid until the next call.
    std::span<const std::string_view> words(std::string_view text);

   private:
    struct Piece {
      size_t begin, end;
      bool match;
    };
    void prefix_spaces();
    void split(const SplitSpec& spec, RegexMatcher* matcher);
    void find_pieces(std::string_view text, RegexMatcher& matcher, bool invert);
    void keep_pieces(std::string_view text, SplitBehavior behavior);

    const PreTokenizer& tokenizer_;
    std::vector<RegexMatcher> matchers_;
    std::vector<std::string_view> words_;
    std::vector<std::string_view> next_;
    std::vector<Piece> pieces_;
    std::string spaced_;  // the text with the spaces that prefix_space adds
  };

 private:
  std::vector<SplitSpec> splits_;
  std::vector<Regex> regexes_;  // one per split
};

}  // namespace weft
