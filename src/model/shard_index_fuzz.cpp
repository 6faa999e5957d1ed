// Fuzz target: any bytes as model.safetensors.index.json give names of files in the folder, or one
// line of error.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "model/checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  const auto shards = weft::read_shard_index(json, "index.json");
  if (!shards.ok()) {
    CHECK(shards.error().message.find('\n') == std::string::npos);
    return 0;
  }
  for (const auto& [tensor, file] : shards.value()) {
    CHECK(!file.empty() && file.find('/') == std::string::npos && file != "..");
  }
  return 0;
}
