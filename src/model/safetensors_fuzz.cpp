// Fuzz target: any bytes as a safetensors file give views inside it that do not overlap, or one
// line of error.
#include <cstdint>

#include "base/check.h"
#include "model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto tensors = weft::read_safetensors(bytes, "model.safetensors");
  if (!tensors.ok()) {
    CHECK(tensors.error().message.find('\n') == std::string::npos);
    return 0;
  }
  size_t total = 0;
  for (const auto& [name, view] : tensors.value()) {
    const auto value_bytes = weft::tensor_type_bytes(view.type);
    CHECK(static_cast<size_t>(view.values() * value_bytes) == view.bytes.size());
    if (view.bytes.empty()) continue;
    CHECK(view.bytes.data() >= bytes.data());
    CHECK(view.bytes.data() + view.bytes.size() <= bytes.data() + size);
    total += view.bytes.size();
  }
  CHECK(total <= size);
  return 0;
}
