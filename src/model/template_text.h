// What Python's str does, over UTF-8: white space, case and splitting, for the methods and filters
// of chat templates. Case mapping is one character to one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

// Cuts white space, or the characters in `characters` where it is not empty.
std::string_view strip_left(std::string_view text, std::string_view characters = {});
std::string_view strip_right(std::string_view text, std::string_view characters = {});

std::string upper_case(std::string_view text);
std::string lower_case(std::string_view text);
std::string capital_case(std::string_view text);  // the first letter large, the others small
std::string title_case(std::string_view text);    // each word's first letter

// At each separator; at runs of white space when it is empty. At most `limit` cuts, unless
// negative.
std::vector<std::string_view> split_text(std::string_view text, std::string_view separator,
                                         int64_t limit);
// The first `limit` occurrences, all when negative.
std::string replace_text(std::string_view text, std::string_view from, std::string_view to,
                         int64_t limit);

}  // namespace weft
