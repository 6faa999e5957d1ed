// AddedTokens: finds the added tokens in a text, leftmost first and of those the longest, and says
// what is between them. One search for those that look at the raw text, one for the normalised.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/flat_map.h"
#include "base/result.h"
#include "model/regex.h"
#include "model/tokenizer_spec.h"

namespace weft {

// A stretch of a text: a token, or text between tokens (id -1).
struct TextPiece {
  std::string_view text;
  int32_t id = -1;
};

class AddedTokens {
 public:
  // Searches for those of `tokens` whose `normalized` is as given, as they stand in `patterns`.
  static Result<AddedTokens> build(const std::vector<AddedToken>& tokens,
                                   const std::vector<std::string>& patterns, bool normalized);

  // Appends the pieces of well-formed UTF-8, in order.
  void split(std::string_view text, std::vector<TextPiece>& pieces) const;

 private:
  struct Node {
    int32_t token = -1;  // index into tokens_ of the pattern that ends here
  };
  struct Found {
    size_t begin, end;
    int32_t token;
  };
  void add(std::string_view pattern, int32_t token);
  [[nodiscard]] bool find(std::string_view text, size_t from, Found& found) const;
  [[nodiscard]] bool touches_word(std::string_view text, const Found& found) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;
  FlatMap<uint32_t> edges_;  // node * 256 + byte -> node
  std::array<bool, 256> starts_{};
};

}  // namespace weft
