// The splitting steps: a pattern's matches and what is between them, kept, dropped or joined.
#include "model/pretokenize.h"

#include <algorithm>

namespace weft {

const std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

Result<PreTokenizer> PreTokenizer::build(const std::vector<SplitSpec>& splits) {
  PreTokenizer result;
  result.splits_ = splits;
  for (const SplitSpec& split : splits) {
    auto regex = Regex::compile(split.pattern);
    if (!regex.ok()) return regex.error();
    result.regexes_.push_back(std::move(*regex));
  }
  return result;
}

PreTokenizer::Run::Run(const PreTokenizer& tokenizer) : tokenizer_(tokenizer) {
  for (const Regex& regex : tokenizer.regexes_) matchers_.emplace_back(regex);
}

std::span<const std::string_view> PreTokenizer::Run::words(std::string_view text) {
  words_.clear();
  if (!text.empty()) words_.push_back(text);
  for (size_t i = 0; i < matchers_.size(); ++i) {
    const SplitSpec& spec = tokenizer_.splits_[i];
    if (spec.prefix_space) prefix_spaces();
    if (!spec.pattern.empty()) split(spec, &matchers_[i]);
  }
  return words_;
}

void PreTokenizer::Run::prefix_spaces() {
  std::string text;
  std::vector<size_t> ends;
  for (const std::string_view word : words_) {
    if (!word.starts_with(' ')) text += ' ';
    text += word;
    ends.push_back(text.size());
  }
  spaced_ = std::move(text);
  size_t begin = 0;
  for (size_t i = 0; i < words_.size(); ++i) {
    words_[i] = std::string_view(spaced_).substr(begin, ends[i] - begin);
    begin = ends[i];
  }
}

void PreTokenizer::Run::split(const SplitSpec& spec, RegexMatcher* matcher) {
  next_.clear();
  for (const std::string_view word : words_) {
    find_pieces(word, *matcher, spec.invert);
    keep_pieces(word, spec.behavior);
  }
  words_.swap(next_);
}

void PreTokenizer::Run::find_pieces(std::string_view text, RegexMatcher& matcher, bool invert) {
  pieces_.clear();
  size_t done = 0;
  size_t from = 0;
  RegexMatch match;
  while (from <= text.size() && matcher.find(text, from, match)) {
    if (match.end == match.begin) {  // matches nothing: search on behind the next character
      if (match.begin == text.size()) break;
      if (done < match.begin) pieces_.push_back({done, match.begin, invert});
      done = match.begin;
      from = match.begin + utf8_step(text.substr(match.begin)).bytes;
      continue;
    }
    if (done < match.begin) pieces_.push_back({done, match.begin, invert});
    pieces_.push_back({match.begin, match.end, !invert});
    done = from = match.end;
  }
  if (done < text.size()) pieces_.push_back({done, text.size(), invert});
}

void PreTokenizer::Run::keep_pieces(std::string_view text, SplitBehavior behavior) {
  const auto emit = [&](size_t begin, size_t end) {
    next_.push_back(text.substr(begin, end - begin));
  };
  size_t begin = 0;
  for (size_t i = 0; i < pieces_.size(); ++i) {
    const Piece& piece = pieces_[i];
    const bool last = i + 1 == pieces_.size();
    bool joins = false;  // with the piece after it
    switch (behavior) {
      case SplitBehavior::kIsolated:
        break;
      case SplitBehavior::kRemoved:
        if (piece.match) {
          begin = piece.end;
          continue;
        }
        break;
      case SplitBehavior::kMergedWithPrevious:
        joins = !last && !piece.match && pieces_[i + 1].match;
        break;
      case SplitBehavior::kMergedWithNext:
        joins = !last && piece.match && !pieces_[i + 1].match;
        break;
      case SplitBehavior::kContiguous:
        joins = !last && piece.match == pieces_[i + 1].match;
        break;
    }
    if (joins) continue;
    emit(begin, piece.end);
    begin = piece.end;
  }
}

}  // namespace weft
