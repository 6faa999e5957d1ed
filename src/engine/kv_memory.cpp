// Blocks one after the other; in a block, layers.
#include "engine/kv_memory.h"

#include "base/quantity.h"

namespace weft {

namespace {

int64_t layer_bytes(const KvLayout& layout) { return ceil_div(layout.block_bytes(), 64) * 64; }

}  // namespace

Result<KvLayout> kv_layout(const ModelShape& shape, const ArchitectureConfig& config,
                           int64_t block_tokens, KvFormat format) {
  return config.is_mla()
             ? KvLayout::make_latent(shape.kv_lora, shape.rope_dim, block_tokens, format)
             : KvLayout::make_grouped(shape.kv_heads, shape.head_dim, block_tokens, format);
}

KvMemory::KvMemory(const KvLayout& layout, int layers, int64_t blocks)
    : layout_(layout),
      layer_bytes_(layer_bytes(layout)),
      stride_(layer_bytes_ * layers),
      blocks_(blocks),
      memory_(static_cast<size_t>(stride_ * blocks)) {}

KvBlocks KvMemory::layer(int layer) { return {memory_.data() + layer * layer_bytes_, stride_}; }

}  // namespace weft
