// Anonymous mappings: zero on first touch, and sized in pages.
#include "kernels/aligned_bytes.h"

#include <sys/mman.h>

#include <utility>

#include "base/check.h"

namespace weft {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kPage = 4096;

size_t round_up(size_t size, size_t to) { return (size + to - 1) / to * to; }

// Addresses from a multiple of `alignment` on, so that huge pages begin with the first byte; what
// does not fill one at the end lies in small pages and takes no more than it needs.
std::byte* map_aligned(size_t size, size_t alignment) {
  const size_t reserved = size + alignment - kPage;
  void* memory =
      mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED, "out of memory");
  auto* begin = static_cast<std::byte*>(memory);
  const size_t before =
      round_up(reinterpret_cast<size_t>(memory), alignment) - reinterpret_cast<size_t>(memory);
  if (before > 0) munmap(begin, before);
  const size_t after = reserved - before - size;
  if (after > 0) munmap(begin + before + size, after);
  return begin + before;
}

}  // namespace

void detail::Unmap::operator()(std::byte* data) const { munmap(data, mapped); }

AlignedBytes::AlignedBytes(size_t size) : size_(size) {
  if (size == 0) return;
  const size_t mapped = round_up(size, kPage);
  std::byte* memory = map_aligned(mapped, size >= kHugePage ? kHugePage : kPage);
  // Advice only: without huge pages everything works, a little slower.
  if (size >= kHugePage) static_cast<void>(madvise(memory, mapped, MADV_HUGEPAGE));
  data_ = std::unique_ptr<std::byte[], detail::Unmap>(memory, detail::Unmap{mapped});
}

void AlignedBytes::reserve(size_t size) {
  if (size > size_) *this = AlignedBytes(size_ == 0 ? size : size + size / 2);
}

}  // namespace weft
