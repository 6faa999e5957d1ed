// Looks in the order that surprises least: nearest first, a search by name last.
#include "sim/trace_paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace weft {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostSearched = 100'000;  // entries under WEFT_TRACES

// "a/b/c.csv" ends in the path "b/c.csv" but not in "/c.csv" of another word.
bool ends_in(const std::string& path, const std::string& name) {
  return path.size() > name.size() && path.ends_with(name) &&
         path[path.size() - name.size() - 1] == '/';
}

std::vector<std::string> search(const std::string& folder, const std::string& name) {
  std::vector<std::string> found;
  std::error_code code;
  size_t searched = 0;
  for (fs::recursive_directory_iterator at(folder, code), end; !code && at != end;
       at.increment(code)) {
    if (++searched > kMostSearched) break;
    if (ends_in(at->path().generic_string(), name)) found.push_back(at->path().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

Result<std::string> find_trace_file(const std::string& name, const std::string& base_folder) {
  std::error_code code;
  if (name.find_first_of(std::string_view("\0\n\r", 3)) != std::string::npos) {
    return not_found("found a name with a control character in it, expected a file's name");
  }
  if (fs::path(name).is_absolute()) {
    if (fs::exists(name, code)) return name;
    return not_found(fmt::format("found no file {}", name));
  }
  if (fs::exists(name, code)) return name;
  std::string looked = "the current folder";
  if (!base_folder.empty()) {
    const auto beside = (fs::path(base_folder) / name).string();
    if (fs::exists(beside, code)) return beside;
    looked += fmt::format(", {}", base_folder);
  }
  const char* traces = std::getenv("WEFT_TRACES");
  if (traces == nullptr || *traces == '\0') {
    return not_found(
        fmt::format("found no file {} in {} (WEFT_TRACES, a folder of traces, is not "
                    "set)",
                    name, looked));
  }
  const auto direct = (fs::path(traces) / name).string();
  if (fs::exists(direct, code)) return direct;
  const auto found = search(traces, name);
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    return not_found(
        fmt::format("found no file {} in {} or under {} (WEFT_TRACES)", name, looked, traces));
  }
  return not_found(
      fmt::format("found {} files named {}, as {} and {}, expected one: give more of "
                  "the path",
                  found.size(), name, found[0], found[1]));
}

}  // namespace weft
