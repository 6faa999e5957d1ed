// For tests alone: where the real traces lie, and small files that vanish again.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace weft {

// WEFT_TRACES, or shared/traces beside the source tree; empty when there is neither. A test that
// needs them skips then: traces are no part of the repository.
inline std::string traces_folder() {
  namespace fs = std::filesystem;
  const char* variable = std::getenv("WEFT_TRACES");
  if (variable != nullptr && fs::is_directory(variable)) return variable;
  const fs::path beside = fs::path(__FILE__).parent_path() / "../../../shared/traces";
  for (const fs::path& path : {fs::path("../shared/traces"), beside}) {
    if (fs::is_directory(path)) return path.lexically_normal().string();
  }
  return "";
}

// A folder that lives as long as the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "weft-test-XXXXXX").string();
    path_ = mkdtemp(name.data()) != nullptr ? name : "";
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  std::string write(const std::string& name, const std::string& bytes) const {
    const std::filesystem::path path = std::filesystem::path(path_) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    return path.string();
  }

 private:
  std::string path_;
};

}  // namespace weft
