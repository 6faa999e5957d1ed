// Fuzz target: bytes up to the first NUL as a chat template, the rest as the JSON of its context.
// Any template gives a text or one line of error, within its limits.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "model/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(all.find('\0'), size);
  const auto parsed = weft::ChatTemplate::parse(all.substr(0, end));
  if (!parsed.ok()) {
    CHECK(parsed.error().message.find('\n') == std::string::npos);
    return 0;
  }
  auto context = weft::template_value_from_json(all.substr(std::min(end + 1, size)), "context");
  const auto text = parsed->render(context.ok() ? *context : weft::TemplateValue(), 1767225600);
  if (!text.ok()) CHECK(text.error().message.find('\n') == std::string::npos);
  return 0;
}
