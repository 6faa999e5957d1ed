// Results to files, errors to standard error.
#include "apps/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

namespace weft {

namespace {

Error cannot_write(const std::string& path) {
  return bad_input(fmt::format("{}: cannot be written: {}", path, std::strerror(errno)));
}

// A device or a pipe has no other name until it is whole.
bool is_special(const std::string& path) {
  std::error_code ignored;
  const auto type = std::filesystem::status(path, ignored).type();
  return type != std::filesystem::file_type::regular &&
         type != std::filesystem::file_type::not_found;
}

}  // namespace

Status check_output(const std::string& path) {
  if (path.empty() || path == "-") return {};
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (std::filesystem::is_directory(path)) {
    errno = EISDIR;
    return cannot_write(path);
  }
  const std::string asked = is_special(path) ? path : folder.empty() ? "." : folder.string();
  return access(asked.c_str(), W_OK) == 0 ? Status{} : Status{cannot_write(path)};
}

Result<std::unique_ptr<OutputFile>> OutputFile::create(const std::string& path) {
  const bool whole = path != "-" && !is_special(path);
  const std::string part = whole ? fmt::format("{}.part{}", path, getpid()) : "";
  const std::string& name = whole ? part : path;
  std::FILE* file = path == "-" ? std::tmpfile() : std::fopen(name.c_str(), "wb");
  if (file == nullptr) return cannot_write(path);
  return std::unique_ptr<OutputFile>(new OutputFile(path, part, file));
}

OutputFile::OutputFile(std::string path, std::string part, std::FILE* file)
    : path_(std::move(path)), part_(std::move(part)), file_(file) {}

OutputFile::~OutputFile() {
  if (file_ != nullptr) std::fclose(file_);
  if (!part_.empty()) std::remove(part_.c_str());
}

void OutputFile::append(std::string_view text) {
  if (error_ != 0) return;
  if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) error_ = errno;
}

Status OutputFile::keep() {
  if (path_ == "-") copy_to_standard_output();
  if (std::fclose(std::exchange(file_, nullptr)) != 0 && error_ == 0) error_ = errno;
  if (error_ == 0 && !part_.empty()) {
    if (std::rename(part_.c_str(), path_.c_str()) != 0) error_ = errno;
    if (error_ == 0) part_.clear();
  }
  if (error_ == 0) return {};
  errno = error_;
  return cannot_write(path_ == "-" ? "standard output" : path_);
}

void OutputFile::copy_to_standard_output() {
  if (error_ != 0) return;
  char piece[1 << 14];
  std::rewind(file_);
  while (const size_t got = std::fread(piece, 1, sizeof piece, file_)) {
    if (std::fwrite(piece, 1, got, stdout) != got) error_ = errno;
  }
  if (std::fflush(stdout) != 0) error_ = errno;
}

Status write_output(const std::string& path, const std::string& text) {
  if (path.empty()) return {};
  if (path == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return std::fflush(stdout) == 0 ? Status{} : Status{cannot_write("standard output")};
  }
  auto file = OutputFile::create(path);
  if (!file) return file.error();
  (*file)->append(text);
  return (*file)->keep();
}

Status report_all(const std::vector<Error>& unusable) {
  for (size_t i = 0; i + 1 < unusable.size(); ++i) {
    fmt::print(stderr, "weft: {}\n", unusable[i].message);
  }
  return unusable.empty() ? Status{} : Status{bad_input(unusable.back().message)};
}

int report_status(const Status& status) {
  if (status) return 0;
  fmt::print(stderr, "weft: {}\n", status.error().message);
  const ErrorCode code = status.error().code;
  return code == ErrorCode::kBadInput || code == ErrorCode::kNotFound ? 2 : 1;
}

}  // namespace weft
