// Packed weights kept in a file beside their checkpoint, so that the next start converts nothing.
// A file that does not fit (another format, layout or checkpoint, cut off, altered) is never used.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "engine/weights.h"
#include "kernels/workers.h"

namespace weft {

// What a cache was made from. Format: docs/checkpoints.md.
struct WeightCacheKey {
  std::string file;          // DIR/weft-int8-v1.weights; the same for every instruction set
  uint64_t fingerprint = 0;  // of format, version and the checkpoint's files: name, size, time
};
// kNotFound when the folder cannot be read.
Result<WeightCacheKey> weight_cache_key(const std::string& directory, const EngineFormat& format);

// A matrix by what it was packed from.
using WeightCacheName = uint64_t;
WeightCacheName weight_cache_name(std::string_view tensors, int64_t n, int64_t k,
                                  WeightFormat format);

enum class WeightCacheFault {
  kForeign,  // no file of ours: nobody's to replace
  kStale,    // of another checkpoint, format or version
  kDamaged,  // cut off or altered
};

class WeightCache {
 public:
  struct Fault {
    WeightCacheFault kind = WeightCacheFault::kDamaged;
    std::string message;  // one line that names the file
  };
  // Checks the header, the table, and every matrix's bytes against their sums; copies the matrices
  // (into huge pages where there are), all threads at work. `mapped` says
  // that `bytes` are a mapped file's, whose pages are dropped once they were copied.
  static std::variant<WeightCache, Fault> read(std::span<const std::byte> bytes,
                                               const WeightCacheKey& key, Workers& workers,
                                               bool mapped);

  // Each matrix once; empty when it has no such one.
  [[nodiscard]] std::optional<PackedMatrix> take(WeightCacheName name);
  [[nodiscard]] size_t size() const { return matrices_.size(); }

 private:
  std::map<WeightCacheName, PackedMatrix> matrices_;
};

struct WeightCachePart {
  WeightCacheName name = 0;
  std::span<const std::byte> bytes;  // PackedMatrix::serialized()
};
// Under a name of its own until it is whole and on the disk, then in the place of what was there.
// An error leaves that as it was.
Status write_weight_cache(const WeightCacheKey& key, std::span<const WeightCachePart> parts);

// Makes every sum right again after bytes were changed, as far as what it sums lies within `bytes`:
// for fuzzers, which want to see behind the sums.
void seal_weight_cache(std::span<std::byte> bytes);

// What became of a cache when weights were loaded.
struct WeightCacheReport {
  std::string file;
  bool read = false;
  bool written = false;
  std::string note;  // one line on what was wrong, or empty
};

}  // namespace weft
