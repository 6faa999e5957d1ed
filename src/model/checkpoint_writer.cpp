// The writer's files: headers laid out first, then pieces of tensors filled and written wherever
// they belong by whichever thread is free.
#include "model/checkpoint_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>

namespace weft {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPieceBytes = 4 << 20;
constexpr size_t kHeaderAlignment = 8;

int64_t bytes_of(const TensorToWrite& tensor) {
  int64_t bytes = tensor_type_bytes(tensor.type);
  for (const int64_t length : tensor.shape) bytes *= length;
  return bytes;
}

Error write_error(const std::string& path, int error) {
  return {ErrorCode::kInternal, fmt::format("{}: {}", path, std::strerror(error))};
}

// A file descriptor that is closed again.
class OpenFile {
 public:
  explicit OpenFile(const std::string& path)
      : file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) {}
  ~OpenFile() {
    if (file_ >= 0) ::close(file_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  [[nodiscard]] bool is_open() const { return file_ >= 0; }
  // 0, or errno.
  [[nodiscard]] int write(std::span<const std::byte> bytes, int64_t offset) const {
    while (!bytes.empty()) {
      const ssize_t written = ::pwrite(file_, bytes.data(), bytes.size(), offset);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return written < 0 ? errno : ENOSPC;
      bytes = bytes.subspan(static_cast<size_t>(written));
      offset += written;
    }
    return 0;
  }

 private:
  int file_;
};

Status write_text(const std::string& path, std::string_view text) {
  const OpenFile file(path);
  if (!file.is_open()) return write_error(path, errno);
  const int error = file.write(std::as_bytes(std::span(text)), 0);
  if (error != 0) return write_error(path, error);
  return {};
}

// A run of tensors that share a file.
struct Shard {
  size_t first = 0;
  size_t end = 0;
  std::string file;
};

std::vector<Shard> plan_shards(const CheckpointToWrite& contents) {
  std::vector<Shard> shards(1);
  int64_t bytes = 0;
  for (size_t i = 0; i < contents.tensors.size(); ++i) {
    const int64_t more = bytes_of(contents.tensors[i]);
    if (bytes > 0 && bytes + more > contents.shard_bytes) {
      shards.push_back({i, i, ""});
      bytes = 0;
    }
    bytes += more;
    shards.back().end = i + 1;
  }
  for (size_t i = 0; i < shards.size(); ++i) {
    shards[i].file = shards.size() == 1
                         ? "model.safetensors"
                         : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
  }
  return shards;
}

std::string header_of(const CheckpointToWrite& contents, const Shard& shard) {
  std::string json = R"({"__metadata__":{"format":"pt"})";
  int64_t offset = 0;
  for (size_t i = shard.first; i < shard.end; ++i) {
    const TensorToWrite& tensor = contents.tensors[i];
    const int64_t end = offset + bytes_of(tensor);
    json +=
        fmt::format(R"(,"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", tensor.name,
                    tensor_type_name(tensor.type), fmt::join(tensor.shape, ","), offset, end);
    offset = end;
  }
  json += '}';
  json.resize((json.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');
  std::string header;
  for (size_t i = 0; i < 8; ++i) header += static_cast<char>(json.size() >> (8 * i) & 0xff);
  return header + json;
}

struct Piece {
  size_t tensor = 0;
  int64_t first_value = 0;
  int64_t bytes = 0;
  int64_t offset = 0;  // in the file
};

std::vector<Piece> plan_pieces(const CheckpointToWrite& contents, const Shard& shard,
                               int64_t header_bytes) {
  std::vector<Piece> pieces;
  int64_t offset = header_bytes;
  for (size_t i = shard.first; i < shard.end; ++i) {
    const int64_t value_bytes = tensor_type_bytes(contents.tensors[i].type);
    const int64_t bytes = bytes_of(contents.tensors[i]);
    for (int64_t at = 0; at < bytes; at += kPieceBytes) {
      pieces.push_back({i, at / value_bytes, std::min(kPieceBytes, bytes - at), offset + at});
    }
    offset += bytes;
  }
  return pieces;
}

Status write_shard(const std::string& path, const CheckpointToWrite& contents, const Shard& shard,
                   const FillTensor& fill) {
  const std::string header = header_of(contents, shard);
  const std::vector<Piece> pieces =
      plan_pieces(contents, shard, static_cast<int64_t>(header.size()));
  const OpenFile file(path);
  if (!file.is_open()) return write_error(path, errno);
  std::atomic<size_t> next = 0;
  std::atomic<int> error = file.write(std::as_bytes(std::span(header)), 0);
  const auto work = [&] {
    std::vector<std::byte> buffer(kPieceBytes);
    for (size_t i = next++; i < pieces.size() && error == 0; i = next++) {
      const auto out = std::span(buffer).first(static_cast<size_t>(pieces[i].bytes));
      fill(pieces[i].tensor, pieces[i].first_value, out);
      if (const int failed = file.write(out, pieces[i].offset)) error = failed;
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (int i = 1; i < contents.threads; ++i) helpers.emplace_back(work);
    work();
  }
  if (error != 0) return write_error(path, error);
  return {};
}

std::string index_of(const CheckpointToWrite& contents, const std::vector<Shard>& shards) {
  std::map<std::string, std::string> places;
  int64_t bytes = 0;
  for (const Shard& shard : shards) {
    for (size_t i = shard.first; i < shard.end; ++i) {
      places[contents.tensors[i].name] = shard.file;
      bytes += bytes_of(contents.tensors[i]);
    }
  }
  std::string map;
  for (const auto& [name, file] : places) {
    map += fmt::format("{}\n    \"{}\": \"{}\"", map.empty() ? "" : ",", name, file);
  }
  return fmt::format(
      "{{\n  \"metadata\": {{\n    \"total_size\": {}\n  }},\n  \"weight_map\": {{{}\n  }}\n}}\n",
      bytes, map);
}

Status write_files(const std::string& directory, const CheckpointToWrite& contents,
                   const FillTensor& fill) {
  const std::vector<Shard> shards = plan_shards(contents);
  for (const Shard& shard : shards) {
    auto status = write_shard(fmt::format("{}/{}", directory, shard.file), contents, shard, fill);
    if (!status) return status;
  }
  if (shards.size() > 1) {
    const std::string path = directory + "/model.safetensors.index.json";
    if (auto status = write_text(path, index_of(contents, shards)); !status) return status;
  }
  for (const auto& [name, text] : contents.texts) {
    if (auto status = write_text(fmt::format("{}/{}", directory, name), text); !status)
      return status;
  }
  return {};
}

}  // namespace

Status write_checkpoint(const std::string& directory, const CheckpointToWrite& contents,
                        const FillTensor& fill) {
  CHECK(contents.threads >= 1 && contents.shard_bytes >= 1);
  std::string target = directory;
  while (target.size() > 1 && target.back() == '/') target.pop_back();
  std::error_code error;
  if (fs::exists(target, error) &&
      !(fs::is_directory(target, error) && fs::is_empty(target, error))) {
    return bad_input(fmt::format("{}: is there already; expected a new or empty folder", target));
  }
  const std::string part = fmt::format("{}.part-{}", target, ::getpid());
  fs::create_directories(part, error);
  if (error) return bad_input(fmt::format("{}: {}", part, error.message()));
  Status status = write_files(part, contents, fill);
  if (status && ::rename(part.c_str(), target.c_str()) != 0) status = write_error(target, errno);
  if (!status) fs::remove_all(part, error);
  return status;
}

}  // namespace weft
