// Fuzz target: any bytes as a config.json give a shape whose sizes are finite, or one line of
// error.
#include <cmath>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "model/shape.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  const auto shape = weft::shape_from_config_json(json, "config.json");
  if (!shape.ok()) {
    CHECK(shape.error().message.find('\n') == std::string::npos);
    return 0;
  }
  CHECK(std::isfinite(shape.value().total_parameters()));
  CHECK(shape.value().active_parameters() <= shape.value().total_parameters() * 1.0000001);
  int layers = 0;
  for (const auto& group : shape.value().attention_groups) layers += group.layers;
  CHECK(layers == shape.value().layers);
  for (const auto format : {weft::Format::kBf16, weft::Format::kFp8, weft::Format::kInt8}) {
    CHECK(std::isfinite(shape.value().kv_bytes_per_token(format)));
    CHECK(std::isfinite(shape.value().kv_bytes_per_sequence(format)));
  }
  return 0;
}
