// Memory for weights and for what kernels keep between calls: aligned to cache lines, on huge pages
// where it is large and Linux gives them, untouched until first written.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace weft {

// A vector that begins with a cache line.
template <class T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};
  LineAllocator() = default;
  template <class Other>
  explicit LineAllocator(const LineAllocator<Other>&) {}
  T* allocate(size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kLine)); }
  void deallocate(T* data, size_t) { ::operator delete(data, kLine); }
  bool operator==(const LineAllocator&) const = default;
};
template <class T>
using AlignedVector = std::vector<T, LineAllocator<T>>;

namespace detail {
struct Unmap {
  size_t mapped = 0;
  void operator()(std::byte* data) const;
};
}  // namespace detail

class AlignedBytes {
 public:
  AlignedBytes() = default;
  // Zeros. Untouched by the calling thread, so that pages lie on the node that first writes them.
  explicit AlignedBytes(size_t size);

  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] std::byte* data() { return data_.get(); }
  [[nodiscard]] const std::byte* data() const { return data_.get(); }

  // At least `size` bytes. When it grows, to half as much again, the content is lost (zeros).
  void reserve(size_t size);

 private:
  size_t size_ = 0;
  std::unique_ptr<std::byte[], detail::Unmap> data_;
};

}  // namespace weft
