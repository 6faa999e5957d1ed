// Fuzz target: any bytes as a config.json give a shape whose sizes are finite and, of the
// architectures that run, tensors with shapes; or one line of error.
#include <cmath>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "model/architecture_config.h"
#include "model/shape.h"
#include "model/tensor_names.h"

namespace {

constexpr int kMostExperts = 4096;  // above, listing the tensors takes the fuzzer too long

void check_architecture(std::string_view json, const weft::ModelShape& shape) {
  const auto config = weft::architecture_from_config_json(json, "config.json", shape);
  if (!config.ok()) {
    CHECK(config.error().message.find('\n') == std::string::npos);
    return;
  }
  CHECK(std::isfinite(config.value().rope.magnitude) && config.value().rope.magnitude > 0);
  CHECK(std::isfinite(weft::attention_scale(shape, config.value())));
  CHECK(config.value().moe_layers.size() == static_cast<size_t>(shape.layers));
  if ((shape.layers + shape.mtp_layers) * (shape.experts + 1) > kMostExperts) return;
  for (const weft::TensorSpec& spec : weft::expected_tensors(shape, config.value())) {
    for (const int64_t length : spec.shape) CHECK(length > 0 && length <= int64_t{1} << 27);
  }
}

}  // namespace

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
  check_architecture(json, shape.value());
  return 0;
}
