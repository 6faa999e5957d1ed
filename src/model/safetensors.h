// safetensors: one memory-mapped file of named tensors. The header is checked whole before any
// tensor is handed out, so that a view never leaves the file.
// Format: 8 bytes little-endian header length, a JSON object, then the tensors' bytes, row-major
// and little-endian, without gaps or overlaps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft {

enum class TensorType : uint8_t {
  kBool,
  kU8,
  kI8,
  kU16,
  kI16,
  kF16,
  kBf16,
  kU32,
  kI32,
  kF32,
  kU64,
  kI64,
  kF64,
  kF8E4m3,
  kF8E5m2
};

// The format's own name: "BF16", "F8_E4M3".
std::string_view tensor_type_name(TensorType type);
int64_t tensor_type_bytes(TensorType type);  // of one value

// "[2, 3]"; "[]" is a scalar.
std::string describe_shape(std::span<const int64_t> shape);

// Borrows the bytes of a mapped file. No alignment is promised, the format allows any.
struct TensorView {
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;  // product of shape x tensor_type_bytes

  [[nodiscard]] int64_t values() const;  // product of shape
};

using TensorMap = std::map<std::string, TensorView, std::less<>>;

// Reads the header of the whole file `bytes`; the views point into `bytes`. `file` stands for it in
// messages. kBadInput "FILE: [TENSOR:] found ..., expected ..." for a file that is cut off, a
// header that is no JSON object or longer than 100 MB (the format's limit), a tensor named twice,
// an unknown dtype, bad shape or offsets, offsets that overlap, leave a gap or leave the file, and
// a size that is not shape x dtype.
Result<TensorMap> read_safetensors(std::span<const std::byte> bytes, const std::string& file);

// Lets the system take back the memory of bytes of a mapped file; who reads them again gets them
// from the file. Whole pages within `bytes` only. Any thread, while others read.
void drop_pages(std::span<const std::byte> bytes);

// Has the system begin to read bytes of a mapped file that will be needed soon.
void want_pages(std::span<const std::byte> bytes);

// A file mapped read-only; move-only. Moving does not move the bytes.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  MappedFile(const std::byte* data, size_t size) : data_(data), size_(size) {}

  const std::byte* data_;
  size_t size_;
};

}  // namespace weft
