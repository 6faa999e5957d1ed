// ByteSource: the bytes of a file in chunks, whether it is plain or compressed (gzip, zstd); and
// the members of a tar archive. The only place that knows libarchive.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

struct archive;

namespace weft {

struct ArchiveCloser {
  void operator()(archive* handle) const;
};
using ArchiveHandle = std::unique_ptr<archive, ArchiveCloser>;

class ByteSource {
 public:
  static Result<ByteSource> open(const std::string& path);
  // Borrows `bytes`; `name` stands for the file in messages.
  static Result<ByteSource> from_memory(std::string_view bytes, std::string name);

  // Fills the front of `out` and returns how much: 0 at the end.
  Result<size_t> read(std::span<char> out);
  // Share of the file's own (compressed) bytes that were taken, 0 to 1.
  [[nodiscard]] double progress() const;
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  ByteSource(ArchiveHandle handle, std::string name, uint64_t total)
      : handle_(std::move(handle)), name_(std::move(name)), total_(total) {}
  static Result<ByteSource> start(ArchiveHandle handle, std::string name, uint64_t total);

  ArchiveHandle handle_;  // null when there are no bytes at all
  std::string name_;
  uint64_t total_;
};

// Takes a member's name and its bytes; an error ends the walk.
using MemberVisitor = std::function<Status(const std::string& name, const std::string& bytes)>;

// Visits the regular files of a tar archive (plain, .gz or .zst) in its order, or those under a
// folder in the order of their names. `wanted` says by name which ones to read at all. A member
// over `limit` bytes is an error.
Status visit_members(const std::string& path, uint64_t limit,
                     const std::function<bool(const std::string&)>& wanted,
                     const MemberVisitor& visit);

}  // namespace weft
