// What every command does with its results and its errors.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft {

// A file that is written piece by piece and has its name only once it is whole; a device or a pipe
// is written to as it is.
class OutputFile {
 public:
  // "-" is standard output, which gets everything at the end too.
  static Result<std::unique_ptr<OutputFile>> create(const std::string& path);
  // What was not kept leaves nothing behind.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void append(std::string_view text);
  // The file is whole. An error when that, or anything before it, could not be written.
  Status keep();

 private:
  OutputFile(std::string path, std::string part, std::FILE* file);
  void copy_to_standard_output();

  std::string path_;
  std::string part_;  // the name until it is whole; empty when there is none
  std::FILE* file_;
  int error_ = 0;  // the first one's errno
};

// Writes `text` to the file, whole or not at all ("-": standard output; empty: nowhere).
Status write_output(const std::string& path, const std::string& text);

// To be asked before a long run: whether the file could be written.
Status check_output(const std::string& path);

// What is wrong with each of several things that others did well without: prints all but the last,
// and returns that one as bad input.
Status report_all(const std::vector<Error>& unusable);

// Prints an error as one line on standard error; gives the exit code (0 done, 1 failed, 2 bad
// input).
int report_status(const Status& status);

}  // namespace weft
