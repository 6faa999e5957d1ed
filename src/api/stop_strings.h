// StopStrings: cuts a text that comes in pieces before the first of some strings. What might be the
// beginning of one is held back until it is clear. The same text comes out however it was cut into
// pieces, in whole characters where the pieces are.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

class StopStrings {
 public:
  // `strings` are not empty; with none, text goes straight through.
  explicit StopStrings(std::vector<std::string> strings, bool keeps_stop = false);

  // What may go out now. The string that ends first counts, of those the longest; nothing comes out
  // after it but, with keeps_stop, the string itself.
  std::string add(std::string_view piece);
  // What was held back: no more text comes.
  std::string finish();

  // The index of the string that was found.
  [[nodiscard]] std::optional<size_t> found() const { return found_; }
  // What came after the string in the pieces so far.
  [[nodiscard]] std::string_view rest() const { return rest_; }
  // Ready for the next string, as after the constructor.
  void restart();

 private:
  [[nodiscard]] size_t held_back() const;

  std::vector<std::string> strings_;
  bool keeps_stop_;
  size_t longest_ = 0;
  std::string held_;  // the beginning of a string, perhaps
  std::string rest_;
  std::optional<size_t> found_;
};

}  // namespace weft
