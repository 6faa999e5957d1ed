// TokenizerSpec: what a tokenizer.json says, as plain data that borrows the document's strings. Its
// reader refuses what weft does not do, so that everything here is meant.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/utf8.h"

namespace weft {

// What becomes of the matches of a splitting pattern.
enum class SplitBehavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct SplitSpec {
  std::string pattern;  // a regex, as in the file
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;        // what does not match is what matches
  bool prefix_space = false;  // first: a space before every piece that does not start with one
};

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool special = false;
  bool single_word = false;  // only where no letter or digit touches it
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;
  bool normalized = false;  // searched in the normalised text, itself normalised
};

struct BpeSpec {
  std::vector<std::pair<std::string_view, int32_t>> vocab;  // text in the byte alphabet, id
  std::vector<std::pair<std::string_view, std::string_view>> merges;  // best first
  std::optional<std::string> unknown;  // stands for bytes that have no token; without: dropped
  bool fuse_unknown = false;
  bool ignore_merges = false;  // a word that is a token is never taken apart
};

struct TokenizerSpec {
  BpeSpec bpe;
  std::vector<AddedToken> added;
  std::vector<NormalForm> normalizers;
  std::vector<SplitSpec> splits;
  std::vector<int32_t> before;  // ids that `add_special` puts before and after a text
  std::vector<int32_t> after;
};

}  // namespace weft
