// Brings tiles of paged KV before the attention kernels: pointers into the blocks where those hold
// what the kernels take, and a copy in scratch memory where they do not: INT8 becomes BF16, values
// of MLA are taken out of the keys, and steps that reach beyond a sequence's last token get zeros.
#pragma once

#include <cstdint>

#include "kernels/aligned_bytes.h"
#include "kernels/attention_tile.h"
#include "kernels/kv_layout.h"

namespace weft::kernels {

class TileReader {
 public:
  TileReader(const KvLayout& layout, const AttentionKernels& kernels);

  // What read() reads from now on.
  void open(KvBlocks blocks, const AttentionSequence& sequence, int64_t head);

  // The first `steps` steps of the tile at key `first`, a multiple of 128. Requires 1 <= steps <= 4
  // and that the sequence's tokens, with those of this step, reach into each of them. The result
  // holds until the next call.
  [[nodiscard]] KeyTile read(int64_t first, int64_t steps);

 private:
  [[nodiscard]] const std::byte* block_of(int64_t token) const;
  [[nodiscard]] const void* keys_of_group(int64_t token, int64_t slot);
  [[nodiscard]] const void* values_of_step(const KeyTile& tile, int64_t step);
  void fetch_next(int64_t token) const;
  void copy_values(int64_t first, int64_t count, int64_t pair, std::byte* to);
  void values_of_float_keys(const KeyTile& tile, int64_t step, int64_t tokens, float* to) const;
  void copy_scales(int64_t first, int64_t count);

  const KvLayout& layout_;
  const AttentionKernels& kernels_;
  KvBlocks blocks_;
  AttentionSequence sequence_;
  int64_t head_ = 0;
  int64_t tokens_ = 0;                 // of the sequence, those of this step included
  AlignedVector<uint16_t> keys_;       // [128][padded keys], where keys are copied
  AlignedVector<std::byte> values_;    // [128][padded values] BF16 or float
  AlignedVector<float> key_scales_;    // [128]
  AlignedVector<float> value_scales_;  // [128]
};

}  // namespace weft::kernels
