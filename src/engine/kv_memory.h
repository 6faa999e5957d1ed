// KvMemory: the paged KV of one instance. Everything that all layers keep of one block lies
// together, so that a block travels as one run of bytes.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "kernels/aligned_bytes.h"
#include "kernels/kv_layout.h"
#include "model/architecture_config.h"
#include "model/shape.h"

namespace weft {

// Of one layer. kBadInput names block sizes that the kernels do not take.
Result<KvLayout> kv_layout(const ModelShape& shape, const ArchitectureConfig& config,
                           int64_t block_tokens, KvFormat format);
class KvMemory {
 public:
  // Reserves `blocks` blocks of `layers` layers; pages come as they are written.
  KvMemory(const KvLayout& layout, int layers, int64_t blocks);

  [[nodiscard]] const KvLayout& layout() const { return layout_; }
  [[nodiscard]] int64_t blocks() const { return blocks_; }
  // Every block as one layer sees it.
  [[nodiscard]] KvBlocks layer(int layer);

 private:
  KvLayout layout_;
  int64_t layer_bytes_;
  int64_t stride_;
  int64_t blocks_;
  AlignedBytes memory_;
};

}  // namespace weft
