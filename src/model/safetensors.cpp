// The header of a safetensors file: JSON read by simdjson, every number of it held against the
// file.
#include "model/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <tuple>
#include <utility>

#include "base/config.h"
#include "model/config_fields.h"

namespace weft {
namespace {

using simdjson::dom::element;

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::string_view kMetadata = "__metadata__";

struct NamedType {
  std::string_view name;
  int bytes;
};

// In the enum's order.
constexpr std::array<NamedType, 15> kTypes = {{{"BOOL", 1},
                                               {"U8", 1},
                                               {"I8", 1},
                                               {"U16", 2},
                                               {"I16", 2},
                                               {"F16", 2},
                                               {"BF16", 2},
                                               {"U32", 4},
                                               {"I32", 4},
                                               {"F32", 4},
                                               {"U64", 8},
                                               {"I64", 8},
                                               {"F64", 8},
                                               {"F8_E4M3", 1},
                                               {"F8_E5M2", 1}}};

std::vector<std::string> type_names() {
  std::vector<std::string> names;
  names.reserve(kTypes.size());
  for (const NamedType& type : kTypes) names.emplace_back(type.name);
  return names;
}

std::string in_quotes(std::string_view text) { return describe(FieldValue(std::string(text))); }

// One tensor as the header has it.
struct Entry {
  std::string name;
  TensorView view;
  uint64_t begin = 0;
  uint64_t end = 0;
};

// Reads entries one after the other; the first error ends it.
class HeaderReader {
 public:
  HeaderReader(std::span<const std::byte> bytes, const std::string& file)
      : bytes_(bytes), file_(file) {}

  Result<TensorMap> read();

 private:
  Error wrong(std::string_view message) const {
    return bad_input(fmt::format("{}: {}", file_, message));
  }
  Error wrong(std::string_view tensor, std::string_view message) const {
    return bad_input(fmt::format("{}: tensor {}: {}", file_, in_quotes(tensor), message));
  }
  Result<std::string_view> header_text() const;
  Result<std::vector<Entry>> read_entries(std::string_view text) const;
  Status read_metadata(element value) const;
  Status read_entry(element value, Entry& entry) const;
  Status read_type(element value, Entry& entry) const;
  Status read_shape(element value, Entry& entry) const;
  Status read_offsets(element value, Entry& entry) const;
  Status check_size(const Entry& entry) const;
  Status check_layout(const std::vector<Entry>& entries) const;

  std::span<const std::byte> bytes_;
  const std::string& file_;
  uint64_t data_start_ = 0;
};

Result<std::string_view> HeaderReader::header_text() const {
  if (bytes_.size() < kLengthBytes) {
    return wrong(fmt::format("found {} bytes, expected a safetensors file of at least {}",
                             bytes_.size(), kLengthBytes));
  }
  uint64_t length = 0;
  for (size_t i = kLengthBytes; i-- > 0;)
    length = length << 8 | std::to_integer<uint64_t>(bytes_[i]);
  if (length > kMaxHeaderBytes) {
    return wrong(
        fmt::format("found a header of {} bytes, expected a safetensors header of at most {}",
                    length, kMaxHeaderBytes));
  }
  if (length > bytes_.size() - kLengthBytes) {
    return wrong(fmt::format("found a header of {} bytes in a file of {}, expected a whole file",
                             length, bytes_.size()));
  }
  return std::string_view(reinterpret_cast<const char*>(bytes_.data()) + kLengthBytes, length);
}

Status HeaderReader::read_metadata(element value) const {
  simdjson::dom::object object;
  if (value.get_object().get(object)) return wrong("__metadata__: expected an object of strings");
  for (const auto& [key, text] : object) {
    if (!text.is_string()) {
      return wrong(fmt::format("__metadata__: {}: expected a string", in_quotes(key)));
    }
  }
  return {};
}

Status HeaderReader::read_type(element value, Entry& entry) const {
  std::string_view name;
  const bool is_text = !value.get_string().get(name);
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (!is_text || kTypes[i].name != name) continue;
    entry.view.type = static_cast<TensorType>(i);
    return {};
  }
  return wrong(entry.name,
               fmt::format("dtype: found {}, expected {}", is_text ? in_quotes(name) : "no string",
                           join_alternatives(type_names())));
}

Status HeaderReader::read_shape(element value, Entry& entry) const {
  simdjson::dom::array items;
  if (value.get_array().get(items)) return wrong(entry.name, "shape: expected a list of sizes");
  for (const element item : items) {
    int64_t size = 0;
    if (item.get_int64().get(size) || size < 0) {
      return wrong(entry.name, "shape: expected whole numbers of at least 0");
    }
    entry.view.shape.push_back(size);
  }
  return {};
}

Status HeaderReader::read_offsets(element value, Entry& entry) const {
  simdjson::dom::array items;
  std::array<uint64_t, 2> offsets{};
  size_t count = 0;
  bool is_good = !value.get_array().get(items);
  if (is_good) {
    for (const element item : items) {
      is_good = is_good && count < 2 && !item.get_uint64().get(offsets[std::min<size_t>(count, 1)]);
      ++count;
    }
  }
  if (!is_good || count != 2) {
    return wrong(entry.name, "data_offsets: expected two whole numbers, begin and end");
  }
  entry.begin = offsets[0];
  entry.end = offsets[1];
  return {};
}

Status HeaderReader::read_entry(element value, Entry& entry) const {
  simdjson::dom::object object;
  if (value.get_object().get(object)) {
    return wrong(entry.name, "expected an object with dtype, shape and data_offsets");
  }
  std::array<int, 3> found{};
  for (const auto& [key, field] : object) {
    Status status;
    if (key == "dtype") {
      ++found[0];
      status = read_type(field, entry);
    } else if (key == "shape") {
      ++found[1];
      status = read_shape(field, entry);
    } else if (key == "data_offsets") {
      ++found[2];
      status = read_offsets(field, entry);
    } else {
      status = wrong(entry.name, fmt::format("found {}, expected dtype, shape and data_offsets",
                                             in_quotes(key)));
    }
    if (!status) return status;
  }
  if (found != std::array{1, 1, 1}) {
    return wrong(entry.name, "expected dtype, shape and data_offsets, each once");
  }
  return {};
}

Status HeaderReader::check_size(const Entry& entry) const {
  const uint64_t data_bytes = bytes_.size() - data_start_;
  if (entry.begin > entry.end || entry.end > data_bytes) {
    return wrong(entry.name, fmt::format("data_offsets: found {} to {}, expected a range in the "
                                         "file's {} bytes of data",
                                         entry.begin, entry.end, data_bytes));
  }
  int64_t size = tensor_type_bytes(entry.view.type);
  bool overflows = false;
  for (const int64_t length : entry.view.shape) {
    overflows = __builtin_mul_overflow(size, length, &size) || overflows;
  }
  if (overflows || static_cast<uint64_t>(size) != entry.end - entry.begin) {
    return wrong(entry.name,
                 fmt::format("found {} bytes by data_offsets, expected {} by shape {} of {}",
                             entry.end - entry.begin, overflows ? "far more" : fmt::to_string(size),
                             describe_shape(entry.view.shape), tensor_type_name(entry.view.type)));
  }
  return {};
}

// Every byte of the data belongs to one tensor. `entries` in the order of their offsets.
Status HeaderReader::check_layout(const std::vector<Entry>& entries) const {
  uint64_t at = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != at) {
      return wrong(entry.name,
                   fmt::format("data_offsets: found a begin of {}, expected {}: tensors "
                               "{}",
                               entry.begin, at, entry.begin < at ? "overlap" : "leave a gap"));
    }
    at = entry.end;
  }
  const uint64_t data_bytes = bytes_.size() - data_start_;
  if (at != data_bytes) {
    return wrong(
        fmt::format("found {} bytes after the last tensor, expected none", data_bytes - at));
  }
  return {};
}

Result<std::vector<Entry>> HeaderReader::read_entries(std::string_view text) const {
  simdjson::dom::parser parser;
  element document;
  if (const auto error = parser.parse(text.data(), text.size()).get(document)) {
    return wrong(fmt::format("header is not JSON: {}", simdjson::error_message(error)));
  }
  simdjson::dom::object object;
  if (document.get_object().get(object)) return wrong("header: expected a JSON object");
  std::vector<Entry> entries;
  int metadata = 0;
  for (const auto& [name, value] : object) {
    if (name == kMetadata) {
      if (++metadata > 1) return wrong("__metadata__: given twice");
      if (const auto status = read_metadata(value); !status) return status.error();
      continue;
    }
    Entry entry;
    entry.name = name;
    if (const auto status = read_entry(value, entry); !status) return status.error();
    if (const auto status = check_size(entry); !status) return status.error();
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<TensorMap> HeaderReader::read() {
  const auto text = header_text();
  if (!text) return text.error();
  if (text->empty() || text->front() != '{') return wrong("header: expected a JSON object");
  data_start_ = kLengthBytes + text->size();
  auto entries = read_entries(*text);
  if (!entries) return entries.error();
  // Empty tensors come before the one that begins where they lie.
  std::sort(entries->begin(), entries->end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  if (const auto status = check_layout(*entries); !status) return status.error();
  TensorMap tensors;
  for (Entry& entry : *entries) {
    entry.view.bytes = bytes_.subspan(data_start_ + entry.begin, entry.end - entry.begin);
    const auto [place, is_new] = tensors.emplace(entry.name, std::move(entry.view));
    if (!is_new) return wrong(place->first, "named twice");
  }
  return tensors;
}

Error system_error(const std::string& path, int error) {
  const auto code = error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kBadInput;
  return {code, fmt::format("{}: {}", path, std::strerror(error))};
}

}  // namespace

std::string_view tensor_type_name(TensorType type) {
  return kTypes[static_cast<size_t>(type)].name;
}

int64_t tensor_type_bytes(TensorType type) { return kTypes[static_cast<size_t>(type)].bytes; }

std::string describe_shape(std::span<const int64_t> shape) {
  return describe(FieldValue(std::vector<int64_t>(shape.begin(), shape.end())));
}

int64_t TensorView::values() const {
  int64_t product = 1;
  for (const int64_t length : shape) product *= length;
  return product;
}

Result<TensorMap> read_safetensors(std::span<const std::byte> bytes, const std::string& file) {
  return HeaderReader(bytes, file).read();
}

namespace {

// The whole pages within, or all that hold any of `bytes`. Advice: where it is not taken, only
// memory or time is lost.
void advise(std::span<const std::byte> bytes, bool within, int advice) {
  constexpr uintptr_t kPage = 4096;
  const auto first = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t last = first + bytes.size();
  const uintptr_t begin = (first + (within ? kPage - 1 : 0)) / kPage * kPage;
  const uintptr_t end = (last + (within ? 0 : kPage - 1)) / kPage * kPage;
  if (begin >= end) return;
  static_cast<void>(madvise(reinterpret_cast<void*>(begin), end - begin, advice));
}

}  // namespace

void drop_pages(std::span<const std::byte> bytes) { advise(bytes, true, MADV_DONTNEED); }

void want_pages(std::span<const std::byte> bytes) {
  if (!bytes.empty()) advise(bytes, false, MADV_WILLNEED);
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return system_error(path, errno);
  struct stat info {};
  const bool is_known = fstat(file, &info) == 0;
  const int error = errno;
  if (!is_known || !S_ISREG(info.st_mode)) {
    ::close(file);
    return is_known ? bad_input(fmt::format("{}: not a file", path)) : system_error(path, error);
  }
  const auto size = static_cast<size_t>(info.st_size);
  if (size == 0) {
    ::close(file);
    return MappedFile(nullptr, 0);
  }
  void* data = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
  const int map_error = errno;
  ::close(file);
  if (data == MAP_FAILED) return system_error(path, map_error);
  return MappedFile(static_cast<const std::byte*>(data), size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace weft
