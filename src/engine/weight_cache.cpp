// One file: a header, a table of matrices, the matrices. Little-endian.
#include "engine/weight_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <set>

#include "base/digest.h"
#include "model/safetensors.h"

namespace weft {

namespace {

namespace fs = std::filesystem;

// Raise it when what PackedMatrix makes of a weight changes, or this file's layout does.
constexpr uint32_t kVersion = 1;
constexpr char kMagic[8] = {'w', 'e', 'f', 't', 'k', 'e', 'p', 't'};
constexpr uint64_t kAlignment = 4096;
constexpr uint64_t kMostParts = 1 << 22;
static_assert(std::endian::native == std::endian::little);

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t parts;
  uint64_t fingerprint;
  uint64_t file_bytes;
  uint64_t table_sum;
  uint64_t header_sum;  // of what stands before it
};

struct Entry {
  uint64_t name;
  uint64_t offset;
  uint64_t bytes;
  uint64_t sum;
};

// Against bits that flip, not against forgery. Four chains, for speed.
uint64_t sum_of(std::span<const std::byte> bytes) {
  constexpr uint64_t kFactor = 0x9fb21c651e98df25ULL;
  uint64_t chains[4] = {1, 2, 3, 4};
  size_t at = 0;
  for (; at + 32 <= bytes.size(); at += 32) {
    uint64_t words[4];
    std::memcpy(words, bytes.data() + at, 32);
    for (int c = 0; c < 4; ++c) chains[c] = (std::rotl(chains[c], 23) ^ words[c]) * kFactor;
  }
  Digest all;
  for (const uint64_t chain : chains) all.add(chain);
  for (; at < bytes.size(); ++at) all.add(static_cast<uint64_t>(bytes[at]));
  all.add(static_cast<uint64_t>(bytes.size()));
  return all.value();
}

uint64_t sum_of_text(std::string_view text) { return sum_of(std::as_bytes(std::span(text))); }

template <class T>
std::span<const std::byte> bytes_of(const T& value, size_t size = sizeof(T)) {
  return std::as_bytes(std::span(&value, 1)).first(size);
}

uint64_t round_up(uint64_t value) { return (value + kAlignment - 1) / kAlignment * kAlignment; }

WeightCache::Fault damaged(const WeightCacheKey& key, const std::string& what) {
  return {WeightCacheFault::kDamaged, fmt::format("{}: {}", key.file, what)};
}

// The table, when header and table are whole and everything lies within the file.
std::variant<std::vector<Entry>, WeightCache::Fault> read_table(std::span<const std::byte> bytes,
                                                                const WeightCacheKey& key) {
  Header header = {};
  if (!bytes.empty()) {
    std::memcpy(&header, bytes.data(), std::min(bytes.size(), sizeof(header)));
  }
  const bool is_ours = std::memcmp(header.magic, kMagic, sizeof(kMagic)) == 0;
  if (!is_ours && !bytes.empty()) {
    return WeightCache::Fault{
        WeightCacheFault::kForeign,
        fmt::format("{}: found another file, expected weights that weft kept, or none", key.file)};
  }
  if (bytes.size() < sizeof(header)) {
    return damaged(
        key, fmt::format("found {} bytes, expected a header of {}", bytes.size(), sizeof(header)));
  }
  if (header.header_sum != sum_of(bytes_of(header, offsetof(Header, header_sum)))) {
    return damaged(key, "the header was altered");
  }
  if (header.version != kVersion || header.fingerprint != key.fingerprint) {
    return WeightCache::Fault{
        WeightCacheFault::kStale,
        fmt::format("{}: kept from another checkpoint or by another version", key.file)};
  }
  if (header.file_bytes != bytes.size()) {
    return damaged(key,
                   fmt::format("found {} bytes, expected {}", bytes.size(), header.file_bytes));
  }
  const auto rest = bytes.subspan(sizeof(header));
  if (header.parts > kMostParts || rest.size() / sizeof(Entry) < header.parts) {
    return damaged(key, fmt::format("a table of {} matrices leaves the file", header.parts));
  }
  std::vector<Entry> table(header.parts);
  const auto kept = rest.first(table.size() * sizeof(Entry));
  if (header.table_sum != sum_of(kept)) return damaged(key, "the table was altered");
  if (!kept.empty()) std::memcpy(table.data(), kept.data(), kept.size());
  std::set<uint64_t> names;
  for (const Entry& entry : table) {
    if (entry.offset > bytes.size() || entry.bytes > bytes.size() - entry.offset) {
      return damaged(key, "a matrix leaves the file");
    }
    if (!names.insert(entry.name).second) return damaged(key, "a matrix stands there twice");
  }
  return table;
}

Error system_error(const std::string& file, int error) {
  return {ErrorCode::kInternal, fmt::format("{}: {}", file, std::strerror(error))};
}

// A file under a name that nobody else has; gone unless it was kept.
class PartFile {
 public:
  explicit PartFile(const std::string& path) : path_(path), part_(path + ".XXXXXX") {
    file_ = mkstemp(part_.data());
    if (file_ < 0) error_ = errno;
  }
  ~PartFile() {
    if (file_ >= 0) ::close(file_);
    if (file_ >= 0 && !kept_) ::unlink(part_.c_str());
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  void write(std::span<const std::byte> bytes, uint64_t offset) {
    while (error_ == 0 && !bytes.empty()) {
      const ssize_t wrote = ::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) {
        error_ = wrote < 0 ? errno : ENOSPC;
        return;
      }
      bytes = bytes.subspan(static_cast<size_t>(wrote));
      offset += static_cast<uint64_t>(wrote);
    }
  }
  Status keep(uint64_t size) {
    if (error_ == 0 && (::ftruncate(file_, static_cast<off_t>(size)) != 0 || ::fsync(file_) != 0)) {
      error_ = errno;
    }
    if (error_ == 0 && ::fchmod(file_, 0644) != 0) error_ = errno;
    if (error_ == 0 && ::rename(part_.c_str(), path_.c_str()) != 0) error_ = errno;
    if (error_ != 0) return system_error(path_, error_);
    kept_ = true;
    return {};
  }

 private:
  std::string path_;
  std::string part_;
  int file_ = -1;
  int error_ = 0;
  bool kept_ = false;
};

}  // namespace

Result<WeightCacheKey> weight_cache_key(const std::string& directory, const EngineFormat& format) {
  std::error_code error;
  std::set<std::string> files;
  for (auto it = fs::directory_iterator(directory, error); !error && it != fs::end(it);
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    const bool counts = name == "config.json" || name.ends_with(".safetensors") ||
                        name.ends_with(".safetensors.index.json");
    if (!counts) continue;
    const auto size = fs::file_size(it->path(), error);
    const auto time = fs::last_write_time(it->path(), error).time_since_epoch().count();
    files.insert(fmt::format("{} {} {}", name, size, time));
  }
  if (error) return not_found(fmt::format("{}: {}", directory, error.message()));
  std::string all =
      fmt::format("{} {} {}", kVersion, format_name(format.weights), format.loads_mtp);
  for (const std::string& file : files) all += "\n" + file;
  const std::string name = fmt::format("weft-{}{}-v{}.weights", format_name(format.weights),
                                       format.loads_mtp ? "-mtp" : "", kVersion);
  return WeightCacheKey{(fs::path(directory) / name).string(), sum_of_text(all)};
}

WeightCacheName weight_cache_name(std::string_view tensors, int64_t n, int64_t k,
                                  WeightFormat format) {
  return sum_of_text(fmt::format("{} {} {} {}", tensors, n, k, format_name(format)));
}

std::variant<WeightCache, WeightCache::Fault> WeightCache::read(std::span<const std::byte> bytes,
                                                                const WeightCacheKey& key,
                                                                Workers& workers, bool mapped) {
  auto checked = read_table(bytes, key);
  if (auto* fault = std::get_if<Fault>(&checked)) return std::move(*fault);
  const auto& table = std::get<std::vector<Entry>>(checked);
  WeightCache out;
  std::optional<Fault> fault;
  std::mutex mutex;
  workers.queue().reset(static_cast<int64_t>(table.size()));
  workers.run([&](int thread) {
    for (int64_t i; (i = workers.queue().take(thread)) >= 0;) {
      const Entry& entry = table[static_cast<size_t>(i)];
      const auto part = bytes.subspan(entry.offset, entry.bytes);
      if (mapped) want_pages(part);
      const bool same = sum_of(part) == entry.sum;
      auto matrix = same ? PackedMatrix::from_bytes(part)
                         : Result<PackedMatrix>(bad_input("a matrix was altered"));
      if (mapped) drop_pages(part);
      const std::lock_guard lock(mutex);
      if (matrix.ok()) {
        out.matrices_.emplace(entry.name, std::move(matrix).value());
      } else if (!fault) {
        fault = damaged(key, matrix.error().message);
      }
    }
  });
  if (fault) return std::move(*fault);
  return out;
}

std::optional<PackedMatrix> WeightCache::take(WeightCacheName name) {
  const auto at = matrices_.find(name);
  if (at == matrices_.end()) return std::nullopt;
  std::optional<PackedMatrix> out = std::move(at->second);
  matrices_.erase(at);
  return out;
}

Status write_weight_cache(const WeightCacheKey& key, std::span<const WeightCachePart> parts) {
  std::vector<Entry> table;
  uint64_t at = round_up(sizeof(Header) + parts.size() * sizeof(Entry));
  PartFile file(key.file);
  for (const WeightCachePart& part : parts) {
    table.push_back({part.name, at, part.bytes.size(), sum_of(part.bytes)});
    file.write(part.bytes, at);
    at = round_up(at + part.bytes.size());
  }
  Header header = {};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kVersion;
  header.parts = static_cast<uint32_t>(table.size());
  header.fingerprint = key.fingerprint;
  header.file_bytes = at;
  header.table_sum = sum_of(std::as_bytes(std::span(table)));
  header.header_sum = sum_of(bytes_of(header, offsetof(Header, header_sum)));
  file.write(bytes_of(header), 0);
  file.write(std::as_bytes(std::span(table)), sizeof(Header));
  return file.keep(at);
}

void seal_weight_cache(std::span<std::byte> bytes) {
  Header header = {};
  if (bytes.size() < sizeof(header)) return;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const uint64_t most = (bytes.size() - sizeof(header)) / sizeof(Entry);
  const auto table =
      bytes.subspan(sizeof(header), std::min<uint64_t>(header.parts, most) * sizeof(Entry));
  for (size_t at = 0; at < table.size(); at += sizeof(Entry)) {
    Entry entry = {};
    std::memcpy(&entry, table.data() + at, sizeof(entry));
    if (entry.offset > bytes.size() || entry.bytes > bytes.size() - entry.offset) continue;
    entry.sum = sum_of(std::span<const std::byte>(bytes).subspan(entry.offset, entry.bytes));
    std::memcpy(table.data() + at, &entry, sizeof(entry));
  }
  header.file_bytes = bytes.size();
  header.table_sum = sum_of(table);
  header.header_sum = sum_of(bytes_of(header, offsetof(Header, header_sum)));
  std::memcpy(bytes.data(), &header, sizeof(header));
}

}  // namespace weft
