// libarchive does the work: its `raw` format hands out a single compressed file, `tar` an archive.
// Only filters that run in this process are enabled; others would start programs.
#include "sim/trace_bytes.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

namespace weft {
namespace {

constexpr size_t kReadBytes = 256 * 1024;

std::string trouble(archive* handle) {
  const char* text = archive_error_string(handle);
  return text == nullptr ? "unknown trouble" : text;
}

Error broken(const std::string& name, archive* handle) {
  return bad_input(
      fmt::format("{}: found broken data ({}), expected a whole file: plain, gzip or "
                  "zstd",
                  name, trouble(handle)));
}

ArchiveHandle new_reader() {
  ArchiveHandle handle(archive_read_new());
  CHECK(handle != nullptr, "out of memory");
  archive_read_support_filter_gzip(handle.get());
  archive_read_support_filter_zstd(handle.get());
  return handle;
}

Result<std::string> read_member(archive* handle, const std::string& name, uint64_t limit) {
  std::string bytes;
  std::vector<char> chunk(kReadBytes);
  for (;;) {
    const auto got = archive_read_data(handle, chunk.data(), chunk.size());
    if (got < 0) return broken(name, handle);
    if (got == 0) return bytes;
    bytes.append(chunk.data(), static_cast<size_t>(got));
    if (bytes.size() > limit) {
      return bad_input(fmt::format("{}: found more than {} bytes, expected fewer", name, limit));
    }
  }
}

Status visit_folder(const std::string& path, uint64_t limit,
                    const std::function<bool(const std::string&)>& wanted,
                    const MemberVisitor& visit) {
  std::error_code code;
  std::vector<std::string> names;
  for (std::filesystem::recursive_directory_iterator at(path, code), end; at != end;
       at.increment(code)) {
    if (code) break;
    if (at->is_regular_file(code) && wanted(at->path().string()))
      names.push_back(at->path().string());
  }
  if (code) return not_found(fmt::format("{}: cannot be listed: {}", path, code.message()));
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    auto source = ByteSource::open(name);
    if (!source) return source.error();
    std::string bytes;
    std::vector<char> chunk(kReadBytes);
    for (;;) {
      auto got = source->read(chunk);
      if (!got) return got.error();
      if (*got == 0) break;
      bytes.append(chunk.data(), *got);
      if (bytes.size() > limit) {
        return bad_input(fmt::format("{}: found more than {} bytes, expected fewer", name, limit));
      }
    }
    if (Status status = visit(name, bytes); !status) return status;
  }
  return {};
}

}  // namespace

void ArchiveCloser::operator()(archive* handle) const { archive_read_free(handle); }

Result<ByteSource> ByteSource::start(ArchiveHandle handle, std::string name, uint64_t total) {
  archive_entry* entry = nullptr;
  const int status = archive_read_next_header(handle.get(), &entry);
  if (status == ARCHIVE_EOF) return ByteSource(nullptr, std::move(name), 0);
  if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return broken(name, handle.get());
  return ByteSource(std::move(handle), std::move(name), total);
}

Result<ByteSource> ByteSource::open(const std::string& path) {
  std::error_code code;
  if (std::filesystem::is_directory(path, code)) {
    return bad_input(fmt::format("{}: found a folder, expected a file", path));
  }
  if (!std::filesystem::exists(path, code)) {
    return not_found(fmt::format("{}: found no such file, expected a readable one", path));
  }
  const auto total = std::filesystem::file_size(path, code);  // an error for pipes
  if (!code && total == 0) return ByteSource(nullptr, path, 0);
  ArchiveHandle handle = new_reader();
  archive_read_support_format_raw(handle.get());
  archive_read_support_format_empty(handle.get());
  if (archive_read_open_filename(handle.get(), path.c_str(), kReadBytes) != ARCHIVE_OK) {
    return not_found(fmt::format("{}: cannot be read ({})", path, trouble(handle.get())));
  }
  return start(std::move(handle), path, code ? 0 : total);
}

Result<ByteSource> ByteSource::from_memory(std::string_view bytes, std::string name) {
  if (bytes.empty()) return ByteSource(nullptr, std::move(name), 0);
  ArchiveHandle handle = new_reader();
  archive_read_support_format_raw(handle.get());
  archive_read_support_format_empty(handle.get());
  if (archive_read_open_memory(handle.get(), bytes.data(), bytes.size()) != ARCHIVE_OK) {
    return broken(name, handle.get());
  }
  return start(std::move(handle), std::move(name), bytes.size());
}

Result<size_t> ByteSource::read(std::span<char> out) {
  if (handle_ == nullptr) return size_t{0};
  const auto got = archive_read_data(handle_.get(), out.data(), out.size());
  if (got < 0) return broken(name_, handle_.get());
  return static_cast<size_t>(got);
}

double ByteSource::progress() const {
  if (handle_ == nullptr || total_ == 0) return 0.0;
  const auto taken = static_cast<double>(archive_filter_bytes(handle_.get(), -1));
  return std::clamp(taken / static_cast<double>(total_), 0.0, 1.0);
}

Status visit_members(const std::string& path, uint64_t limit,
                     const std::function<bool(const std::string&)>& wanted,
                     const MemberVisitor& visit) {
  std::error_code code;
  if (std::filesystem::is_directory(path, code)) return visit_folder(path, limit, wanted, visit);
  ArchiveHandle handle = new_reader();
  archive_read_support_format_tar(handle.get());
  archive_read_support_format_empty(handle.get());
  if (archive_read_open_filename(handle.get(), path.c_str(), kReadBytes) != ARCHIVE_OK) {
    return not_found(fmt::format("{}: cannot be read ({}), expected a folder or a tar archive",
                                 path, trouble(handle.get())));
  }
  archive_entry* entry = nullptr;
  for (;;) {
    const int status = archive_read_next_header(handle.get(), &entry);
    if (status == ARCHIVE_EOF) return {};
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
      return bad_input(
          fmt::format("{}: found broken data ({}), expected a tar archive, plain, gzip "
                      "or zstd",
                      path, trouble(handle.get())));
    }
    const char* name = archive_entry_pathname(entry);
    if (name == nullptr || archive_entry_filetype(entry) != AE_IFREG || !wanted(name)) continue;
    const std::string full = fmt::format("{}:{}", path, name);
    auto bytes = read_member(handle.get(), full, limit);
    if (!bytes) return bytes.error();
    if (Status visited = visit(full, *bytes); !visited) return visited;
  }
}

}  // namespace weft
