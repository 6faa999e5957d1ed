// What is the same in the HTML page of every run: its style and its script.
#pragma once

#include <string_view>

namespace weft {

extern const std::string_view kPageStyle;
// Draws every chart of the element "run-data" (see charts_json) into its figure.
extern const std::string_view kPageScript;

}  // namespace weft
