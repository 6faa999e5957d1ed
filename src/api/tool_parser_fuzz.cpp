// Fuzz target: the first byte chooses format and pieces, the rest is what a model writes. Whole or
// in pieces it gives the same text and calls, and calls have arguments and names.
#include <cstdint>
#include <string>
#include <string_view>

#include "api/tool_parser.h"
#include "base/check.h"

namespace {

std::string parse(weft::ToolFormat format, std::string_view text, size_t piece) {
  weft::ToolParser parser(format, 1);
  std::string content;
  std::string calls;
  const auto take = [&](const weft::ToolOutput& output) {
    content += output.content;
    for (const weft::ToolCall& call : output.calls) {
      CHECK(!call.name.empty());
      calls += call.id + call.name + call.arguments;
    }
  };
  for (size_t i = 0; i < text.size(); i += piece) take(parser.add(text.substr(i, piece)));
  take(parser.finish());
  return content + '\0' + calls;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto format = static_cast<weft::ToolFormat>(data[0] % 4);
  const size_t piece = 1 + (data[0] >> 2) % 8;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  CHECK(parse(format, text, piece) == parse(format, text, size));
  return 0;
}
