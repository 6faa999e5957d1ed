// Results to files, errors to standard error.
#include "apps/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace weft {

namespace {

Error cannot_write(const std::string& path) {
  return bad_input(fmt::format("{}: cannot be written: {}", path, std::strerror(errno)));
}

}  // namespace

Status check_output(const std::string& path) {
  if (path.empty() || path == "-") return {};
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  errno = 0;
  if (access(folder.empty() ? "." : folder.c_str(), W_OK) != 0) return cannot_write(path);
  if (std::filesystem::is_directory(path)) {
    errno = EISDIR;
    return cannot_write(path);
  }
  return {};
}

// Through a file beside it and a rename, so that a run that dies leaves no half of one.
Status write_output(const std::string& path, const std::string& text) {
  if (path.empty()) return {};
  if (path == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return std::fflush(stdout) == 0 ? Status{} : Status{cannot_write("standard output")};
  }
  const std::string part = fmt::format("{}.part{}", path, getpid());
  std::FILE* file = std::fopen(part.c_str(), "wb");
  if (file == nullptr) return cannot_write(path);
  const bool wrote = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const bool closed = std::fclose(file) == 0;
  if (wrote && closed && std::rename(part.c_str(), path.c_str()) == 0) return {};
  const Error error = cannot_write(path);
  std::remove(part.c_str());
  return error;
}

int report_status(const Status& status) {
  if (status) return 0;
  fmt::print(stderr, "weft: {}\n", status.error().message);
  const ErrorCode code = status.error().code;
  return code == ErrorCode::kBadInput || code == ErrorCode::kNotFound ? 2 : 1;
}

}  // namespace weft
