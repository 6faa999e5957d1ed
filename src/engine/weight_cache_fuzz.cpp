// Kept weights from any bytes, as they are and with their sums made good: one line, or matrices
// whose rows can be read; never a crash.
#include <cstring>
#include <vector>

#include "base/check.h"
#include "engine/weight_cache.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  static Workers workers(1, false);
  WeightCacheKey key{"weft-int8-v1.weights", 0};
  std::vector<std::byte> bytes(size);
  if (size > 0) std::memcpy(bytes.data(), data, size);
  // The fingerprint, whatever it is.
  if (size >= 24) std::memcpy(&key.fingerprint, data + 16, sizeof(key.fingerprint));
  for (const bool sealed : {false, true}) {
    if (sealed) seal_weight_cache(bytes);
    auto read = WeightCache::read(bytes, key, workers, false);
    if (const auto* fault = std::get_if<WeightCache::Fault>(&read)) {
      CHECK(!fault->message.empty() && fault->message.find('\n') == std::string::npos);
      continue;
    }
    auto& cache = std::get<WeightCache>(read);
    CHECK(cache.size() <= size);
    const WeightCacheName name =
        weight_cache_name("model.layers.0.mlp.down_proj ", 40, 70, WeightFormat::kInt8);
    if (const auto matrix = cache.take(name)) {
      std::vector<float> row(static_cast<size_t>(matrix->k()));
      matrix->read_row(matrix->n() - 1, row.data());
    }
  }
  return 0;
}
