// Addresses of a tile's keys and values, and the copies of what cannot be used where it lies.
#include "kernels/attention_reader.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace weft::kernels {

TileReader::TileReader(const KvLayout& layout, const AttentionKernels& kernels)
    : layout_(layout),
      kernels_(kernels),
      keys_(static_cast<size_t>(layout.format == KvFormat::kInt8 ? kTileKeys * layout.padded_keys()
                                                                 : 0)),
      values_(static_cast<size_t>(kTileKeys * layout.padded_values() *
                                  (layout.format == KvFormat::kF32 ? 4 : 2))),
      key_scales_(kTileKeys),
      value_scales_(kTileKeys) {}

void TileReader::open(KvBlocks blocks, const AttentionSequence& sequence, int64_t head) {
  blocks_ = blocks;
  sequence_ = sequence;
  head_ = head;
  tokens_ = sequence.context + sequence.tokens;
}

const std::byte* TileReader::block_of(int64_t token) const {
  return blocks_.at(sequence_.table[static_cast<size_t>(token / layout_.block_tokens)]);
}

// What the same group of the next tile will read, on its way into the second cache while this one
// is unpacked.
void TileReader::fetch_next(int64_t token) const {
  const int64_t next = token + kTileKeys;
  if (next >= tokens_) return;
  const int64_t in_block = next % layout_.block_tokens;
  const std::byte* block = block_of(next);
  const std::byte* keys = block + layout_.key_group_at(head_, in_block / kGroupKeys);
  const int64_t key_bytes = layout_.key_group_bytes();
  for (int64_t at = 0; at < key_bytes; at += 64) __builtin_prefetch(keys + at, 0, 2);
  if (layout_.latent) return;
  const std::byte* values = block + layout_.values_at(head_, in_block / kGroupKeys * kGroupKeys);
  const int64_t bytes = kGroupKeys * layout_.padded_values();
  for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(values + at, 0, 2);
}

const void* TileReader::keys_of_group(int64_t token, int64_t slot) {
  const int64_t group = token % layout_.block_tokens / kGroupKeys;
  const std::byte* from = block_of(token) + layout_.key_group_at(head_, group);
  if (layout_.format != KvFormat::kInt8) return from;
  fetch_next(token);
  uint16_t* to = keys_.data() + slot * kGroupKeys * layout_.padded_keys();
  const int64_t whole = kGroupKeys * layout_.rope_offset();  // elements of INT8
  kernels_.unpack(reinterpret_cast<const int8_t*>(from), whole, to);
  const int64_t rope = kGroupKeys * (layout_.padded_keys() - layout_.rope_offset());
  std::memcpy(to + whole, from + whole, static_cast<size_t>(rope) * sizeof(uint16_t));
  return to;
}

// Values [first, first + count) of one step of a block to pair `pair` of the step at `to`, in the
// order of a step of 32, and zeros for the rest of the block's step.
void TileReader::copy_values(int64_t first, int64_t count, int64_t pair, std::byte* to) {
  const std::byte* from = block_of(first) + layout_.values_at(head_, first % layout_.block_tokens);
  const int64_t dims = layout_.padded_values();
  if (layout_.format == KvFormat::kF32) {
    std::memcpy(to + pair * 2 * dims * 4, from, static_cast<size_t>(count * dims) * sizeof(float));
    return;
  }
  const int64_t part = layout_.value_step() * 16;  // elements of 16 dimensions
  auto* halves = reinterpret_cast<uint16_t*>(to) + pair * 32;
  for (int64_t i = 0; i < dims / 16; ++i, halves += kStepKeys * 16) {
    if (layout_.format == KvFormat::kInt8) {
      kernels_.unpack(reinterpret_cast<const int8_t*>(from) + i * part, part, halves);
    } else {
      std::memcpy(halves, from + i * part * 2, static_cast<size_t>(part) * sizeof(uint16_t));
    }
    if (count == layout_.value_step()) continue;
    if (count % 2 == 1) {
      for (int64_t dim = 0; dim < 16; ++dim) halves[count / 2 * 32 + dim * 2 + 1] = 0;
    }
    std::fill(halves + (count + 1) / 2 * 32, halves + part, uint16_t{0});
  }
}

void TileReader::values_of_float_keys(const KeyTile& tile, int64_t step, int64_t tokens,
                                      float* to) const {
  const int64_t dims = layout_.padded_values();
  for (int64_t token = 0; token < tokens; ++token) {
    const auto* keys = static_cast<const float*>(tile.keys[2 * step + token / kGroupKeys]);
    for (int64_t dim = 0; dim < dims; ++dim) {
      to[token * dims + dim] = keys[dim * kGroupKeys + token % kGroupKeys];
    }
  }
  std::fill(to + tokens * dims, to + kStepKeys * dims, 0.0F);
}

const void* TileReader::values_of_step(const KeyTile& tile, int64_t step) {
  const int64_t first = tile.first + step * kStepKeys;
  const int64_t tokens = std::min(tokens_ - first, kStepKeys);
  const int64_t dims = layout_.padded_values();
  const bool is_float = layout_.format == KvFormat::kF32;
  const int64_t bytes = kStepKeys * dims * (is_float ? 4 : 2);
  std::byte* copy = values_.data() + step * bytes;
  if (layout_.latent) {
    if (is_float) {
      values_of_float_keys(tile, step, tokens, reinterpret_cast<float*>(copy));
    } else {
      kernels_.values_of_keys(static_cast<const uint16_t*>(tile.keys[2 * step]),
                              static_cast<const uint16_t*>(tile.keys[2 * step + 1]), tokens, dims,
                              reinterpret_cast<uint16_t*>(copy));
    }
    return copy;
  }
  // Of a step that is not full yet, the rest is zeros (kv_layout.h).
  const bool in_one_block = layout_.block_tokens % kStepKeys == 0;
  const bool as_it_lies = is_float ? tokens == kStepKeys : layout_.format == KvFormat::kBf16;
  if (as_it_lies && in_one_block) {
    return block_of(first) + layout_.values_at(head_, first % layout_.block_tokens);
  }
  if (tokens < kStepKeys) std::memset(copy, 0, static_cast<size_t>(bytes));
  for (int64_t done = 0; done < tokens; done += layout_.value_step()) {
    copy_values(first + done, std::min(tokens - done, layout_.value_step()), done / 2, copy);
  }
  return copy;
}

void TileReader::copy_scales(int64_t first, int64_t count) {
  for (int64_t done = 0; done < count; done += kGroupKeys) {
    const int64_t tokens = std::clamp<int64_t>(tokens_ - first - done, 0, kGroupKeys);
    float* keys = key_scales_.data() + done;
    float* values = value_scales_.data() + done;
    std::fill(keys, keys + kGroupKeys, 0.0F);
    std::fill(values, values + kGroupKeys, 0.0F);
    if (tokens == 0) continue;
    const std::byte* block = block_of(first + done);
    const int64_t at = (first + done) % layout_.block_tokens * static_cast<int64_t>(sizeof(float));
    const size_t bytes = static_cast<size_t>(tokens) * sizeof(float);
    std::memcpy(keys, block + layout_.key_scales_at(head_) + at, bytes);
    std::memcpy(values, block + layout_.value_scales_at(head_) + at, bytes);
  }
}

KeyTile TileReader::read(int64_t first, int64_t steps) {
  KeyTile tile;
  tile.first = first;
  tile.steps = steps;
  for (int64_t group = 0; group < steps * (kStepKeys / kGroupKeys); ++group) {
    const int64_t token = first + group * kGroupKeys;
    // Groups that hold nothing yet are hidden from every query: any keys will do.
    tile.keys[group] = token < tokens_ ? keys_of_group(token, group) : tile.keys[0];
  }
  for (int64_t step = 0; step < steps; ++step) tile.values[step] = values_of_step(tile, step);
  if (layout_.format == KvFormat::kInt8) {
    copy_scales(first, steps * kStepKeys);
    tile.key_scales = key_scales_.data();
    tile.value_scales = value_scales_.data();
  }
  return tile;
}

}  // namespace weft::kernels
