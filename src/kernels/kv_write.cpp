// Writes new tokens into their blocks: each row is rounded or quantised into a scratch row, whose
// elements then go to their places in the block. Threads share the work by KV heads, or, where
// there is one row for all heads, by sequences, so that no two write to one pair of tokens.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "kernels/kv_layout.h"
#include "kernels/vec_portable.h"

namespace weft {
namespace {

constexpr int64_t kGroup = KvLayout::kGroup;
constexpr int64_t kMaxDims = 1024;  // of one head, padded: the scratch row of write_row

// value = scale * int8. A row of zeros has scale 1; one that is not finite has scale NaN.
float quantize(const float* row, int64_t n, int8_t* out) {
  float largest = 0;
  bool finite = true;
  for (int64_t i = 0; i < n; ++i) {
    largest = std::max(largest, std::fabs(row[i]));
    finite = finite && std::isfinite(row[i]);
  }
  if (!finite) {
    std::memset(out, 0, static_cast<size_t>(n));
    return std::numeric_limits<float>::quiet_NaN();
  }
  if (largest < 1e-30F) {
    std::memset(out, 0, static_cast<size_t>(n));
    return 1.0F;
  }
  const float factor = 127.0F / largest;
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<int8_t>(std::lrintf(row[i] * factor));
  return largest / 127.0F;
}

// Puts elements of a row where they belong, `step` elements apart: two by two, or one by one.
template <class T>
void scatter(const T* row, int64_t n, int64_t step, T* to) {
  for (int64_t i = 0; i < n; ++i) to[i * step] = row[i];
}
template <class T>
void scatter_pairs(const T* row, int64_t n, T* to) {
  struct Pair {
    T values[2];
  };
  for (int64_t i = 0; i < n; i += 2) std::memcpy(to + i * kGroup, row + i, sizeof(Pair));
}

class TokenWriter {
 public:
  TokenWriter(const KvLayout& layout, const Elementwise& kernels)
      : layout_(layout), kernels_(kernels) {}

  void write_grouped(std::byte* block, int64_t head, int64_t token, const float* key,
                     const float* value) {
    const bool int8 = layout_.format == KvFormat::kInt8;
    std::byte* group = block + layout_.key_group_at(head, token / kGroup);
    const float key_scale = write_key(group, token % kGroup, key);
    const float value_scale = write_value(block, head, token, value);
    if (!int8) return;
    store_scale(block + layout_.key_scales_at(head), token, key_scale);
    store_scale(block + layout_.value_scales_at(head), token, value_scale);
  }

  void write_latent(std::byte* block, int64_t token, const float* latent, const float* rope) {
    std::byte* group = block + layout_.key_group_at(0, token / kGroup);
    const int64_t in_group = token % kGroup;
    const float scale = write_key(group, in_group, latent);
    std::byte* part = group + kGroup * layout_.rope_offset() * layout_.element_bytes();
    const int64_t n = layout_.rope_dims;
    const int64_t padded = KvLayout::pad(n);
    if (layout_.format == KvFormat::kF32) {
      write_floats(part, in_group, rope, n, padded);
      return;
    }
    const bool int8 = layout_.format == KvFormat::kInt8;
    if (int8) store_scale(block + layout_.key_scales_at(0), token, scale);
    for (int64_t i = 0; i < n; ++i) floats_[i] = int8 ? rope[i] / scale : rope[i];
    write_halves(part, in_group, floats_, n, padded);
  }

 private:
  static void store_scale(std::byte* scales, int64_t token, float scale) {
    std::memcpy(scales + token * 4, &scale, sizeof scale);
  }

  void write_floats(std::byte* group, int64_t token, const float* row, int64_t n, int64_t padded) {
    float* to = reinterpret_cast<float*>(group) + token;
    scatter(row, n, kGroup, to);
    for (int64_t i = n; i < padded; ++i) to[i * kGroup] = 0;
  }

  void write_halves(std::byte* group, int64_t token, const float* row, int64_t n, int64_t padded) {
    kernels_.to_bf16(row, n, halves_);
    std::fill(halves_ + n, halves_ + padded, uint16_t{0});
    scatter_pairs(halves_, padded, reinterpret_cast<uint16_t*>(group) + 2 * token);
  }

  // Returns the scale, 1 where there is none.
  float write_key(std::byte* group, int64_t token, const float* row) {
    const int64_t n = layout_.key_dims;
    const int64_t padded = KvLayout::pad(n);
    if (layout_.format == KvFormat::kF32) {
      write_floats(group, token, row, n, padded);
      return 1.0F;
    }
    if (layout_.format == KvFormat::kBf16) {
      write_halves(group, token, row, n, padded);
      return 1.0F;
    }
    const float scale = quantize(row, n, bytes_);
    std::fill(bytes_ + n, bytes_ + padded, int8_t{0});
    scatter_pairs(bytes_, padded, reinterpret_cast<int8_t*>(group) + 2 * token);
    return scale;
  }

  template <class T>
  void scatter_value(const T* row, int64_t n, int64_t token, T* step) const {
    for (int64_t i = 0; i < n; i += 16) {
      scatter(row + i, 16, 2, step + layout_.value_index(token, i / 16));
    }
  }

  float write_value(std::byte* block, int64_t head, int64_t token, const float* row) {
    const int64_t n = layout_.value_dims;
    const int64_t padded = layout_.padded_values();
    if (layout_.format == KvFormat::kF32) {
      auto* to = reinterpret_cast<float*>(block + layout_.values_at(head, token));
      std::copy(row, row + n, to);
      std::fill(to + n, to + padded, 0.0F);
      return 1.0F;
    }
    const int64_t in_step = token % layout_.value_step();
    std::byte* step = block + layout_.values_at(head, token - in_step);
    if (layout_.format == KvFormat::kBf16) {
      if (in_step == 0)
        std::memset(step, 0, static_cast<size_t>(layout_.value_step() * padded * 2));
      kernels_.to_bf16(row, n, halves_);
      std::fill(halves_ + n, halves_ + padded, uint16_t{0});
      scatter_value(halves_, padded, in_step, reinterpret_cast<uint16_t*>(step));
      return 1.0F;
    }
    const float scale = quantize(row, n, bytes_);
    std::fill(bytes_ + n, bytes_ + padded, int8_t{0});
    scatter_value(bytes_, padded, in_step, reinterpret_cast<int8_t*>(step));
    return scale;
  }

  const KvLayout& layout_;
  const Elementwise& kernels_;
  float floats_[kMaxDims];
  uint16_t halves_[kMaxDims];
  int8_t bytes_[kMaxDims];
};

void write_sequence(TokenWriter& writer, const KvLayout& layout, KvBlocks blocks,
                    const AttentionSequence& sequence, int64_t head, const KvRows& rows) {
  for (int64_t i = 0; i < sequence.tokens; ++i) {
    const int64_t position = sequence.context + i;
    const auto index = static_cast<size_t>(position / layout.block_tokens);
    CHECK(index < sequence.table.size(), "a token beyond its sequence's blocks");
    std::byte* block = blocks.at(sequence.table[index]);
    const int64_t token = position % layout.block_tokens;
    const float* key = rows.keys + (sequence.first_row + i) * rows.key_stride;
    const float* value = rows.values + (sequence.first_row + i) * rows.value_stride;
    if (layout.latent) {
      writer.write_latent(block, token, key, value);
    } else {
      writer.write_grouped(block, head, token, key + head * layout.key_dims,
                           value + head * layout.value_dims);
    }
  }
}

}  // namespace

void write_kv(const KvLayout& layout, KvBlocks blocks, std::span<const AttentionSequence> sequences,
              const KvRows& rows, const Elementwise& kernels, Workers& workers) {
  CHECK(std::max(layout.padded_keys(), layout.padded_values()) <= kMaxDims, "a head is too wide");
  const auto count = static_cast<int64_t>(sequences.size());
  workers.run([&](int thread) {
    TokenWriter writer(layout, kernels);
    const Range pieces = split(count * layout.kv_heads, 1, thread, workers.threads());
    for (int64_t piece = pieces.begin; piece < pieces.end; ++piece) {
      // Heads outside: a thread keeps to its heads, whose blocks it will read.
      const auto& sequence = sequences[static_cast<size_t>(piece % count)];
      write_sequence(writer, layout, blocks, sequence, piece / count, rows);
    }
  });
}

}  // namespace weft
