// What every command does with its results and its errors.
#pragma once

#include <string>

#include "base/result.h"

namespace weft {

// Writes `text` to the file, whole or not at all ("-": standard output; empty: nowhere).
Status write_output(const std::string& path, const std::string& text);

// To be asked before a long run: whether the file could be written.
Status check_output(const std::string& path);

// Prints an error as one line on standard error; gives the exit code (0 done, 1 failed, 2 bad
// input).
int report_status(const Status& status);

}  // namespace weft
