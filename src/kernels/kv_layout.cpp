// Offsets into a block, and the reader of single tokens that tests and references use.
#include "kernels/kv_layout.h"

#include <fmt/format.h>

#include <cstring>

#include "base/check.h"
#include "kernels/vec_portable.h"

namespace weft {
namespace {

constexpr int64_t kScaleBytes = sizeof(float);

Result<KvLayout> checked(const KvLayout& layout) {
  if (layout.block_tokens < 1 || layout.block_tokens % KvLayout::kGroup != 0) {
    return bad_input(fmt::format("a KV block of {} tokens; expected a multiple of {}",
                                 layout.block_tokens, KvLayout::kGroup));
  }
  if (layout.kv_heads < 1 || layout.key_dims < 1 || layout.value_dims < 1 ||
      (layout.latent && layout.rope_dims < 1)) {
    return bad_input(fmt::format("KV of {} heads, {} dimensions and {} of rope; expected 1 or more",
                                 layout.kv_heads, layout.key_dims, layout.rope_dims));
  }
  return layout;
}

// Element `index` of an array of the format at `from`.
float element(KvFormat format, const std::byte* from, int64_t index) {
  if (format == KvFormat::kF32) {
    float value = 0;
    std::memcpy(&value, from + index * 4, sizeof value);
    return value;
  }
  if (format == KvFormat::kInt8) return static_cast<float>(static_cast<int8_t>(from[index]));
  uint16_t value = 0;
  std::memcpy(&value, from + index * 2, sizeof value);
  return kernels::float_of(value);
}

float scale_of(const std::byte* scales, int64_t token) {
  return element(KvFormat::kF32, scales, token);
}

int64_t index_in_group(KvFormat format, int64_t dim, int64_t token) {
  if (format == KvFormat::kF32) return dim * KvLayout::kGroup + token;
  return (dim / 2 * KvLayout::kGroup + token) * 2 + dim % 2;
}

}  // namespace

std::string_view kv_format_name(KvFormat format) {
  switch (format) {
    case KvFormat::kF32:
      return "f32";
    case KvFormat::kBf16:
      return "bf16";
    case KvFormat::kInt8:
      return "int8";
  }
  return "unknown";
}

Result<KvLayout> KvLayout::make_grouped(int64_t kv_heads, int64_t head_dim, int64_t block_tokens,
                                        KvFormat format) {
  return checked({.format = format,
                  .latent = false,
                  .kv_heads = kv_heads,
                  .key_dims = head_dim,
                  .value_dims = head_dim,
                  .rope_dims = 0,
                  .block_tokens = block_tokens});
}

Result<KvLayout> KvLayout::make_latent(int64_t kv_lora, int64_t rope, int64_t block_tokens,
                                       KvFormat format) {
  return checked({.format = format,
                  .latent = true,
                  .kv_heads = 1,
                  .key_dims = kv_lora,
                  .value_dims = kv_lora,
                  .rope_dims = rope,
                  .block_tokens = block_tokens});
}

int64_t KvLayout::element_bytes() const {
  return format == KvFormat::kF32 ? 4 : format == KvFormat::kBf16 ? 2 : 1;
}

int64_t KvLayout::key_group_bytes() const {
  const int64_t rope_bytes = format == KvFormat::kInt8 ? 2 : element_bytes();
  return kGroup * (pad(key_dims) * element_bytes() + pad(rope_dims) * rope_bytes);
}

int64_t KvLayout::head_bytes() const {
  int64_t bytes = block_tokens / kGroup * key_group_bytes();
  if (!latent) bytes += block_tokens * padded_values() * element_bytes();
  if (format == KvFormat::kInt8) bytes += (latent ? 1 : 2) * block_tokens * kScaleBytes;
  return bytes;
}

int64_t KvLayout::key_group_at(int64_t head, int64_t group) const {
  return head * head_bytes() + group * key_group_bytes();
}

int64_t KvLayout::values_at(int64_t head, int64_t token) const {
  return key_group_at(head, block_tokens / kGroup) + token * padded_values() * element_bytes();
}

int64_t KvLayout::key_scales_at(int64_t head) const {
  return (head + 1) * head_bytes() - (latent ? 1 : 2) * block_tokens * kScaleBytes;
}

int64_t KvLayout::value_scales_at(int64_t head) const {
  return (head + 1) * head_bytes() - block_tokens * kScaleBytes;
}

void read_key(const KvLayout& layout, const std::byte* block, int64_t head, int64_t token,
              std::span<float> key) {
  CHECK(key.size() == static_cast<size_t>(layout.key_dims + layout.rope_dims));
  const std::byte* group = block + layout.key_group_at(head, token / KvLayout::kGroup);
  const int64_t in_group = token % KvLayout::kGroup;
  const bool int8 = layout.format == KvFormat::kInt8;
  const float scale = int8 ? scale_of(block + layout.key_scales_at(head), token) : 1.0F;
  for (int64_t dim = 0; dim < layout.key_dims; ++dim) {
    const int64_t index = index_in_group(layout.format, dim, in_group);
    key[static_cast<size_t>(dim)] = scale * element(layout.format, group, index);
  }
  const KvFormat rope_format = int8 ? KvFormat::kBf16 : layout.format;
  const std::byte* rope = group + KvLayout::kGroup * layout.rope_offset() * layout.element_bytes();
  for (int64_t dim = 0; dim < layout.rope_dims; ++dim) {
    const int64_t index = index_in_group(rope_format, dim, in_group);
    key[static_cast<size_t>(layout.key_dims + dim)] = scale * element(rope_format, rope, index);
  }
}

void read_value(const KvLayout& layout, const std::byte* block, int64_t head, int64_t token,
                std::span<float> value) {
  CHECK(value.size() == static_cast<size_t>(layout.value_dims));
  const bool int8 = layout.format == KvFormat::kInt8;
  const float scale = int8 ? scale_of(block + layout.value_scales_at(head), token) : 1.0F;
  const bool is_float = layout.format == KvFormat::kF32;
  const int64_t in_step = is_float ? 0 : token % layout.value_step();
  const std::byte* from = layout.latent
                              ? block + layout.key_group_at(head, token / KvLayout::kGroup)
                              : block + layout.values_at(head, token - in_step);
  for (int64_t dim = 0; dim < layout.value_dims; ++dim) {
    const int64_t index = layout.latent
                              ? index_in_group(layout.format, dim, token % KvLayout::kGroup)
                          : is_float ? dim
                                     : layout.value_index(in_step, dim / 16) + dim % 16 * 2;
    value[static_cast<size_t>(dim)] = scale * element(layout.format, from, index);
  }
}

}  // namespace weft
