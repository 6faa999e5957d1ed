// How one layer's keys and values lie in paged blocks, and how tokens are written there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "kernels/elementwise.h"
#include "kernels/workers.h"

namespace weft {

enum class KvFormat { kF32, kBf16, kInt8 };
std::string_view kv_format_name(KvFormat format);  // "f32", "bf16", "int8"

// A block holds `block_tokens` tokens of one layer as one contiguous run of bytes without pointers,
// so that it can be copied, stored or sent as it is. Attention reads it where it lies. Dimensions
// are padded with zeros to multiples of 32 (written here as K, V, R for keys, values, rope part):
//
//   grouped (MHA, GQA, MQA), for each KV head:
//     keys    [block_tokens / 16] groups of [K / 2][16 tokens][2]   (F32: [K][16 tokens])
//     values  [block_tokens / S] steps of [V / 16][S / 2 pairs][16 dims][2 tokens], S being 32 or,
//             where that does not divide block_tokens, 16           (F32: [block_tokens][V])
//     INT8 only: key scales [block_tokens], then value scales [block_tokens], float
//   latent (MLA, DeepSeek-V2, arXiv 2405.04434): one row for all heads, the latent and then the
//     rope part as keys; values are the latent part of the keys
//     keys    as above, with V + R dimensions; INT8: the rope part is BF16, divided by the scale
//     INT8 only: scales [block_tokens], float
//
// That is the order in which AVX-512's and AMX's BF16 products take their second operand. INT8
// stands for value = scale * int8, the scale of a token and head being its largest magnitude / 127.
struct KvLayout {
  static constexpr int64_t kGroup = 16;  // tokens of one group of keys

  KvFormat format = KvFormat::kBf16;
  bool latent = false;
  int64_t kv_heads = 1;
  int64_t key_dims = 0;    // of a head; the latent's where latent
  int64_t value_dims = 0;  // of a head; the latent's where latent
  int64_t rope_dims = 0;   // 0 where not latent
  int64_t block_tokens = 0;

  // block_tokens: a multiple of 16, and any other size at least 1, or an error that says so.
  static Result<KvLayout> make_grouped(int64_t kv_heads, int64_t head_dim, int64_t block_tokens,
                                       KvFormat format);
  static Result<KvLayout> make_latent(int64_t kv_lora, int64_t rope, int64_t block_tokens,
                                      KvFormat format);

  [[nodiscard]] int64_t block_bytes() const { return kv_heads * head_bytes(); }
  [[nodiscard]] int64_t blocks_of(int64_t tokens) const {
    return (tokens + block_tokens - 1) / block_tokens;
  }
  // Bytes of KV that attention has to read for each token of context, padding included.
  [[nodiscard]] double bytes_per_token() const {
    return static_cast<double>(block_bytes()) / static_cast<double>(block_tokens);
  }

  // Padded sizes: of what a query is multiplied with, and of a row of values.
  [[nodiscard]] int64_t padded_keys() const { return pad(key_dims) + pad(rope_dims); }
  [[nodiscard]] int64_t padded_values() const { return pad(value_dims); }
  [[nodiscard]] int64_t rope_offset() const { return pad(key_dims); }  // in a padded key
  static int64_t pad(int64_t dims) { return (dims + 31) / 32 * 32; }

  // Offsets in bytes from a block's beginning. Tokens are counted in the block.
  [[nodiscard]] int64_t head_bytes() const;
  [[nodiscard]] int64_t key_group_bytes() const;
  [[nodiscard]] int64_t key_group_at(int64_t head, int64_t group) const;
  [[nodiscard]] int64_t values_at(int64_t head, int64_t token) const;  // grouped; a step's first
  [[nodiscard]] int64_t value_step() const { return block_tokens % 32 == 0 ? 32 : kGroup; }
  // Of element 16 i of a token of a step, in elements from the step's beginning; BF16 and INT8. The
  // elements up to the next multiple of 16 are 2 apart.
  [[nodiscard]] int64_t value_index(int64_t token, int64_t i) const {
    return (i * value_step() / 2 + token / 2) * 32 + token % 2;
  }
  [[nodiscard]] int64_t key_scales_at(int64_t head) const;
  [[nodiscard]] int64_t value_scales_at(int64_t head) const;
  [[nodiscard]] int64_t element_bytes() const;
};

// The blocks of one layer: block b is the layout's block_bytes() bytes at data + b * stride. The
// stride may be larger, when a block of all layers lies together. Aligned to 64 bytes, both.
struct KvBlocks {
  std::byte* data = nullptr;
  int64_t stride = 0;

  [[nodiscard]] std::byte* at(uint32_t block) const { return data + block * stride; }
  [[nodiscard]] std::span<std::byte> bytes(const KvLayout& layout, uint32_t block) const {
    return {at(block), static_cast<size_t>(layout.block_bytes())};
  }
};

// What a step does to one sequence: `context` tokens are in place, `tokens` more are added, whose
// rows of keys, values, queries and outputs start at `first_row`. `table` holds the sequence's
// blocks in order, at least those of context + tokens.
struct AttentionSequence {
  std::span<const uint32_t> table;
  int64_t context = 0;
  int64_t tokens = 0;
  int64_t first_row = 0;
};

// Rows of new tokens, `stride` floats apart. Grouped: keys [kv_heads][head_dim], values the same.
// Latent: keys are latents [kv_lora], values are rope parts [rope].
struct KvRows {
  const float* keys = nullptr;
  int64_t key_stride = 0;
  const float* values = nullptr;
  int64_t value_stride = 0;
};

// Writes the new tokens of all sequences at positions context, context + 1, … A position may be
// written again (a draft that was refused). Two sequences must not write to one block. A row with
// an infinity or NaN stays one without hurting its neighbours. A token that begins a step of BF16
// values clears the step first: what lay there of another sequence might not be finite.
void write_kv(const KvLayout& layout, KvBlocks blocks, std::span<const AttentionSequence> sequences,
              const KvRows& rows, const Elementwise& kernels, Workers& workers);

// One token as floats, as attention sees it: for tests, references and debugging. Latent: the key
// is [kv_lora + rope], the value [kv_lora].
void read_key(const KvLayout& layout, const std::byte* block, int64_t head, int64_t token,
              std::span<float> key);
void read_value(const KvLayout& layout, const std::byte* block, int64_t head, int64_t token,
                std::span<float> value);

}  // namespace weft
