// For tests alone: the program as a person or a script runs it, in a folder of its own.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#ifndef WEFT_PROGRAM
#define WEFT_PROGRAM ""  // the tests' build says where it lies
#endif

namespace weft {

namespace fs = std::filesystem;

inline std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Ended {
  int exit_code = -1;
  std::string out;
  std::string err;
};

class CommandTest : public testing::Test {
 protected:
  CommandTest() {
    std::string name = (fs::temp_directory_path() / "weft-test-XXXXXX").string();
    folder_ = mkdtemp(name.data()) != nullptr ? name : "";
  }
  ~CommandTest() override {
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  [[nodiscard]] std::string path(const std::string& name) const {
    return (folder_ / name).string();
  }

  // Runs the program from the root of the source tree, both streams in files.
  [[nodiscard]] Ended run(const std::string& arguments) const {
    const std::string command =
        fmt::format("{} {} >{} 2>{} </dev/null", WEFT_PROGRAM, arguments, path("out"), path("err"));
    const int status = std::system(command.c_str());
    const Ended ended{WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(path("out")),
                      read(path("err"))};
    fs::remove(path("out"));
    fs::remove(path("err"));
    return ended;
  }
  [[nodiscard]] size_t files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }

  // Exit code 2, and one line with each of the words.
  static void expect_one_line(const Ended& ended, const std::vector<std::string>& words) {
    EXPECT_EQ(ended.exit_code, 2) << ended.err;
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    EXPECT_EQ(ended.err.find("weft: "), 0u) << ended.err;
    for (const std::string& word : words) {
      EXPECT_NE(ended.err.find(word), std::string::npos)
          << "no \"" << word << "\" in " << ended.err;
    }
  }
  // The same, and nothing on standard output.
  static void expect_refused(const Ended& ended, const std::vector<std::string>& words) {
    EXPECT_EQ(ended.out, "");
    expect_one_line(ended, words);
  }

  fs::path folder_;
};

}  // namespace weft
